// Tells an orchestrator that is gone from a connection that merely broke: what broke is tried again
// at once, and when that fails too, or two of the job's channels break together, it is gone. Only
// broken or refused connections count here; answers that say no are others' business. Time is
// given.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <array>
#include <optional>

namespace rivulet::live {

// Refused, reset, closed in the middle, unreachable.
bool is_connection_loss(error_code why);

class connection_watch {
  public:
    enum class channel { output, events, input, control };

    enum class verdict {
        patience, // no loss of the connection
        again,    // try again at once
        gone      // the orchestrator is
    };

    static constexpr duration together = std::chrono::seconds(1);
    static constexpr duration in_a_row = std::chrono::seconds(5);
    // Requests of one channel that break in the same moment are one loss.
    static constexpr duration same_moment = std::chrono::milliseconds(100);

    verdict failed(channel which, error_code why, time_point now);

    void worked(channel which) { broken_[index(which)].reset(); }

  private:
    static std::size_t index(channel which) { return static_cast<std::size_t>(which); }

    std::array<std::optional<time_point>, 4> broken_; // when first, by channel
};

} // namespace rivulet::live
