#include "media/twcc_feedback.hpp"

#include <algorithm>

namespace rivulet::media {

namespace {

constexpr std::int64_t delta_unit = 250;        // µs
constexpr std::int64_t reference_unit = 64'000; // µs
// Of one report, so that it fits a packet; then it leaves early.
constexpr std::size_t max_arrivals = 300;
// A report covers at most so many sequence numbers; what lies before is not told.
constexpr std::int64_t max_span = 1'500;

enum symbol : std::uint8_t { missing = 0, small = 1, large = 2 };

void put16(std::vector<std::uint8_t>& out, std::uint32_t value) {
    out.push_back(std::uint8_t(value >> 8));
    out.push_back(std::uint8_t(value));
}

void put_chunks(std::vector<std::uint8_t>& out, const std::vector<std::uint8_t>& symbols) {
    std::size_t at = 0;
    while (at < symbols.size()) {
        std::size_t run = 1;
        while (at + run < symbols.size() && run < 0x1fff && symbols[at + run] == symbols[at])
            ++run;
        if (run >= 7) {
            put16(out, std::uint32_t(symbols[at]) << 13 | std::uint32_t(run));
            at += run;
            continue;
        }
        std::uint32_t chunk = 0xc000; // seven symbols of two bits
        for (std::size_t i = 0; i < 7 && at < symbols.size(); ++i, ++at)
            chunk |= std::uint32_t(symbols[at]) << (12 - 2 * i);
        put16(out, chunk);
    }
}

} // namespace

void twcc_feedback::arrived(std::uint16_t sequence, time_point now) {
    if (!epoch_)
        epoch_ = now;
    std::int64_t unwrapped = sequence;
    if (last_)
        unwrapped = *last_ + static_cast<std::int16_t>(sequence - std::uint16_t(*last_));
    last_ = std::max(last_.value_or(unwrapped), unwrapped);
    if (arrivals_.empty())
        due_ = now + interval;
    if (arrivals_.size() >= max_arrivals)
        arrivals_.erase(arrivals_.begin());
    else if (arrivals_.size() + 1 == max_arrivals)
        due_ = now;
    arrivals_.emplace(
        unwrapped, std::chrono::duration_cast<std::chrono::microseconds>(now - *epoch_).count()
    );
}

bool twcc_feedback::add_report(
    std::vector<std::uint8_t>& compound, std::uint32_t own, std::uint32_t ssrc, time_point now
) {
    if (arrivals_.empty() || now < due_)
        return false;
    const std::int64_t last = arrivals_.rbegin()->first;
    std::int64_t first = std::min(arrivals_.begin()->first, reported_.value_or(last));
    first = std::max(first, last - max_span);
    reported_ = std::max(reported_.value_or(0), last + 1);
    while (arrivals_.begin()->first < first)
        arrivals_.erase(arrivals_.begin());

    const std::int64_t reference = arrivals_.begin()->second / reference_unit;
    std::int64_t clock = reference * reference_unit;
    std::vector<std::uint8_t> symbols, deltas;
    symbols.reserve(std::size_t(last - first + 1));
    for (std::int64_t sequence = first; sequence <= last; ++sequence) {
        auto found = arrivals_.find(sequence);
        if (found == arrivals_.end()) {
            symbols.push_back(missing);
            continue;
        }
        std::int64_t delta = (found->second - clock) / delta_unit;
        if (delta >= 0 && delta <= 0xff) {
            symbols.push_back(small);
            deltas.push_back(std::uint8_t(delta));
        } else {
            delta = std::clamp<std::int64_t>(delta, -0x8000, 0x7fff);
            symbols.push_back(large);
            put16(deltas, std::uint16_t(delta));
        }
        clock += delta * delta_unit;
    }
    arrivals_.clear();

    std::vector<std::uint8_t> body;
    put16(body, std::uint32_t(own) >> 16);
    put16(body, own & 0xffff);
    put16(body, ssrc >> 16);
    put16(body, ssrc & 0xffff);
    put16(body, std::uint32_t(first) & 0xffff);
    put16(body, std::uint32_t(symbols.size()));
    body.push_back(std::uint8_t(reference >> 16));
    put16(body, std::uint32_t(reference) & 0xffff);
    body.push_back(count_++);
    put_chunks(body, symbols);
    body.insert(body.end(), deltas.begin(), deltas.end());
    const std::size_t padding = (4 - body.size() % 4) % 4;
    body.resize(body.size() + padding);
    if (padding)
        body.back() = std::uint8_t(padding);
    compound.push_back(std::uint8_t(0x80 | (padding ? 0x20 : 0) | 15));
    compound.push_back(205);
    put16(compound, std::uint32_t(body.size() / 4));
    compound.insert(compound.end(), body.begin(), body.end());
    return true;
}

} // namespace rivulet::media
