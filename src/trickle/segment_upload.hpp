// One POST of a segment: body pieces into the channel as they arrive, 100 Continue while idle, and
// an early end when the channel or the segment goes away under it. Thread: the channel's home
// shard. Private to src/trickle.
#pragma once

#include "http/exchange.hpp"
#include "trickle/block_pages.hpp"
#include "trickle/server.hpp"

namespace rivulet::trickle {

class segment_upload final : private segment_watcher {
  public:
    segment_upload(
        http::exchange& now,
        channel_ptr to,
        channel::write_slot slot,
        const server_options& options,
        server_counters& counters
    );
    ~segment_upload();
    segment_upload(const segment_upload&) = delete;
    segment_upload& operator=(const segment_upload&) = delete;

    // Reads the body to its end, or to the point where it makes no sense to go on, and answers.
    awaitable<void> run();

  private:
    void segment_changed() override;
    void keep_alive_later();
    void keep(std::span<const std::uint8_t> piece);
    bool publish_kept();
    awaitable<error_code> relay();
    http::response reply_fields() const;

    http::exchange& now_;
    channel_ptr channel_;
    channel::write_slot slot_;
    const server_options& options_;
    server_counters& counters_;
    std::shared_ptr<asio::steady_timer> keepalive_;
    block_pages pages_;
    std::uint8_t* room_ = nullptr; // where the pieces of the current read go
    std::size_t used_ = 0;
    error_code refused_;
    std::uint64_t received_ = 0;
    bool discarding_ = false; // somebody else closed the segment: read on, throw away
    bool overtaken_ = false;  // channel or segment gone: answer at once
    bool finished_ = false;
};

} // namespace rivulet::trickle
