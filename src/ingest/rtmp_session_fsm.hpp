// The server's side of one RTMP connection: handshake, chunks, commands. No sockets, no timers, no
// clock: bytes and `now` in, bytes to send and events out.
// Thread: one at a time.
#pragma once

#include "base/asio.hpp"
#include "ingest/rtmp_amf0.hpp"
#include "ingest/rtmp_chunk.hpp"
#include "ingest/rtmp_handshake.hpp"
#include "ingest/rtmp_target.hpp"
#include "media/flv_tag.hpp"

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace rivulet::ingest {

// We send chunks of this size, so that nearly every message is one chunk.
inline constexpr std::uint32_t rtmp_our_chunk_size = 60'000;

struct rtmp_session_limits {
    rtmp_chunk_limits chunks;
    duration handshake = std::chrono::seconds(10); // until publish or play
    duration idle = std::chrono::seconds(30);      // without a byte from a publisher
    duration message = std::chrono::seconds(60);   // from a message's first byte to its last
    // Until a publisher is admitted; players never need more.
    std::size_t stranger_bytes = 64u << 10; // of unfinished messages
    std::size_t stranger_chunk_streams = 16;
};

// The client wants to publish; answer with accept_publish() or refuse().
struct rtmp_publish_asked {
    rtmp_target target;
};

// The client wants to play; answer with begin_play() or refuse().
struct rtmp_play_asked {
    rtmp_target target;
};

// An audio, video or data message of an accepted publisher.
struct rtmp_media {
    media::flv_tag_type type;
    std::uint32_t timestamp; // wraps
    bytes body;
};

enum class rtmp_end {
    by_client, // said so: unpublish, closeStream, deleteStream
    too_slow,  // a deadline passed
    violation, // not RTMP, or a limit was reached
    refused,   // the address can't be used; the client was told
};

// The connection is to be closed once the output is sent. Nothing follows.
struct rtmp_ended {
    rtmp_end how;
    std::string reason;
};

using rtmp_session_event =
    std::variant<rtmp_publish_asked, rtmp_play_asked, rtmp_media, rtmp_ended>;

class rtmp_session_fsm {
  public:
    rtmp_session_fsm(rtmp_session_limits limits, time_point now);

    void receive(std::span<const std::uint8_t> in, time_point now);
    void tick(time_point now);
    // When tick() will have something to say.
    time_point deadline() const;

    std::optional<rtmp_session_event> next_event();

    bool has_output() const { return !out_.empty(); }

    std::vector<std::uint8_t> take_output() { return std::exchange(out_, {}); }

    void accept_publish(time_point now);
    void begin_play();
    // Tells the client why, as onStatus with level "error"; further input is ignored.
    void refuse(std::string_view code, std::string_view description);
    // onStatus on the stream that publishes or plays.
    void status(std::string_view level, std::string_view code, std::string_view description);
    void stream_eof(); // user control: the stream that plays has ended

    // The message stream that publishes or plays.
    std::uint32_t stream() const { return stream_; }

    const std::string& client() const { return client_; } // its flashVer, "" if not told

  private:
    enum class phase { handshake, commands, asked, publishing, playing, over };

    void message(const rtmp_message& message);
    void command(const rtmp_message& message, std::span<const std::uint8_t> payload);
    void on_connect(double transaction, const amf_value& about);
    void on_publish_or_play(const rtmp_message& message, std::string_view key, bool publish);
    void media_message(const rtmp_message& message);
    void aggregate(const rtmp_message& message);
    void user_control(const rtmp_message& message);
    void end(rtmp_end how, std::string reason);

    void send(const rtmp_message& message);
    void
    send_control(rtmp_type type, std::initializer_list<std::uint32_t> words, int last_octets = 4);
    void send_event(std::uint16_t event, std::uint32_t value);
    void send_command(std::uint32_t stream, std::initializer_list<amf_value> values);
    void acknowledge();

    rtmp_session_limits limits_;
    rtmp_server_handshake handshake_;
    rtmp_chunk_reader reader_;
    rtmp_chunk_writer writer_;
    std::vector<std::uint8_t> out_;
    std::deque<rtmp_session_event> events_;
    std::vector<rtmp_message> messages_; // scratch

    phase phase_ = phase::handshake;
    time_point started_;
    time_point last_byte_;
    std::uint64_t awaited_ = 0;  // the reader's oldest unfinished message
    time_point awaited_since_{}; // when it was first seen to be the oldest
    std::uint64_t received_ = 0, acknowledged_ = 0;
    std::uint32_t ack_window_ = 0; // as the client asked; 0: none
    bool connected_ = false;
    std::string app_, tc_url_, client_;
    std::uint32_t streams_ = 0; // ids handed out: 1, 2, …
    std::uint32_t stream_ = 0;
    std::size_t commands_ = 0;
};

} // namespace rivulet::ingest
