// The rule of choice, for live jobs and batch requests alike (docs/orchestrators.md has it in
// words). Of everybody who may be taken, those of the best rank share the requests:
//
//     expected  E = latency · (1 + in_flight / slots) / (1 − faults)
//     share     P = (1 − exploration) · E⁻² / Σ E⁻²  +  exploration if measured longest ago
//
// `latency` of one never measured is the best one known, times how much slower its answer to
// discovery was than the quickest (at most 10 times). Pure.
#pragma once

#include "base/asio.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace rivulet::session {

enum class rank {
    warm,      // the model is loaded, and it has room
    cold,      // it has room
    full,      // no room as far as we know, or it refused lately for a reason of ours
    avoided,   // the request asks for others
    suspended, // nobody else is there
    last       // suspended, and the request asks for others
};

struct standing {
    enum rank rank = rank::warm;
    std::optional<double> latency;    // decaying average of what was measured
    double discovery = 0;             // seconds of its answer to discovery
    double faults = 0;                // decaying share of faults, 0 to 1
    int in_flight = 0;                // our requests that it has now
    int slots = 1;                    // of which it can take so many
    std::optional<time_point> probed; // when it was measured last
};

// Each one's share; all others than those of the best rank have 0. Sums up to 1 unless empty.
std::vector<double> shares(std::span<const standing> all, double exploration);

// Whose share `random` (0 to 1) falls into. `shares` isn't empty.
std::size_t pick(std::span<const double> shares, double random);

} // namespace rivulet::session
