// A WebRTC client without a picture, for flow tests and benchmarks: offers, answers, ICE (UDP or
// TCP), DTLS, SRTP; what travels inside is the test's. It can lose packets on purpose.
// Thread: the executor's; everything below is called there.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "webrtc/path.hpp"
#include "webrtc/peer.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::test {

struct webrtc_client_options {
    bool tcp = false;       // the answer's TCP candidate instead of the UDP one
    bool active = true;     // says the ClientHello
    bool decrypt = true;    // false: packets that come are counted in `packets_in`, no more
    bool lie = false;       // offers a fingerprint that is not its own
    double lose_in = 0;     // share of the RTP and RTCP packets that are dropped on arrival
    double lose_out = 0;    // and instead of being sent
    std::uint32_t seed = 1; // of the losses
    // Goes there instead of the answer's candidate, as through a relay.
    std::optional<webrtc::udp::endpoint> through;

    webrtc_client_options() {} // not an aggregate: see the coroutine traps in CONTRIBUTING
};

struct client_codec {
    int payload_type = 96;
    std::string name = "H264/90000"; // with clock rate and channels: "opus/48000/2"
    std::string parameters;          // fmtp
    std::vector<std::string> feedback;
    int rtx = 0; // payload type; 0: none
};

struct client_media {
    std::string kind = "video";
    std::string direction = "recvonly"; // ours
    std::vector<client_codec> codecs;
    std::vector<std::pair<int, std::string>> extensions;
    std::uint32_t ssrc = 0, rtx_ssrc = 0; // of sections that we send
};

// With NACK, PLI and transport-cc as browsers offer them.
client_media h264_media(std::string direction); // payload type 102, RTX 103, constrained baseline
client_media vp8_media(std::string direction);  // payload type 96, RTX 97
client_media opus_media(std::string direction); // payload type 111

struct answered_media_section {
    std::string kind, mid, direction; // the gateway's
    bool refused = false;
    std::vector<client_codec> codecs;
    std::vector<std::pair<int, std::string>> extensions;
    std::uint32_t ssrc = 0, rtx_ssrc = 0;
    std::string text; // the section, for what is not above
};

struct client_answer {
    webrtc::local_transport transport;
    bool passive = true; // the gateway's a=setup
    std::vector<answered_media_section> media;

    const answered_media_section* first(std::string_view kind) const; // not refused; or null
};

outcome<client_answer> parse_answer(std::string_view sdp);

struct client_stats {
    std::uint64_t packets_in = 0, packets_out = 0, bytes_in = 0, bytes_out = 0;
    std::uint64_t lost_in = 0, lost_out = 0; // on purpose
    std::uint64_t damaged = 0, checks_answered = 0;
};

class webrtc_client {
  public:
    explicit webrtc_client(asio::any_io_executor executor, webrtc_client_options options = {});
    ~webrtc_client(); // vanish()
    webrtc_client(const webrtc_client&) = delete;
    webrtc_client& operator=(const webrtc_client&) = delete;

    // For network::make_peer, when there is no SDP between.
    const webrtc::remote_transport& transport() const;
    std::string offer(const std::vector<client_media>& media) const;

    // Until DTLS is done. Fails with timed_out, connect_failed, invalid_argument, tls_failed.
    awaitable<outcome<client_answer>> connect(std::string answer, duration limit);
    awaitable<outcome<void>> connect(webrtc::local_transport gateway, duration limit);

    // Valid during the call only.
    std::function<void(std::span<const std::uint8_t>)> on_rtp, on_rtcp;
    std::function<void()> on_end; // the gateway closed the connection

    // Plain packets. False before connect() and after the end.
    bool send_rtp(std::span<const std::uint8_t> packet);
    bool send_rtcp(std::span<const std::uint8_t> compound);

    // An ICE restart: the a=ice-ufrag and a=ice-pwd for the PATCH; then what its answer said.
    webrtc::ice_parameters begin_restart();
    void finish_restart(webrtc::ice_parameters gateway);
    // Goes on from another port, as a phone that changes networks.
    void move();

    bool connected() const;
    bool ended() const;
    client_stats stats() const;

    void close();  // says close_notify
    void vanish(); // as a pulled cable

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

// What WHIP and WHEP say over HTTP.
struct http_session {
    int status = 0;
    std::string answer;   // the body
    std::string location; // absolute
    std::string etag;
    std::vector<std::pair<std::string, std::string>> headers; // names in lower case
};

// POSTs the offer to http://host:port/…; any status is a success here.
awaitable<outcome<http_session>>
post_offer(std::string url, std::string offer, std::string bearer = {});
// The status.
awaitable<outcome<int>> delete_session(std::string location, std::string bearer = {});

} // namespace rivulet::test
