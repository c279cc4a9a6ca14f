// The browser's side of a WebRTC transport, for tests and benchmarks: controlling ICE, DTLS of
// either role, SRTP. Pure: datagrams and time in, datagrams out.
// Thread: one at a time.
#pragma once

#include "webrtc/dtls.hpp"
#include "webrtc/peer.hpp"
#include "webrtc/stun_message.hpp"

#include <deque>
#include <optional>

namespace rivulet::test {

// Made once a process; tests need no more.
std::shared_ptr<const webrtc::dtls_identity> client_identity();

struct controlling_options {
    bool active = true;   // says the ClientHello
    bool nominate = true; // USE-CANDIDATE on every check
    bool lie = false;     // announces a fingerprint that is not its own
    std::uint32_t priority = 0x6e0001ff;
};

class controlling_peer {
  public:
    explicit controlling_peer(controlling_options options = {});

    // For network::make_peer and for the offer.
    const webrtc::remote_transport& announced() const { return announced_; }

    // What the answer said.
    void begin(webrtc::ice_parameters ice, std::string_view fingerprint);

    const webrtc::ice_parameters& remote() const { return remote_; }

    // New credentials of both sides.
    void restart(webrtc::ice_parameters own, webrtc::ice_parameters theirs);

    // Checks and repeats as it is time; about every 20 ms.
    void tick(time_point now);
    void receive(std::span<const std::uint8_t> datagram, time_point now);
    bool send_rtp(std::span<const std::uint8_t> packet);
    bool send_rtcp(std::span<const std::uint8_t> compound);
    void close(); // close_notify

    // Taken.
    std::vector<std::vector<std::uint8_t>> output();
    std::vector<std::vector<std::uint8_t>> rtp_in, rtcp_in; // decrypted; taken by whoever reads

    bool connected() const { return srtp_.has_value(); }

    // Of DTLS: connected, closed, failed.
    webrtc::dtls_phase phase() const { return dtls_->phase(); }

    std::string trouble() const { return dtls_ ? dtls_->reason() : std::string(); }

    std::optional<webrtc::udp::endpoint> mapped; // as the last answer saw us
    std::size_t answers = 0, errors = 0;         // to checks
    std::size_t damaged = 0;
    int last_error = 0;
    bool decrypt = true; // false: RTP and RTCP are only counted in `unread`
    std::size_t unread = 0;

    static constexpr auto check_interval = std::chrono::milliseconds(50);
    static constexpr auto keep_alive = std::chrono::milliseconds(2'500);

  private:
    void check(time_point now);
    void follow_dtls();

    controlling_options options_;
    webrtc::remote_transport announced_;
    webrtc::ice_parameters remote_;
    std::unique_ptr<webrtc::dtls_session> dtls_;
    std::optional<webrtc::srtp_session> srtp_;
    std::vector<std::vector<std::uint8_t>> out_;
    std::optional<webrtc::stun_transaction> pending_;
    time_point next_check_ = time_point::min();
    bool valid_ = false; // a check was answered
    std::uint64_t tie_breaker_ = 0;
};

} // namespace rivulet::test
