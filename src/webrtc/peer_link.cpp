#include "webrtc/peer_link.hpp"

#include <algorithm>

namespace rivulet::webrtc {
namespace {

long long milliseconds(duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

// RFC 5761, 4: the packet types of RTCP, seen through RTP's eyes.
bool is_rtcp(std::span<const std::uint8_t> packet) {
    return packet[1] >= 192 && packet[1] <= 223;
}

} // namespace

peer_link::peer_link(
    std::shared_ptr<const dtls_identity> identity,
    link_start start,
    peer_events events,
    packet_output& output,
    logger log,
    time_point now
)
    : output_(output), log_(std::move(log)), limits_(start.limits),
      remote_(std::move(start.remote)),
      events_(std::make_shared<const peer_events>(std::move(events))), ice_(std::move(start.local)),
      dtls_(std::move(identity), start.role, std::move(start.fingerprint)), begun_(now),
      heard_(now) {}

peer_link::heard peer_link::check(
    std::span<const std::uint8_t> datagram,
    const stun_message& message,
    const path& from,
    time_point now
) {
    heard result;
    if (ended_)
        return result;
    auto reply = ice_.receive(datagram, message, from, now);
    if (!reply.datagram.empty()) {
        auto room = output_.room(from);
        if (room.size() >= reply.datagram.size()) {
            std::copy(reply.datagram.begin(), reply.datagram.end(), room.begin());
            output_.commit(reply.datagram.size());
        }
    }
    result.accepted = reply.accepted;
    result.forgotten = reply.forgotten;
    result.retired = std::move(reply.retired);
    if (!reply.accepted)
        return result;
    heard_ = now;
    if (!started_) {
        started_ = true;
        dtls_.start();
        flush_dtls();
        follow_dtls(now);
    }
    return result;
}

void peer_link::receive(std::span<std::uint8_t> datagram, const path_id& from, time_point now) {
    if (ended_ || datagram.empty() || !ice_.knows(from))
        return;
    if (looks_like_dtls(datagram)) {
        dtls_.receive(datagram);
        flush_dtls();
        follow_dtls(now);
        return;
    }
    if (datagram.size() < 12 || (datagram[0] & 0xc0) != 0x80) {
        ++stats_.damaged_in;
        return;
    }
    if (!srtp_)
        return; // media may overtake the end of the handshake
    const bool control = is_rtcp(datagram);
    const auto size = control ? srtp_->unprotect_rtcp(datagram) : srtp_->unprotect_rtp(datagram);
    if (size == 0) {
        ++stats_.damaged_in;
        return;
    }
    heard_ = now;
    ++stats_.packets_in;
    stats_.bytes_in += datagram.size();
    const auto events = events_;
    if (const auto& tell = control ? events->rtcp : events->rtp)
        tell(datagram.first(size));
}

void peer_link::flush_dtls() {
    auto datagrams = dtls_.output();
    const path* to = ice_.selected();
    if (!to)
        return; // lost on the way, as any datagram may be; DTLS repeats them
    for (const auto& datagram : datagrams) {
        auto room = output_.room(*to);
        if (room.size() < datagram.size())
            return;
        std::copy(datagram.begin(), datagram.end(), room.begin());
        output_.commit(datagram.size());
    }
}

void peer_link::follow_dtls(time_point now) {
    switch (dtls_.phase()) {
    case dtls_phase::handshaking:
        return;
    case dtls_phase::failed:
        return end(std::string(dtls_.reason()));
    case dtls_phase::closed:
        return end("the peer closed the connection");
    case dtls_phase::connected:
        break;
    }
    if (srtp_)
        return;
    const auto keys = dtls_.keys();
    if (!keys)
        return end(keys.error().detail);
    auto made = srtp_session::make(*keys);
    if (!made)
        return end(made.error().detail);
    srtp_.emplace(std::move(*made));
    heard_ = now;
    stats_.connected = true;
    const path* way = ice_.selected();
    log_.info(
        "connected over {} to {} after {} ms",
        way && way->remote.tcp ? "TCP" : "UDP",
        way ? to_string(way->remote) : "nobody",
        milliseconds(now - begun_)
    );
    const auto events = events_;
    if (events->connected)
        events->connected();
}

void peer_link::tick(time_point now) {
    if (ended_)
        return;
    if (!srtp_) {
        if (now - begun_ >= limits_.connect) {
            const char* cause = started_ ? "the DTLS handshake did not finish"
                                         : "no connectivity check came through";
            return end(fmt::format(
                "not connected within {} s: {}", milliseconds(limits_.connect) / 1000.0, cause
            ));
        }
        dtls_.tick();
        flush_dtls();
        return follow_dtls(now);
    }
    if (now - heard_ >= limits_.silence)
        end(fmt::format("nothing heard for {} s", milliseconds(limits_.silence) / 1000.0));
}

std::optional<std::string> peer_link::restart_ice(ice_parameters local, ice_parameters remote) {
    remote_ = std::move(remote);
    return ice_.restart(std::move(local));
}

bool peer_link::send(
    bool control, std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload
) {
    const auto size = header.size() + payload.size();
    const path* to = srtp_ && !ended_ ? ice_.selected() : nullptr;
    if (!to || size > peer::max_packet)
        return false;
    auto room = output_.room(*to);
    if (room.empty()) {
        ++stats_.dropped_out;
        return false;
    }
    std::copy(header.begin(), header.end(), room.begin());
    std::copy(payload.begin(), payload.end(), room.begin() + header.size());
    const auto wire = control ? srtp_->protect_rtcp(room, size) : srtp_->protect_rtp(room, size);
    if (wire == 0)
        return false;
    output_.commit(wire);
    ++stats_.packets_out;
    stats_.bytes_out += wire;
    return true;
}

bool peer_link::send_rtp(
    std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload
) {
    return send(false, header, payload);
}

bool peer_link::send_rtcp(std::span<const std::uint8_t> compound) {
    return send(true, compound, {});
}

void peer_link::forget_events() {
    // The owner's functions hold the owner, which holds the peer.
    events_ = std::make_shared<const peer_events>();
}

void peer_link::close() {
    if (ended_)
        return;
    dtls_.close();
    flush_dtls();
    ended_ = true;
    forget_events();
}

void peer_link::end(const std::string& reason) {
    if (ended_)
        return;
    dtls_.close();
    flush_dtls();
    ended_ = true;
    log_.info("ended: {}", reason);
    const auto events = events_;
    forget_events();
    if (events->gone)
        events->gone(reason);
}

peer_stats peer_link::stats() const {
    auto now = stats_;
    if (const path* way = ice_.selected()) {
        now.remote = to_string(way->remote);
        now.tcp = way->remote.tcp;
    }
    return now;
}

} // namespace rivulet::webrtc
