// What became of each video frame of one stream: sent by the publisher, received by the player,
// matched by the presentation time that both carry. Pure; bounded memory.
// Thread: the owner's.
#pragma once

#include "base/asio.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>

namespace rivulet::test {

// Counts latencies by the millisecond, for percentiles.
class latency_counts {
  public:
    void add(duration latency);
    void clear();

    std::uint64_t total() const { return total_; }

    // 0 < share <= 1; nullopt without samples. Values of 10 s and more count as 10 s.
    std::optional<int> percentile_ms(double share) const;

  private:
    std::array<std::uint32_t, 10'001> by_ms_{};
    std::uint64_t total_ = 0;
};

class frame_ledger {
  public:
    // A frame that is not received this long after it was sent is lost.
    explicit frame_ledger(duration patience = std::chrono::seconds(10)) : patience_(patience) {}

    void sent(std::int64_t pts, time_point when);
    void received(std::int64_t pts, time_point when);
    // Judges every frame sent before `now` minus the patience.
    void settle(time_point now);

    // Frames sent from here on do not count; those on their way still do.
    void expect_no_more() { closed_ = true; }

    // From here on counts begin again; frames on their way still count when they arrive.
    void begin_window();

    std::uint64_t frames_sent() const { return sent_; }

    std::uint64_t frames_received() const { return received_; }

    // Sent after the first one that arrived, and never received themselves.
    std::uint64_t frames_lost() const { return lost_; }

    // Received with a time that nobody sent, or twice.
    std::uint64_t frames_unknown() const { return unknown_; }

    // Received with a time before the one received last.
    std::uint64_t steps_back() const { return steps_back_; }

    const latency_counts& latency() const { return latency_; }

    std::optional<duration> first_frame_after() const;

    std::uint64_t window_sent() const { return window_sent_; }

    std::uint64_t window_received() const { return window_received_; }

    const latency_counts& window_latency() const { return window_latency_; }

  private:
    duration patience_;
    std::map<std::int64_t, time_point> on_the_way_;
    bool closed_ = false;
    std::int64_t last_expected_ = 0;
    std::optional<std::int64_t> first_pts_, last_pts_;
    std::optional<time_point> first_sent_, first_received_;
    std::uint64_t sent_ = 0, received_ = 0, lost_ = 0, unknown_ = 0, steps_back_ = 0;
    std::uint64_t window_sent_ = 0, window_received_ = 0;
    latency_counts latency_, window_latency_;
};

} // namespace rivulet::test
