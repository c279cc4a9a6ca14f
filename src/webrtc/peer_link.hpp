// All of one peer's transport but the socket: datagrams and the time go in, packets come out at the
// peer's events and datagrams at an output. Pure but for OpenSSL's clock.
// Thread: one at a time; the network's shard.
// Owns: the peer's ICE, DTLS and SRTP state.
#pragma once

#include "base/log.hpp"
#include "webrtc/dtls.hpp"
#include "webrtc/ice_lite.hpp"
#include "webrtc/peer.hpp"

#include <optional>

namespace rivulet::webrtc {

// Where a link's datagrams go. The room is filled and then committed before anything else happens.
class packet_output {
  public:
    virtual ~packet_output() = default;
    // Of packet_room octets, aligned to four; empty: nothing more is taken at the moment.
    virtual std::span<std::uint8_t> room(const path& to) = 0;
    virtual void commit(std::size_t length) = 0;

    static constexpr std::size_t packet_room = 1'536;
};

struct link_limits {
    duration connect = std::chrono::seconds(15);
    duration silence = std::chrono::seconds(15);
};

struct link_start {
    ice_parameters local;
    ice_parameters remote;
    dtls_fingerprint fingerprint;
    dtls_role role = dtls_role::server;
    link_limits limits;
};

class peer_link {
  public:
    peer_link(
        std::shared_ptr<const dtls_identity> identity,
        link_start start,
        peer_events events,
        packet_output& output,
        logger log,
        time_point now
    );

    struct heard {
        bool accepted = false;              // the path is the peer's from now on
        std::optional<path_id> forgotten;   // and this one no longer
        std::optional<std::string> retired; // nor this user fragment
    };

    // A request whose user name begins with a fragment of this link.
    heard check(
        std::span<const std::uint8_t> datagram,
        const stun_message& message,
        const path& from,
        time_point now
    );
    // DTLS and SRTP from a path that passed a check; decrypted in place. Calls the events, in which
    // anything may happen, close() included.
    void receive(std::span<std::uint8_t> datagram, const path_id& from, time_point now);
    // Deadlines and retransmissions; about twenty times a second until connected, then now and
    // then.
    void tick(time_point now);

    void lost(const path_id& id) { ice_.lost(id); }

    std::optional<std::string> restart_ice(ice_parameters local, ice_parameters remote);

    bool send_rtp(std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload);
    bool send_rtcp(std::span<const std::uint8_t> compound);

    // close_notify and the end, without `gone`.
    void close();
    // The end with `gone`.
    void end(const std::string& reason);

    bool ended() const { return ended_; }

    bool connecting() const { return !ended_ && !srtp_; }

    const ice_lite& ice() const { return ice_; }

    const ice_parameters& remote_ice() const { return remote_; }

    peer_stats stats() const;

  private:
    void flush_dtls();
    void follow_dtls(time_point now);
    void forget_events();
    bool send(bool control, std::span<const std::uint8_t>, std::span<const std::uint8_t>);

    // given
    packet_output& output_;
    logger log_;
    link_limits limits_;
    ice_parameters remote_;

    // owned
    // Shared, because a callback may end the link, and with it its own function.
    std::shared_ptr<const peer_events> events_;
    ice_lite ice_;
    dtls_session dtls_;
    std::optional<srtp_session> srtp_;

    // state
    peer_stats stats_;
    time_point begun_, heard_;
    bool started_ = false; // DTLS
    bool ended_ = false;
};

} // namespace rivulet::webrtc
