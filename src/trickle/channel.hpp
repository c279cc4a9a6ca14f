// A channel: a named sequence of growing segments, a window of the newest ones, and the counter
// `next` (the number whose first byte is awaited). Rules: docs/architecture.md and the numbered
// trickle conformance tests. No sockets, no clock of its own.
// Thread: the home shard of its name (shards::of). Owned by the channel table and by whoever uses
// it.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "trickle/segment.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::trickle {

// Segment numbers with a meaning: the next one to be written, and the newest begun.
inline constexpr std::int64_t seq_next = -1;
inline constexpr std::int64_t seq_newest = -2;

struct channel_limits {
    std::uint64_t segment_bytes = 64ull << 20; // a longer segment is closed and its writer told
    std::size_t readers = 10'000;              // waiting or reading, per channel
};

class channel {
  public:
    static constexpr std::int64_t window = 5; // slots (spec 3.2)

    channel(std::string name, std::string mime, channel_limits limits, time_point now);

    const std::string& name() const { return name_; }

    const std::string& mime() const { return mime_; }

    const channel_limits& limits() const { return limits_; }

    std::int64_t next() const { return next_; }

    bool closed() const { return closed_; }

    time_point last_activity() const { return last_activity_; }

    // Kept channels are not swept when idle: their owner in this process ends them.
    bool kept() const { return kept_; }

    void keep() { kept_ = true; }

    // --- writing -----------------------------------------------------------------------------
    struct write_slot {
        segment_ptr target;   // null: read the data and discard it (stale or closed number)
        std::int64_t seq = 0; // the resolved number
        unsigned ticket = 0;  // names this writer among the segment's writers
    };

    // Claims the segment `seq` (seq_next = `next`) for a writer, before its first byte.
    // Fails with invalid_argument for other negative numbers, closed once the channel is closed.
    result<write_slot> open_write(std::int64_t seq);
    // Closes every segment below `seq` (Lp-Trickle-Reset). An awaited one among them moves `next`
    // on.
    void reset_below(std::int64_t seq);
    // Publishes bytes of a claimed segment; the first byte moves `next` on. Fails with closed (the
    // channel ended), lagged (the segment fell out of the window), too_large (limit; the segment is
    // closed), cancelled (somebody else closed the segment: go on reading, the bytes are dropped).
    error_code append(const write_slot& to, bytes block, time_point now);
    // The writer's body ended. Closes the segment unless a newer writer is on it; an empty segment
    // moves `next` on too.
    void finish_write(const write_slot& to, time_point now);
    // The writer vanished in the middle: the segment stays open for a retry. Returns when
    // close_orphans() is due, if ever.
    std::optional<time_point> abort_write(const write_slot& to, time_point now);
    // Ends segments whose writer vanished and did not come back: after retry_limit when they have
    // data, or after retry_window once a newer segment has some. Returns when to call again.
    std::optional<time_point> close_orphans(time_point now);

    // Writers that vanished so far: of several timers only the newest one needs to go on.
    unsigned aborts() const { return aborts_; }

    static constexpr auto retry_window = std::chrono::seconds(1);
    static constexpr auto retry_limit = std::chrono::seconds(10);

    // A POST is sending right now (its segment has data and is open).
    bool being_written() const;

    // --- reading -----------------------------------------------------------------------------
    // The segment to read for `seq` (seq_next, seq_newest, -N, or a number), created ahead when it
    // is the next one. A closed channel still gives what it holds. Fails with sequence_not_found,
    // closed, too_many (readers).
    result<segment_ptr> open_read(std::int64_t seq);

    // --- ending ------------------------------------------------------------------------------
    // Closes one segment (HTTP DELETE of a segment). False when it is not in the window.
    bool close_segment(std::int64_t seq);
    // Ends the channel: every segment closes, readers get the end of stream. Idempotent.
    void close();

  private:
    struct orphan {
        segment_ptr target;
        time_point since;
    };

    segment_ptr& slot(std::int64_t seq) { return ring_[static_cast<std::size_t>(seq % window)]; }

    segment_ptr find(std::int64_t seq) const;
    segment_ptr find_stale(std::int64_t seq);
    segment_ptr install(segment_ptr made);
    bool settle_stale(const segment_ptr& target);
    void restart_at(const segment_ptr& target);
    std::int64_t oldest() const;

    std::string name_;
    std::string mime_;
    channel_limits limits_;
    std::int64_t next_ = 0;
    bool closed_ = false;
    bool kept_ = false;
    time_point last_activity_;
    std::array<segment_ptr, window> ring_;
    std::vector<orphan> orphans_;
    unsigned aborts_ = 0;
    // Claimed by writers of long gone numbers, outside the ring until their first byte.
    std::vector<std::weak_ptr<segment>> stale_;
};

using channel_ptr = std::shared_ptr<channel>;

} // namespace rivulet::trickle
