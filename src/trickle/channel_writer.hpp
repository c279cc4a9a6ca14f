// In-process publisher of one channel: begin a segment, append, end, close the channel.
// Thread: the channel's home shard.
#pragma once

#include "trickle/channel.hpp"

#include <optional>
#include <utility>

namespace rivulet::trickle {

class channel_writer {
  public:
    explicit channel_writer(channel_ptr target) : channel_(std::move(target)) {}

    // Ends the segment in progress: one that is dropped half-written must not keep its readers
    // waiting.
    ~channel_writer() { end_segment(); }

    channel_writer(const channel_writer&) = delete;
    channel_writer& operator=(const channel_writer&) = delete;

    // A moved-from optional keeps its value: what `other` had begun is this one's now.
    channel_writer(channel_writer&& other) noexcept
        : channel_(std::move(other.channel_)),
          current_(std::exchange(other.current_, std::nullopt)) {}

    // Ends the current segment, if any, and begins the next one. Fails with closed.
    error_code begin_segment();
    // Appends to the current segment, beginning one when there is none. See channel::append.
    error_code append(bytes block);
    void end_segment();
    // One whole segment: begin, append, end (JSON messages).
    error_code write_segment(bytes whole);
    void close();

    const channel_ptr& target() const { return channel_; }

    // The number of the segment being written, -1 between segments.
    std::int64_t seq() const { return current_ ? current_->seq : -1; }

  private:
    channel_ptr channel_;
    std::optional<channel::write_slot> current_;
};

} // namespace rivulet::trickle
