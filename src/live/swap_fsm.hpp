// Whether and when a stream whose job failed gets another one. A job that worked for a while is
// followed at once, whatever came before; jobs that fail one after the other are followed more and
// more slowly. A limit on quick swaps, as other gateways have it, is an option. Time is given.
#pragma once

#include "base/asio.hpp"

#include <cstdint>
#include <string>

namespace rivulet::live {

struct swap_limits {
    // -swapLimit: so many swaps, each within `window` of the one before (or of the stream's start),
    // are allowed; the next one ends the stream. 0: no limit.
    unsigned most = 0;
    duration window = std::chrono::minutes(3); // -swapWindow
    // Of jobs that failed before they had worked: so many are followed at once, then there are
    // pauses that double.
    unsigned at_once = 2;
    duration pause_first = std::chrono::milliseconds(500);
    duration pause_last = std::chrono::seconds(10);
    duration worked = std::chrono::seconds(5); // of processed video

    swap_limits() {}
};

class swap_fsm {
  public:
    swap_fsm(swap_limits limits, time_point started) : limits_(limits), last_(started) {}

    struct verdict {
        enum class kind { now, wait, give_up } what = kind::now;
        duration pause{};
        std::string text; // give_up
    };

    // A running job failed after it had given processed video for `worked`.
    verdict lost(time_point now, duration worked);

    // Swaps so far.
    std::uint64_t count() const { return count_; }

  private:
    swap_limits limits_;
    time_point last_; // the swap before this one, or the stream's start
    unsigned quick_ = 0;
    unsigned fruitless_ = 0; // in a row
    std::uint64_t count_ = 0;
};

} // namespace rivulet::live
