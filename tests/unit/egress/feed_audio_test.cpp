#include "egress/feed_audio.hpp"
#include "media/ts_demuxer.hpp"
#include "support/media_samples.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::egress;

namespace {

// The audio units of a TS sample and their format.
std::pair<media::audio_format, std::vector<media::access_unit>> audio_of(const char* sample) {
    std::pair<media::audio_format, std::vector<media::access_unit>> out;
    media::ts_demuxer_events events;
    events.format = [&](const media::stream_format& format) {
        if (format.audio)
            out.first = *format.audio;
    };
    events.unit = [&](media::access_unit unit) {
        if (unit.kind == media::track_kind::audio)
            out.second.push_back(std::move(unit));
    };
    media::ts_demuxer demuxer(std::move(events));
    demuxer.push(test::read_sample(sample));
    demuxer.flush();
    return out;
}

} // namespace

TEST(feed_audio, opus_becomes_aac_of_the_same_length_and_time) {
    const auto [format, units] = audio_of("opus.ts");
    ASSERT_GT(units.size(), 20u);
    auto transcoder = audio_transcoder::create(format, media::codec::aac).value();
    EXPECT_EQ(transcoder->to().type, media::codec::aac);
    EXPECT_GE(transcoder->to().config.size(), 2u);
    std::vector<media::access_unit> made;
    for (const auto& unit : units)
        for (auto& one : transcoder->convert(unit))
            made.push_back(std::move(one));
    ASSERT_GT(made.size(), 10u);
    // The encoder's delay is in the times; nothing else may shift them.
    EXPECT_NEAR(made.front().pts, units.front().pts, media::clock_rate / 20);
    EXPECT_NEAR(made.back().pts, units.back().pts, media::clock_rate / 10);
    for (std::size_t i = 1; i < made.size(); ++i)
        EXPECT_NEAR(made[i].pts - made[i - 1].pts, 1024 * 90'000 / 48'000, 2);
}

TEST(feed_audio, aac_becomes_opus) {
    const auto [format, units] = audio_of("aac.ts");
    auto transcoder = audio_transcoder::create(format, media::codec::opus).value();
    std::size_t made = 0;
    for (const auto& unit : units)
        made += transcoder->convert(unit).size();
    EXPECT_GT(made, 20u);
}

TEST(feed_audio, a_jump_of_the_input_shows_in_the_output) {
    const auto [format, units] = audio_of("opus.ts");
    auto transcoder = audio_transcoder::create(format, media::codec::aac).value();
    constexpr std::int64_t jump = 100 * media::clock_rate;
    std::int64_t last = 0;
    for (std::size_t i = 0; i < units.size(); ++i) {
        auto unit = units[i];
        if (i >= units.size() / 2)
            unit.pts += jump;
        for (const auto& made : transcoder->convert(unit))
            last = made.pts;
    }
    EXPECT_NEAR(last, units.back().pts + jump, media::clock_rate / 10);
}

TEST(feed_audio, survives_damaged_units) {
    const auto [format, units] = audio_of("opus.ts");
    auto transcoder = audio_transcoder::create(format, media::codec::aac).value();
    media::access_unit damaged = units.front();
    damaged.data = bytes::copy_of(std::vector<std::uint8_t>(50, 0xff));
    transcoder->convert(damaged);
    damaged.data = {};
    transcoder->convert(damaged);
    std::size_t made = 0;
    for (const auto& unit : units)
        made += transcoder->convert(unit).size();
    EXPECT_GT(made, 10u);
}

TEST(feed_audio, refuses_codecs_that_it_cannot_convert) {
    media::audio_format format;
    format.type = media::codec::none;
    EXPECT_FALSE(audio_transcoder::create(format, media::codec::aac));
}
