// One clock for the sound and the picture of an RTP sender: video leads and begins at 0, audio is
// placed by both streams' sender reports, and until they came by the time of arrival. Corrections
// after the first are spread over time, so that nobody hears them; a large one is made at once.
// Pure.
#pragma once

#include "base/asio.hpp"
#include "media/access_unit.hpp"
#include "media/timestamps.hpp"

#include <cstdint>
#include <optional>

namespace rivulet::media {

class rtp_clock {
  public:
    // A correction beyond this is made at once.
    static constexpr std::int64_t jump = clock_rate * 3 / 10;

    explicit rtp_clock(std::uint32_t audio_rate = 48'000) : audio_rate_(audio_rate) {}

    // A packet's time in 90 kHz. Video: of any packet, each as it came. Audio: nothing before the
    // first video.
    std::int64_t video(std::uint32_t timestamp, time_point now);
    std::optional<std::int64_t> audio(std::uint32_t timestamp, time_point now);

    // Sender reports; `ntp` is 32.32.
    void video_report(std::uint64_t ntp, std::uint32_t timestamp);
    void audio_report(std::uint64_t ntp, std::uint32_t timestamp);

    // Another audio stream follows, with a clock of its own.
    void audio_begins_anew();

    // True once both streams' reports placed the audio.
    bool by_reports() const { return by_reports_; }

  private:
    struct mark { // what a stream's clock showed at a time of the sender's
        double seconds = 0;
        std::int64_t ticks = 0; // 90 kHz
    };

    std::int64_t audio_ticks(std::int64_t unwrapped) const;
    void place_audio();

    std::uint32_t audio_rate_;
    unwrapper<32> video_time_, audio_time_;
    std::optional<std::int64_t> video_zero_, audio_zero_;
    std::int64_t last_video_ = 0, last_audio_raw_ = 0;
    time_point last_video_at_{};
    std::optional<mark> video_mark_, audio_mark_;
    std::int64_t offset_ = 0, wanted_offset_ = 0; // of audio
    bool by_reports_ = false;
};

} // namespace rivulet::media
