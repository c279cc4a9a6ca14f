#include "support/controlling_peer.hpp"

#include "webrtc/ice_lite.hpp"

#include <openssl/rand.h>

#include <stdexcept>

namespace rivulet::test {

using namespace webrtc;

std::shared_ptr<const dtls_identity> client_identity() {
    static const auto made = [] {
        auto identity = dtls_identity::make();
        if (!identity)
            throw std::runtime_error(identity.error().detail);
        return *identity;
    }();
    return made;
}

controlling_peer::controlling_peer(controlling_options options) : options_(options) {
    announced_.ice = make_ice_parameters();
    announced_.fingerprint_algorithm = "sha-256";
    announced_.fingerprint = client_identity()->fingerprint();
    announced_.active = options.active;
    if (options.lie)
        announced_.fingerprint[0] = announced_.fingerprint[0] == 'A' ? 'B' : 'A';
    RAND_bytes(reinterpret_cast<unsigned char*>(&tie_breaker_), sizeof tie_breaker_);
}

void controlling_peer::begin(ice_parameters ice, std::string_view fingerprint) {
    remote_ = std::move(ice);
    auto expected = parse_fingerprint("sha-256", fingerprint);
    if (!expected)
        throw std::runtime_error(expected.error().detail);
    dtls_ = std::make_unique<dtls_session>(
        client_identity(),
        options_.active ? dtls_role::client : dtls_role::server,
        std::move(*expected)
    );
}

void controlling_peer::restart(ice_parameters own, ice_parameters theirs) {
    announced_.ice = std::move(own);
    remote_ = std::move(theirs);
    next_check_ = time_point::min();
}

void controlling_peer::check(time_point now) {
    stun_transaction transaction;
    RAND_bytes(transaction.data(), transaction.size());
    stun_writer request(stun_class::request, transaction);
    request.username(remote_.ufrag + ":" + announced_.ice.ufrag);
    request.priority(options_.priority);
    request.controlling(tie_breaker_);
    if (options_.nominate)
        request.use_candidate();
    out_.push_back(request.finish(remote_.password));
    pending_ = transaction;
    next_check_ = now + (connected() ? duration(keep_alive) : duration(check_interval));
}

void controlling_peer::tick(time_point now) {
    if (!dtls_)
        return;
    if (now >= next_check_)
        check(now);
    if (connected())
        return;
    dtls_->tick();
    follow_dtls();
}

void controlling_peer::receive(std::span<const std::uint8_t> datagram, time_point now) {
    if (!dtls_)
        return;
    if (looks_like_stun(datagram)) {
        const auto message = parse_stun(datagram);
        if (!message || pending_ != message->transaction) {
            ++damaged;
            return;
        }
        if (message->kind == stun_class::error) {
            ++errors;
            last_error = message->error.value_or(0);
        }
        if (message->kind != stun_class::success ||
            !has_integrity(datagram, *message, remote_.password))
            return;
        mapped = message->mapped;
        ++answers;
        if (!valid_) {
            valid_ = true;
            dtls_->start();
            follow_dtls();
        }
        return;
    }
    if (looks_like_dtls(datagram)) {
        dtls_->receive(datagram);
        follow_dtls();
        (void)now;
        return;
    }
    if (!srtp_ || datagram.size() < 2)
        return;
    if (!decrypt) {
        ++unread;
        return;
    }
    std::vector<std::uint8_t> packet(datagram.begin(), datagram.end());
    const bool control = packet[1] >= 192 && packet[1] <= 223;
    const auto size = control ? srtp_->unprotect_rtcp(packet) : srtp_->unprotect_rtp(packet);
    if (size == 0) {
        ++damaged;
        return;
    }
    packet.resize(size);
    (control ? rtcp_in : rtp_in).push_back(std::move(packet));
}

void controlling_peer::follow_dtls() {
    for (auto& datagram : dtls_->output())
        out_.push_back(std::move(datagram));
    if (srtp_ || dtls_->phase() != dtls_phase::connected)
        return;
    const auto keys = dtls_->keys();
    if (!keys)
        throw std::runtime_error(keys.error().detail);
    auto session = srtp_session::make(*keys);
    if (!session)
        throw std::runtime_error(session.error().detail);
    srtp_.emplace(std::move(*session));
}

bool controlling_peer::send_rtp(std::span<const std::uint8_t> packet) {
    if (!srtp_)
        return false;
    std::vector<std::uint8_t> room(packet.begin(), packet.end());
    room.resize(packet.size() + srtp_overhead);
    const auto size = srtp_->protect_rtp(room, packet.size());
    room.resize(size);
    if (size > 0)
        out_.push_back(std::move(room));
    return size > 0;
}

bool controlling_peer::send_rtcp(std::span<const std::uint8_t> compound) {
    if (!srtp_)
        return false;
    std::vector<std::uint8_t> room(compound.begin(), compound.end());
    room.resize(compound.size() + srtp_overhead);
    const auto size = srtp_->protect_rtcp(room, compound.size());
    room.resize(size);
    if (size > 0)
        out_.push_back(std::move(room));
    return size > 0;
}

void controlling_peer::close() {
    if (!dtls_)
        return;
    dtls_->close();
    follow_dtls();
}

std::vector<std::vector<std::uint8_t>> controlling_peer::output() {
    return std::exchange(out_, {});
}

} // namespace rivulet::test
