#include "ingest/ts_publisher.hpp"
#include "media/ts_muxer.hpp"
#include "support/media_samples.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;
using namespace rivulet::test;
using namespace std::chrono_literals;

namespace {

struct recording_sink : unit_sink {
    void format_changed(const media::stream_format& format) override { formats.push_back(format); }

    void unit(media::access_unit unit) override { units.push_back(std::move(unit)); }

    void ended(const std::string& reason) override { reasons.push_back(reason); }

    std::size_t count(media::track_kind kind) const {
        std::size_t n = 0;
        for (const auto& unit : units)
            n += unit.kind == kind;
        return n;
    }

    std::vector<media::stream_format> formats;
    std::vector<media::access_unit> units;
    std::vector<std::string> reasons;
};

struct ts_publisher_test : testing::Test {
    std::shared_ptr<ts_publisher> publish() {
        return std::make_shared<ts_publisher>(
            context.get_executor(),
            sink,
            ts_publisher_options{},
            [this](std::string text) { failed = std::move(text); },
            now,
            logger{}
        );
    }

    asio::io_context context;
    std::shared_ptr<recording_sink> sink = std::make_shared<recording_sink>();
    std::string failed;
    time_point now{1h};
};

} // namespace

TEST_F(ts_publisher_test, hands_on_h264_and_aac_with_one_format) {
    auto publisher = publish();
    const auto ts = read_sample("aac.ts");
    for (std::size_t at = 0; at < ts.size(); at += 1316)
        ASSERT_FALSE(publisher->take(
            std::span(ts).subspan(at, std::min<std::size_t>(1316, ts.size() - at)), now
        ));
    publisher->finish("over");
    ASSERT_EQ(sink->formats.size(), 1u);
    EXPECT_EQ(sink->formats[0].video->type, media::codec::h264);
    EXPECT_EQ(sink->formats[0].audio->type, media::codec::aac);
    EXPECT_FALSE(sink->formats[0].audio->config.empty());
    EXPECT_GT(sink->count(media::track_kind::video), 10u);
    EXPECT_GT(sink->count(media::track_kind::audio), 10u);
    EXPECT_EQ(sink->reasons, std::vector<std::string>{"over"});
}

TEST_F(ts_publisher_test, hands_on_opus) {
    auto publisher = publish();
    publisher->take(read_sample("opus.ts"), now);
    publisher->finish("over");
    ASSERT_FALSE(sink->formats.empty());
    EXPECT_EQ(sink->formats[0].audio->type, media::codec::opus);
    EXPECT_GT(sink->count(media::track_kind::audio), 10u);
}

TEST_F(ts_publisher_test, leaves_mp3_as_it_is) {
    auto publisher = publish();
    publisher->take(read_sample("mp3.ts"), now);
    publisher->finish("over");
    ASSERT_FALSE(sink->formats.empty());
    EXPECT_EQ(sink->formats[0].audio->type, media::codec::mp3);
    EXPECT_GT(sink->count(media::track_kind::audio), 5u);
}

TEST_F(ts_publisher_test, transcodes_mpeg_audio_layer_2_to_aac) {
    auto publisher = publish();
    publisher->take(read_sample("mp2.ts"), now);
    publisher->finish("over");
    ASSERT_FALSE(sink->formats.empty());
    ASSERT_TRUE(sink->formats[0].audio);
    EXPECT_EQ(sink->formats[0].audio->type, media::codec::aac);
    EXPECT_FALSE(sink->formats[0].audio->config.empty());
    EXPECT_GT(sink->count(media::track_kind::audio), 10u);
    // The times are the sender's: sound and picture begin together.
    const auto first = [&](media::track_kind kind) {
        for (const auto& unit : sink->units)
            if (unit.kind == kind)
                return unit.pts;
        return std::int64_t{0};
    };
    EXPECT_NEAR(
        static_cast<double>(first(media::track_kind::audio) - first(media::track_kind::video)),
        0,
        media::clock_rate / 4
    );
}

TEST_F(ts_publisher_test, waits_half_a_second_for_the_details_of_a_track_that_is_announced) {
    // Tables announce sound, but only video comes.
    auto recorded = units_of("av.flv");
    media::ts_muxer muxer;
    ASSERT_FALSE(muxer.set_format(recorded.format));
    muxer.begin_segment();
    auto publisher = publish();
    for (const auto& unit : recorded.units)
        if (unit.kind == media::track_kind::video)
            publisher->take(muxer.write(unit)->view(), now);
    EXPECT_TRUE(sink->units.empty());
    EXPECT_FALSE(publisher->tick(now + 499ms));
    EXPECT_TRUE(sink->units.empty());
    EXPECT_FALSE(publisher->tick(now + 501ms));
    ASSERT_FALSE(sink->formats.empty());
    EXPECT_TRUE(sink->formats[0].video);
    EXPECT_FALSE(sink->formats[0].audio);
    EXPECT_FALSE(sink->units.empty());
}

TEST_F(ts_publisher_test, refuses_what_is_not_mpeg_ts) {
    auto publisher = publish();
    const std::vector<std::uint8_t> noise(200'000, 0x20);
    EXPECT_FALSE(publisher->take(noise, now));
    EXPECT_EQ(publisher->take(noise, now), "this is not MPEG-TS");
}

TEST_F(ts_publisher_test, refuses_a_publisher_without_video_after_a_while) {
    auto recorded = units_of("av.flv");
    recorded.format.video.reset();
    media::ts_muxer muxer;
    ASSERT_FALSE(muxer.set_format(recorded.format));
    muxer.begin_segment();
    auto publisher = publish();
    for (const auto& unit : recorded.units)
        if (unit.kind == media::track_kind::audio) {
            ASSERT_FALSE(publisher->take(muxer.write(unit)->view(), now));
        }
    EXPECT_FALSE(publisher->tick(now + 9s));
    const auto refused = publisher->tick(now + 10s);
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->find("sound without video"), std::string::npos) << *refused;

    auto silent = publish();
    EXPECT_EQ(silent->tick(now + 10s), "no data came");
}

TEST_F(ts_publisher_test, tells_the_sink_of_one_end_only) {
    auto publisher = publish();
    publisher->finish("first");
    publisher->finish("second");
    publisher.reset();
    EXPECT_EQ(sink->reasons, std::vector<std::string>{"first"});
}
