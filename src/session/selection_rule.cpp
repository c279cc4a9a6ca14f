#include "session/selection_rule.hpp"

#include <algorithm>
#include <cmath>

namespace rivulet::session {
namespace {

constexpr double least_latency = 1e-9; // so that nobody is infinitely good
constexpr double slowest_guess = 10;   // times the best
constexpr double most_faults = 0.9;

struct yardstick {
    double latency = 1, discovery = 1;
};

yardstick best_known(std::span<const standing> all) {
    yardstick out;
    bool measured = false, discovered = false;
    for (const auto& one : all) {
        if (one.latency && (!measured || *one.latency < out.latency)) {
            out.latency = std::max(*one.latency, least_latency);
            measured = true;
        }
        if (one.discovery > 0 && (!discovered || one.discovery < out.discovery)) {
            out.discovery = one.discovery;
            discovered = true;
        }
    }
    return out;
}

double expected(const standing& one, const yardstick& best) {
    double latency = best.latency;
    if (one.latency)
        latency = std::max(*one.latency, least_latency);
    else if (one.discovery > 0)
        latency *= std::clamp(one.discovery / best.discovery, 1.0, slowest_guess);
    const double load = 1 + static_cast<double>(one.in_flight) / std::max(1, one.slots);
    return latency * load / (1 - std::clamp(one.faults, 0.0, most_faults));
}

} // namespace

std::vector<double> shares(std::span<const standing> all, double exploration) {
    std::vector<double> out(all.size(), 0.0);
    if (all.empty())
        return out;
    const auto by_rank = [](const standing& a, const standing& b) { return a.rank < b.rank; };
    const auto best_rank = std::ranges::min_element(all, by_rank)->rank;
    const auto best = best_known(all);
    // Relative to the best, so that tiny numbers don't overflow when squared.
    double least = 0, sum = 0;
    std::optional<std::size_t> longest_ago;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].rank != best_rank)
            continue;
        out[i] = expected(all[i], best);
        least = least == 0 ? out[i] : std::min(least, out[i]);
        if (!longest_ago || all[i].probed < all[*longest_ago].probed)
            longest_ago = i;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].rank != best_rank)
            continue;
        out[i] = std::pow(least / out[i], 2);
        sum += out[i];
    }
    for (auto& share : out)
        share *= (1 - exploration) / sum;
    out[*longest_ago] += exploration;
    return out;
}

std::size_t pick(std::span<const double> shares, double random) {
    std::size_t last = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        if (shares[i] <= 0)
            continue;
        last = i;
        if (random < shares[i])
            return i;
        random -= shares[i];
    }
    return last; // rounding
}

} // namespace rivulet::session
