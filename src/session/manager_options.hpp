// What an operator may set about choosing.
#pragma once

#include "base/asio.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>

namespace rivulet::session {

struct manager_options {
    duration live_refresh = std::chrono::minutes(6);
    duration batch_refresh = std::chrono::minutes(10);
    duration suspension_first = std::chrono::seconds(10); // doubled for each fault in a row …
    duration suspension_last = std::chrono::minutes(30);  // … up to this
    double exploration = 0.05;   // share of choices that go to the one measured longest ago
    double latency_weight = 0.3; // of the newest measurement in the decaying average
    std::size_t pools = 256;
    std::size_t gatherings = 8;              // at once; more wait for their turn
    std::size_t wanted = 50;                 // orchestrators of one gathering
    bool ignore_max_price_if_needed = false; // -ignoreMaxPriceIfNeeded
    // The first gathering knows only cold orchestrators: a warm one may still answer so long.
    duration warm_grace = std::chrono::milliseconds(150);
    // How often pools in use are looked after, and who is no longer listed leaves them.
    duration keeping = std::chrono::seconds(30);
    // Discovery reports late answers for so long; who wasn't heard by then is gone.
    duration late_answers = std::chrono::seconds(7);

    // Of tests: null is the system's.
    std::function<time_point()> now;
    std::function<std::int64_t()> unix_now; // seconds
    std::function<double()> random;         // 0 to 1, called from any thread

    manager_options() {}
};

} // namespace rivulet::session
