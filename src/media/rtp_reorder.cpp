#include "media/rtp_reorder.hpp"

#include <algorithm>
#include <cmath>

namespace rivulet::media {

namespace {

using std::chrono::milliseconds;

// A sender that starts anew elsewhere is believed after this many packets in a row.
constexpr std::int64_t far_away = 3'000;
constexpr int believe_strangers = 4;
constexpr int max_asks = 10;
constexpr std::size_t max_missing = 1'000;
constexpr duration first_pause = milliseconds(60);

} // namespace

duration rtp_reorder::hold() const {
    if (!options_.nack)
        return options_.min_hold;
    if (reception_.round_trip == duration::zero())
        return options_.first_hold;
    // Time for two more tries after the first.
    return std::clamp(
        3 * reception_.round_trip + milliseconds(50), options_.min_hold, options_.max_hold
    );
}

duration rtp_reorder::ask_pause() const {
    if (reception_.round_trip == duration::zero())
        return first_pause;
    return std::max<duration>(reception_.round_trip * 5 / 4, milliseconds(15));
}

void rtp_reorder::restart(std::int64_t sequence) {
    if (next_)
        before_restart_ += std::uint64_t(highest_ - first_ + 1);
    gap_ = gap_ || next_.has_value();
    held_.clear();
    missing_.clear();
    next_ = first_ = highest_ = sequence;
    transit_.reset();
    strangers_ = 0;
}

void rtp_reorder::begin_anew() {
    if (next_)
        restart(0);
    gap_ = false;
    next_.reset();
    unwrap_.reset();
}

void rtp_reorder::arrived(const rtp_header& header, time_point now) {
    ++reception_.received;
    reception_.bytes += header.payload_size;
    if (!epoch_)
        epoch_ = now;
    auto arrival =
        std::int64_t(std::chrono::duration<double>(now - *epoch_).count() * options_.clock_rate);
    // Differences only: the wrap of the timestamp drops out in 32 bits.
    auto transit = arrival - std::int64_t(header.timestamp);
    if (transit_) {
        auto d = std::abs(double(std::int32_t(std::uint32_t(transit - *transit_))));
        jitter_ += (d - jitter_) / 16;
        reception_.jitter = std::uint32_t(jitter_);
    }
    transit_ = transit;
}

void rtp_reorder::found(std::int64_t sequence, time_point now) {
    auto entry = missing_.find(sequence);
    if (entry == missing_.end())
        return;
    if (entry->second.asked > 0) {
        ++reception_.recovered;
        if (entry->second.asked == 1) { // else nobody knows which one was answered
            auto sample = now - entry->second.asked_at;
            auto& known = reception_.round_trip;
            known = known == duration::zero() ? sample : (known * 7 + sample) / 8;
        }
    }
    missing_.erase(entry);
}

bool rtp_reorder::push(const rtp_header& header, bytes packet, bool again, time_point now) {
    std::int64_t sequence = 0;
    if (!next_) {
        if (again)
            return false;
        sequence = unwrap_(header.sequence);
        restart(sequence);
    } else {
        auto wrapped = static_cast<std::int16_t>(header.sequence - std::uint16_t(highest_));
        sequence = highest_ + wrapped;
        if (std::abs(std::int64_t(wrapped)) > far_away) {
            if (again || ++strangers_ < believe_strangers)
                return false;
            restart(sequence);
        }
        strangers_ = 0;
    }
    if (sequence < *next_ || held_.contains(sequence)) {
        ++reception_.duplicates;
        return false;
    }
    if (!again)
        arrived(header, now);
    if (sequence > highest_) {
        for (std::int64_t lost = highest_ + 1; lost < sequence && missing_.size() < max_missing;
             ++lost)
            missing_[lost] = {now, now, 0, {}};
        highest_ = sequence;
    } else {
        found(sequence, now);
    }
    reception_.highest = std::uint32_t(highest_);
    reception_.expected = before_restart_ + std::uint64_t(highest_ - first_ + 1);
    rtp_stored stored;
    stored.sequence = header.sequence;
    stored.timestamp = header.timestamp;
    stored.marker = header.marker;
    stored.header_size = header.size;
    stored.payload_size = header.payload_size;
    stored.packet = std::move(packet);
    held_.emplace(sequence, std::move(stored));
    return true;
}

std::optional<rtp_stored> rtp_reorder::pop(time_point now) {
    if (held_.empty())
        return std::nullopt;
    auto first = held_.begin();
    if (first->first != *next_) {
        auto lost = missing_.begin();
        bool over = held_.size() > options_.max_packets || lost == missing_.end() ||
                    now - lost->second.noticed >= hold();
        if (!over)
            return std::nullopt;
        reception_.given_up += std::uint64_t(first->first - *next_);
        missing_.erase(missing_.begin(), missing_.lower_bound(first->first));
        gap_ = true;
    }
    rtp_stored out = std::move(first->second);
    next_ = first->first + 1;
    held_.erase(first);
    out.gap_before = std::exchange(gap_, false);
    return out;
}

std::vector<std::uint16_t> rtp_reorder::nacks(time_point now) {
    std::vector<std::uint16_t> out;
    if (!options_.nack)
        return out;
    for (auto& [sequence, entry] : missing_) {
        if (now < entry.ask_at || entry.asked >= max_asks)
            continue;
        if (out.size() == max_nacks_at_once)
            break;
        out.push_back(static_cast<std::uint16_t>(sequence));
        ++entry.asked;
        ++reception_.nacked;
        entry.asked_at = now;
        entry.ask_at = now + ask_pause();
    }
    return out;
}

time_point rtp_reorder::deadline() const {
    auto at = time_point::max();
    if (!held_.empty() && !missing_.empty())
        at = missing_.begin()->second.noticed + hold();
    if (options_.nack)
        for (const auto& [sequence, entry] : missing_)
            if (entry.asked < max_asks)
                at = std::min(at, entry.ask_at);
    return at;
}

std::uint8_t rtp_reorder::fraction_lost() {
    auto expected = reception_.expected - reported_expected_;
    auto received = reception_.received - reported_received_;
    reported_expected_ = reception_.expected;
    reported_received_ = reception_.received;
    if (expected == 0 || received >= expected)
        return 0;
    return static_cast<std::uint8_t>(
        std::min<std::uint64_t>(255, (expected - received) * 256 / expected)
    );
}

} // namespace rivulet::media
