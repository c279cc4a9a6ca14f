// A WHEP player for tests: asks over HTTP with a browser's offer, receives over a UDP socket of its
// own, asks for lost packets, puts frames together. Can lose packets itself, in both directions.
// Thread: the test's; nothing happens but in run_for() and run_until().
#pragma once

#include "support/controlling_peer.hpp"
#include "support/raw_http.hpp"

#include <boost/asio/ip/udp.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace rivulet::test {

struct viewer_options {
    std::string offer = "chromium_whep"; // of tests/data/sdp
    std::string headers;                 // more of the request's: "Authorization: Bearer x\r\n"
    bool rtx = true;                     // false: the offer has none
    bool nack = true;                    // asks for what is missing
    double loss = 0;                     // of datagrams, each way, once connected
};

struct received_frame {
    std::uint32_t timestamp = 0;
    bool keyframe = false;
    std::vector<std::uint8_t> annexb; // or the Opus packet
    time_point completed;
};

struct received_report {
    std::uint64_t ntp = 0;
    std::uint32_t rtp = 0, packets = 0;
};

// What came of one track.
struct received_track {
    int payload_type = -1, rtx_payload_type = -1;
    std::uint32_t ssrc = 0;

    struct packet {
        std::vector<std::uint8_t> payload;
        std::uint32_t timestamp = 0;
        bool marker = false, extension = false;
        time_point at;
    };

    std::map<std::uint64_t, packet> packets; // by sequence number, unwrapped
    std::size_t resent = 0;                  // that came by RTX
    std::size_t twice = 0;
    std::vector<received_report> reports;
    std::map<std::uint64_t, std::pair<int, time_point>> missing; // times asked, when last
    bool bye = false;
};

class whep_viewer {
  public:
    // Asks; see reply().
    whep_viewer(std::uint16_t http_port, std::string path, viewer_options options = {});
    ~whep_viewer();
    whep_viewer(const whep_viewer&) = delete;
    whep_viewer& operator=(const whep_viewer&) = delete;

    const raw_reply& reply() const { return reply_; }

    bool accepted() const { return reply_.status == 201; }

    std::string location() const { return reply_["Location"]; } // path only

    raw_reply remove(); // DELETE

    void run_for(milliseconds time);
    bool run_until(const std::function<bool()>& done, milliseconds limit = milliseconds(8000));
    // One look at the socket; for who runs several viewers in turn.
    void step(milliseconds wait);

    void request_keyframe();
    // A receiver report about the video, with the newest sender report.
    void report(std::uint8_t fraction_lost);

    controlling_peer& peer() { return peer_; }

    const received_track& video() const { return video_; }

    const received_track& audio() const { return audio_; }

    // The whole frames, in order.
    std::vector<received_frame> video_frames() const;

    std::size_t video_packets() const { return video_.packets.size(); }

    // How many pictures libavcodec makes of them, and errors that it sees.
    struct decoded {
        int pictures = 0, errors = 0;
        int width = 0, height = 0;
    };

    decoded decode() const;

    bool gone() const { return peer_.phase() == webrtc::dtls_phase::closed; }

    time_point begun() const { return begun_; }

  private:
    void read_answer();
    void receive(std::vector<std::uint8_t> packet, time_point now);
    void take(received_track& track, std::uint16_t sequence, received_track::packet one);
    void read_reports(std::span<const std::uint8_t> compound);
    void ask(received_track& track, time_point now);
    void flush();

    viewer_options options_;
    std::uint16_t http_port_;
    time_point begun_;
    controlling_peer peer_;
    raw_reply reply_;
    asio::io_context context_;
    asio::ip::udp::socket socket_;
    asio::ip::udp::endpoint gateway_;
    received_track video_, audio_;
    std::mt19937 random_{42};
};

} // namespace rivulet::test
