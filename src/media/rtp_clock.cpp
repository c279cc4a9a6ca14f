#include "media/rtp_clock.hpp"

#include <algorithm>
#include <cmath>

namespace rivulet::media {

namespace {

double seconds_of(std::uint64_t ntp) {
    return double(ntp >> 32) + double(ntp & 0xffff'ffff) / 4294967296.0;
}

std::int64_t ticks_between(time_point from, time_point to) {
    return std::int64_t(std::chrono::duration<double>(to - from).count() * clock_rate);
}

} // namespace

std::int64_t rtp_clock::audio_ticks(std::int64_t unwrapped) const {
    return (unwrapped - *audio_zero_) * clock_rate / audio_rate_;
}

std::int64_t rtp_clock::video(std::uint32_t timestamp, time_point now) {
    const std::int64_t unwrapped = video_time_(timestamp);
    if (!video_zero_)
        video_zero_ = unwrapped;
    const std::int64_t ticks = unwrapped - *video_zero_;
    if (ticks > last_video_ || last_video_at_ == time_point{}) {
        last_video_ = ticks;
        last_video_at_ = now;
    }
    return ticks;
}

std::optional<std::int64_t> rtp_clock::audio(std::uint32_t timestamp, time_point now) {
    if (!video_zero_)
        return std::nullopt;
    const std::int64_t unwrapped = audio_time_(timestamp);
    if (!audio_zero_) {
        audio_zero_ = unwrapped;
        // What arrives together was recorded together, as far as anybody knows yet.
        offset_ = wanted_offset_ = last_video_ + ticks_between(last_video_at_, now);
        place_audio();
        offset_ = wanted_offset_;
    }
    const std::int64_t raw = audio_ticks(unwrapped);
    const std::int64_t error = wanted_offset_ - offset_;
    if (std::abs(error) > jump) {
        offset_ = wanted_offset_;
    } else if (error != 0 && raw > last_audio_raw_) {
        const std::int64_t step = std::max<std::int64_t>((raw - last_audio_raw_) / 50, 1);
        offset_ += std::clamp(error, -step, step);
    }
    last_audio_raw_ = std::max(last_audio_raw_, raw);
    return raw + offset_;
}

void rtp_clock::audio_begins_anew() {
    audio_zero_.reset();
    audio_time_.reset();
    audio_mark_.reset();
    last_audio_raw_ = 0;
    by_reports_ = false;
}

void rtp_clock::video_report(std::uint64_t ntp, std::uint32_t timestamp) {
    if (!video_zero_ || ntp == 0)
        return;
    unwrapper<32> near = video_time_; // a report may be a little ahead of the packets
    video_mark_ = mark{seconds_of(ntp), near(timestamp) - *video_zero_};
    place_audio();
}

void rtp_clock::audio_report(std::uint64_t ntp, std::uint32_t timestamp) {
    if (!audio_zero_ || ntp == 0)
        return;
    unwrapper<32> near = audio_time_;
    audio_mark_ = mark{seconds_of(ntp), audio_ticks(near(timestamp))};
    place_audio();
}

void rtp_clock::place_audio() {
    if (!video_mark_ || !audio_mark_)
        return;
    const double apart = audio_mark_->seconds - video_mark_->seconds;
    if (std::abs(apart) > 60) // clocks of different ends: believe neither
        return;
    const std::int64_t video_then = video_mark_->ticks + std::int64_t(apart * clock_rate);
    wanted_offset_ = video_then - audio_mark_->ticks;
    if (!by_reports_) // until now it was a guess
        offset_ = wanted_offset_;
    by_reports_ = true;
}

} // namespace rivulet::media
