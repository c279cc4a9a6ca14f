// One RTMP connection: the Asio shell around rtmp_session_fsm. It begins on the accepting shard and
// moves to the home of its stream's name as soon as that is known.
// Thread: the shard that it is on. `cut` may be called from there only.
// Owns: the socket; the sink and the pipeline while it publishes.
#pragma once

#include "base/log.hpp"
#include "http/stream.hpp"
#include "ingest/rtmp_server.hpp"
#include "ingest/rtmp_session_fsm.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::ingest {

class rtmp_publisher;

// Counters of a server, shared with its connections. Any thread.
struct rtmp_counters {
    std::atomic<std::size_t> connections{0}, publishers{0}, players{0};
    std::atomic<std::uint64_t> accepted{0}, refused{0}, protocol_errors{0};
    std::atomic<std::uint64_t> bytes_in{0}, bytes_out{0};
};

class rtmp_connection final : public rtmp_viewer,
                              public std::enable_shared_from_this<rtmp_connection> {
  public:
    struct setup {
        rtmp_options options;
        rtmp_callbacks callbacks;
        std::shared_ptr<rtmp_counters> counters;
        logger log;
    };

    // `slot` is released with the connection (limits).
    rtmp_connection(
        tcp::socket socket, std::shared_ptr<const setup> given, std::shared_ptr<void> slot
    );
    ~rtmp_connection() override;

    // Until the client asks to publish or play: true, and stream_name() says what. On false the
    // connection is closed.
    awaitable<bool> introduce();

    const std::string& stream_name() const { return request_.stream; }

    // Leaves this shard; nothing may be pending.
    void move_to(asio::any_io_executor executor) { stream_.move_to(executor); }

    // Publishes or plays until the end, then closes.
    awaitable<void> serve();
    // Ends it; the client is told `reason` where the protocol allows.
    void cut(kick_cause cause, std::string reason);

    // --- rtmp_viewer ---
    const play_request& request() const override { return request_; }

    void begin() override { fsm_.begin_play(); }

    awaitable<error_code> send(std::vector<rtmp_message> messages) override;
    void status(std::string level, std::string code, std::string description) override;

  private:
    awaitable<error_code> flush();
    awaitable<void> serve_publisher();
    awaitable<std::string> publish_until_end(std::shared_ptr<rtmp_publisher> role);
    awaitable<void> serve_player();
    awaitable<std::string> read_player();
    // The next bytes of the peer, given to the machine, at most until `until`.
    awaitable<error_code> receive_some(time_point until);
    void tell_cut();
    awaitable<void> close_politely();
    std::string describe() const;

    const std::shared_ptr<const setup> given_;
    const std::shared_ptr<void> slot_;

    http::stream stream_;
    rtmp_session_fsm fsm_;
    rtmp_chunk_writer writer_{rtmp_our_chunk_size};
    std::vector<std::uint8_t> input_;

    play_request request_;
    bool wants_publish_ = false;
    std::optional<std::string> cut_reason_;
    kick_cause cut_cause_ = kick_cause::stopped;
    bool writing_ = false;
    logger log_;
};

} // namespace rivulet::ingest
