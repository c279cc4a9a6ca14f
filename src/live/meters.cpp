#include "live/meters.hpp"

#include <algorithm>

namespace rivulet::live {

void rate_meter::add(std::uint64_t amount, time_point now) {
    if (!first_)
        first_ = now;
    const auto second = second_of(now);
    const auto slot = static_cast<std::size_t>(second) % slots;
    if (second_[slot] != second) {
        second_[slot] = second;
        amount_[slot] = 0;
    }
    amount_[slot] += amount;
}

double rate_meter::per_second(time_point now) const {
    if (!first_)
        return 0;
    const auto second = second_of(now);
    const auto whole = std::min<std::int64_t>(second - second_of(*first_) - 1, seconds);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < slots; ++i)
        if (second_[i] < second && second_[i] >= second - static_cast<std::int64_t>(seconds) &&
            (whole < 1 || second_[i] >= second - whole))
            sum += amount_[i];
    if (whole >= 1)
        return static_cast<double>(sum) / static_cast<double>(whole);
    // The first two seconds: everything so far over the time so far.
    const auto current = static_cast<std::size_t>(second) % slots;
    if (second_[current] == second)
        sum += amount_[current];
    const auto elapsed = std::chrono::duration<double>(now - *first_).count();
    return static_cast<double>(sum) / std::max(elapsed, 0.25);
}

std::size_t latency_meter::slot(std::int64_t pts) {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(pts) * 0x9e3779b97f4a7c15u >> 52) %
           slots;
}

void latency_meter::in(std::int64_t pts, time_point now) {
    inputs_[slot(pts)] = {pts, now};
}

std::optional<duration> latency_meter::out(std::int64_t pts, time_point now) {
    auto& entry = inputs_[slot(pts)];
    if (entry.pts != pts)
        return std::nullopt;
    const auto took = now - entry.at;
    samples_[count_++ % kept] = took;
    entry.pts = -1;
    return took;
}

std::optional<latency_meter::figures> latency_meter::read() const {
    const auto n = std::min(count_, kept);
    if (n == 0)
        return std::nullopt;
    auto sorted = samples_;
    std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(n));
    return figures{sorted[n / 2], sorted[(n * 99) / 100], samples_[(count_ - 1) % kept]};
}

} // namespace rivulet::live
