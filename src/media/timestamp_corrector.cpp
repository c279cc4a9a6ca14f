#include "media/timestamp_corrector.hpp"

#include <algorithm>

namespace rivulet::media {

namespace {

constexpr double picture_interval = 1.0 / 30;
constexpr double threshold = 800'000; // Hz
constexpr std::int64_t wanted = 90'000, counted = 1'000'000;

} // namespace

bool may_count_microseconds(std::string_view user_agent) {
    if (user_agent.empty())
        return true;
    const auto has = [&](std::string_view text) {
        return user_agent.find(text) != user_agent.npos;
    };
    return (has("iPhone") || has("iPad") || has("Version/18")) && !has("Version/18.6");
}

std::int64_t timestamp_corrector::operator()(std::int64_t ticks, time_point now) {
    if (!decided_) {
        if (!first_) {
            first_ = ticks;
            first_at_ = now;
            return ticks;
        }
        if (ticks == *first_) // a picture of several packets
            return ticks;
        // Packets that were held up come in a burst.
        const double passed =
            std::max(std::chrono::duration<double>(now - first_at_).count(), picture_interval);
        correcting_ = enabled_ && double(ticks - *first_) / passed > threshold;
        decided_ = true;
    }
    if (!correcting_)
        return ticks;
    return ticks / counted * wanted + ticks % counted * wanted / counted;
}

} // namespace rivulet::media
