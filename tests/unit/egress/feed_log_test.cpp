#include "egress/feed_log.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::egress;
using media::clock_rate;

namespace {

const auto format = [] {
    auto made = std::make_shared<media::stream_format>();
    made->video.emplace().type = media::codec::h264;
    made->audio.emplace().type = media::codec::opus;
    return std::shared_ptr<const media::stream_format>(made);
}();

const auto converted = [] {
    auto made = std::make_shared<media::stream_format>(*format);
    made->audio->type = media::codec::aac;
    return std::shared_ptr<const media::stream_format>(made);
}();

enum class what { key, inter, audio, converted_audio };

feed_unit_ptr unit(what kind, std::int64_t dts, std::size_t size = 10) {
    auto made = std::make_shared<feed_unit>();
    const bool video = kind == what::key || kind == what::inter;
    made->unit.kind = video ? media::track_kind::video : media::track_kind::audio;
    made->unit.keyframe = kind != what::inter;
    made->unit.dts = made->unit.pts = dts;
    made->unit.data = bytes::copy_of(std::vector<std::uint8_t>(size));
    made->transcoded = kind == what::converted_audio;
    made->format = made->transcoded ? converted : format;
    return made;
}

std::vector<std::int64_t> drain(const feed_log& log, feed_cursor& cursor) {
    std::vector<std::int64_t> times;
    while (auto unit = log.next(cursor).unit)
        times.push_back(unit->unit.dts);
    return times;
}

using times = std::vector<std::int64_t>;

} // namespace

TEST(feed_log, a_new_viewer_begins_with_the_newest_keyframe) {
    feed_log log({});
    for (std::int64_t i = 0; i < 10; ++i)
        log.push(unit(i % 4 == 0 ? what::key : what::inter, i));
    auto cursor = log.join(feed_audio::as_is);
    EXPECT_EQ(drain(log, cursor), (times{8, 9}));
    log.push(unit(what::inter, 10));
    EXPECT_EQ(drain(log, cursor), (times{10}));
    EXPECT_EQ(cursor.dropped, 0u);
}

TEST(feed_log, a_viewer_before_the_first_keyframe_waits_for_it) {
    feed_log log({});
    log.push(unit(what::inter, 0));
    auto cursor = log.join(feed_audio::as_is);
    log.push(unit(what::audio, 1));
    log.push(unit(what::inter, 2));
    EXPECT_TRUE(drain(log, cursor).empty());
    log.push(unit(what::key, 3));
    EXPECT_EQ(drain(log, cursor), (times{3}));
    EXPECT_EQ(cursor.dropped, 0u);
}

TEST(feed_log, each_viewer_gets_the_audio_that_it_asked_for) {
    feed_log log({});
    log.push(unit(what::key, 0));
    log.push(unit(what::audio, 1));
    log.push(unit(what::converted_audio, 2));
    auto native = log.join(feed_audio::as_is), aac = log.join(feed_audio::aac),
         opus = log.join(feed_audio::opus), none = log.join(feed_audio::none);
    EXPECT_EQ(drain(log, native), (times{0, 1}));
    EXPECT_EQ(drain(log, aac), (times{0, 2}));
    EXPECT_EQ(drain(log, opus), (times{0, 1}));
    EXPECT_EQ(drain(log, none), (times{0}));
}

TEST(feed_log, a_viewer_that_fell_out_goes_on_at_the_newest_keyframe_and_counts) {
    feed_limits limits;
    limits.span = clock_rate;
    feed_log log(limits);
    log.push(unit(what::key, 0));
    auto cursor = log.join(feed_audio::as_is);
    EXPECT_EQ(drain(log, cursor).size(), 1u);
    for (std::int64_t second = 1; second <= 10; ++second) {
        log.push(unit(what::key, second * clock_rate));
        log.push(unit(what::inter, second * clock_rate + 3000));
    }
    const auto step = log.next(cursor);
    EXPECT_TRUE(step.after_gap);
    EXPECT_TRUE(step.unit->unit.keyframe);
    EXPECT_EQ(step.unit->unit.dts, 10 * clock_rate);
    EXPECT_EQ(cursor.dropped, 18u);
    EXPECT_FALSE(log.next(cursor).after_gap);
}

TEST(feed_log, keeps_the_span_before_the_newest_group_for_slower_viewers) {
    feed_limits limits;
    limits.span = 2 * clock_rate;
    feed_log log(limits);
    for (std::int64_t second = 0; second < 20; ++second)
        log.push(unit(what::key, second * clock_rate));
    EXPECT_EQ(log.units_held(), 3u);
}

TEST(feed_log, never_holds_more_bytes_than_its_limit) {
    feed_limits limits;
    limits.bytes = 1000;
    feed_log log(limits);
    log.push(unit(what::key, 0, 400));
    auto cursor = log.join(feed_audio::as_is);
    for (std::int64_t i = 1; i < 100; ++i) {
        log.push(unit(what::inter, i, 400));
        EXPECT_LE(log.bytes_held(), 1000u);
    }
    EXPECT_FALSE(log.has_keyframe());
    EXPECT_TRUE(drain(log, cursor).empty());
    log.push(unit(what::key, 100, 400));
    EXPECT_EQ(drain(log, cursor), (times{100}));
    EXPECT_EQ(cursor.dropped, 100u);
}

TEST(feed_log, a_group_without_end_is_given_up) {
    feed_limits limits;
    limits.longest_group = 10 * clock_rate;
    limits.span = clock_rate;
    feed_log log(limits);
    log.push(unit(what::key, 0));
    for (std::int64_t i = 1; i < 1000; ++i)
        log.push(unit(what::inter, i * 9000));
    EXPECT_FALSE(log.has_keyframe());
    EXPECT_LE(log.units_held(), 12u);
}

TEST(feed_log, survives_a_clock_that_jumps_back) {
    feed_limits limits;
    limits.span = clock_rate;
    feed_log log(limits);
    log.push(unit(what::key, 1'000'000'000));
    auto cursor = log.join(feed_audio::as_is);
    EXPECT_EQ(drain(log, cursor).size(), 1u);
    log.push(unit(what::key, 0));
    log.push(unit(what::inter, 3000));
    EXPECT_EQ(drain(log, cursor), (times{0, 3000}));
    EXPECT_EQ(log.units_held(), 2u);
}
