// One shard's UDP port (and ICE-TCP port of the same number) with all of its peers: finds the peer
// of a datagram by the address it comes from, or by the user fragment of a connectivity check.
// Thread: the shard; construct and bind() from outside before start().
// Owns: the sockets and an entry per peer.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "base/task_group.hpp"
#include "webrtc/ice_tcp.hpp"
#include "webrtc/peer_link.hpp"
#include "webrtc/udp_batch.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace rivulet::webrtc {

struct port_options {
    asio::ip::address host;
    std::string nat_ip;
    bool tcp = true;
    link_limits limits;
};

// Of all ports; read from anywhere.
struct port_counters {
    std::atomic<std::size_t> peers{0};
    std::atomic<std::uint64_t> datagrams_in{0}, datagrams_out{0}, foreign_in{0};
};

class port final : public packet_output, public std::enable_shared_from_this<port> {
  public:
    port(
        asio::io_context& context,
        std::shared_ptr<const dtls_identity> identity,
        port_options options,
        std::shared_ptr<port_counters> counters,
        logger log
    );
    ~port() override;

    // UDP, and TCP when wanted, on one number; 0: the system chooses.
    error_code bind(std::uint16_t number);

    std::uint16_t number() const { return number_; }

    void start();
    // Ends every peer and closes the sockets.
    void stop(const std::string& reason);

    std::shared_ptr<peer> make_peer(
        remote_transport remote, dtls_fingerprint fingerprint, peer_events events, logger log
    );

    std::span<std::uint8_t> room(const path& to) override;
    void commit(std::size_t length) override;

  private:
    struct entry;
    class handle;

    error_code bind_udp(std::uint16_t number);
    error_code bind_tcp();
    void wait_readable();
    void receive_udp();
    bool receive(const path& from, std::span<std::uint8_t> datagram);
    bool receive_check(const path& from, std::span<std::uint8_t> datagram);
    void settle(const std::shared_ptr<entry>& one);
    void forget(const std::shared_ptr<entry>& one);
    void path_lost(const path_id& id);
    void drop_path(const path_id& id, const entry& of);
    void flush();
    void arm(bool soon);
    void tick();
    awaitable<void> accept();
    awaitable<void> serve_tcp(std::shared_ptr<ice_tcp_link> link);

    // given
    asio::io_context& context_;
    std::shared_ptr<const dtls_identity> identity_;
    port_options options_;
    std::shared_ptr<port_counters> counters_;
    logger log_;

    // owned
    udp::socket socket_;
    tcp::acceptor acceptor_;
    udp_receiver receiver_;
    udp_sender sender_;
    asio::steady_timer timer_;
    task_group tasks_;
    std::unordered_set<std::shared_ptr<entry>> entries_;
    std::unordered_map<std::string, std::shared_ptr<entry>> by_fragment_;
    std::unordered_map<path_id, std::shared_ptr<entry>> by_path_;
    std::unordered_map<path_id, std::shared_ptr<ice_tcp_link>> tcp_links_;

    // state
    std::uint16_t number_ = 0;
    std::vector<ice_candidate> candidates_;
    ice_tcp_link* filling_ = nullptr; // of the room given out last; null: UDP
    std::vector<std::shared_ptr<ice_tcp_link>> to_flush_;
    bool flush_posted_ = false, waiting_writable_ = false, stopped_ = false;
    bool ticking_ = false, ticking_soon_ = false;
    std::size_t strangers_ = 0; // TCP connections without a peer
};

} // namespace rivulet::webrtc
