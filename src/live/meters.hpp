// Small measurements for /status: a rate over the last seconds, and the way of a frame from input
// to output by its PTS. Time is given. Thread: one owner.
#pragma once

#include "base/asio.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace rivulet::live {

// Amount per second over the last five whole seconds.
class rate_meter {
  public:
    void add(std::uint64_t amount, time_point now);
    double per_second(time_point now) const;

  private:
    static constexpr std::size_t seconds = 5;
    static constexpr std::size_t slots = seconds + 1; // and the second in progress

    static std::int64_t second_of(time_point t) {
        return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
    }

    std::array<std::uint64_t, slots> amount_{};
    std::array<std::int64_t, slots> second_{};
    std::optional<time_point> first_;
};

// Remembers when each PTS went in and says how long ago that was when it comes out. A runner keeps
// the input's PTS, so this is the delay that a viewer sees. Bounded: the newest frames only.
class latency_meter {
  public:
    void in(std::int64_t pts, time_point now);
    // How long this one took, when it is known to have gone in.
    std::optional<duration> out(std::int64_t pts, time_point now);

    struct figures {
        duration p50, p99, last;
    };

    // Over the newest frames that came out; absent until one did.
    std::optional<figures> read() const;

  private:
    static constexpr std::size_t slots = 4096;
    static constexpr std::size_t kept = 256;

    struct entry {
        std::int64_t pts = -1;
        time_point at{};
    };

    static std::size_t slot(std::int64_t pts);

    std::array<entry, slots> inputs_{};
    std::array<duration, kept> samples_{};
    std::size_t count_ = 0;
};

} // namespace rivulet::live
