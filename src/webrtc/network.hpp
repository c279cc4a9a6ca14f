// The UDP (and ICE-TCP) ports through which all WebRTC peers are reached: one per shard, so that a
// peer's packets never cross threads. The shard's port is in the candidates of its peers.
// Thread: construct, open and stop from outside the shards; make_peer() on the peer's shard.
// Owns: sockets, the DTLS certificate, and an entry per peer.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "webrtc/peer.hpp"

namespace rivulet::webrtc {

struct network_options {
    std::string host = "127.0.0.1"; // a literal address; "0.0.0.0" and "::" are every interface
    std::uint16_t first_port = 7280, last_port = 7379; // 0, 0: the system chooses
    std::string nat_ip;        // announced instead of the host's own addresses; empty: none
    bool tcp = true;           // ICE-TCP on the same port number
    std::size_t peers = 4'000; // of the process
    duration connect_limit = std::chrono::seconds(15); // from make_peer to `connected`
    duration silence_limit = std::chrono::seconds(15); // without a packet or a check
};

struct network_stats {
    std::size_t peers = 0;
    std::uint64_t datagrams_in = 0, datagrams_out = 0, foreign_in = 0; // foreign: of no peer
};

class network {
  public:
    network(shards& shards, network_options options, logger log);
    ~network(); // stop()
    network(const network&) = delete;
    network& operator=(const network&) = delete;

    // Binds a port per shard; the ports. Fails with a text that names host and range.
    outcome<std::vector<std::uint16_t>> open();
    // Ends every peer (`gone` with "the gateway ends") and closes the sockets. Blocks; idempotent.
    void stop();

    // Fails with too_many, or invalid_argument when the fingerprint can't be read. `log` carries
    // the session's id.
    outcome<std::shared_ptr<peer>>
    make_peer(remote_transport remote, peer_events events, logger log);

    network_stats stats() const;

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::webrtc
