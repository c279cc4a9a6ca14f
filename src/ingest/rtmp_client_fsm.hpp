// The client's side of one RTMP connection: handshake, connect, then publish or play. No sockets,
// no timers: bytes in, bytes to send and events out. Used by egress/rtmp_push and by test clients.
// Thread: one at a time.
#pragma once

#include "ingest/rtmp_amf0.hpp"
#include "ingest/rtmp_chunk.hpp"
#include "ingest/rtmp_handshake.hpp"
#include "ingest/rtmp_target.hpp"

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace rivulet::ingest {

enum class rtmp_role { publish, play };

// The server took us: media may be sent (publish) or will come (play).
struct rtmp_client_ready {};

// An audio, video or data message (play).
struct rtmp_client_media {
    rtmp_message message;
};

// An onStatus that does not end anything. Texts of the server are short, printable and without our
// stream key, here and in rtmp_client_ended.
struct rtmp_client_status {
    std::string code, description;
};

// The server refused, ended the stream or broke the protocol. Nothing follows.
struct rtmp_client_ended {
    bool regular;       // a player's stream came to its end
    std::string reason; // "NetStream.Publish.BadName: the name is taken"
};

using rtmp_client_event =
    std::variant<rtmp_client_ready, rtmp_client_media, rtmp_client_status, rtmp_client_ended>;

class rtmp_client_fsm {
  public:
    rtmp_client_fsm(rtmp_role role, rtmp_url target, rtmp_chunk_limits limits = {});

    // Handshake begins; then take_output().
    void start();
    void receive(std::span<const std::uint8_t> in);
    std::optional<rtmp_client_event> next_event();

    bool has_output() const { return !out_.empty(); }

    std::vector<std::uint8_t> take_output() { return std::exchange(out_, {}); }

    // Says goodbye: FCUnpublish, deleteStream.
    void finish();

    // Stream id and chunk size for media that the owner writes, once ready.
    std::uint32_t stream() const { return stream_; }

  private:
    enum class phase { handshake, connecting, creating, asking, running, over };

    void message(rtmp_message& message);
    void command(const rtmp_message& message, std::span<const std::uint8_t> payload);
    void on_status(const amf_value& info);
    void on_result(double transaction, const amf_value& value);
    void end(bool regular, std::string reason);
    std::string shown(std::string_view text) const;
    void send_connect();
    void send(const rtmp_message& message);
    void send_words(rtmp_type type, std::initializer_list<std::uint32_t> words);
    void send_command(std::uint32_t stream, std::initializer_list<amf_value> values);

    rtmp_role role_;
    rtmp_url target_;
    rtmp_client_handshake handshake_;
    rtmp_chunk_reader reader_;
    rtmp_chunk_writer writer_;
    std::vector<std::uint8_t> out_;
    std::deque<rtmp_client_event> events_;
    phase phase_ = phase::handshake;
    std::uint64_t received_ = 0, acknowledged_ = 0;
    std::uint32_t ack_window_ = 0;
    std::uint32_t stream_ = 0;
};

} // namespace rivulet::ingest
