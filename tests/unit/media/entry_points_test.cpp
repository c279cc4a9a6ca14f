#include "media/entry_points.hpp"
#include "media/ts_demuxer.hpp"
#include "media/ts_muxer.hpp"
#include "support/media_samples.hpp"

#include <gtest/gtest.h>

namespace rivulet::media {

namespace {

using octets = std::vector<std::uint8_t>;

const octets idr{0, 0, 1, 0x65, 0x88, 1}, plain{0, 0, 1, 0x41, 0x9a, 1},
    recovery{0, 0, 1, 0x06, 6, 1, 0xc4, 0x80, 0, 0, 1, 0x41, 0x9a, 2};
constexpr std::int64_t second = clock_rate;

} // namespace

TEST(entry_points, every_idr_is_one_and_recovery_points_between_them_are_none) {
    entry_points enter;
    for (std::int64_t at = 0; at < 60 * second; at += 4 * second) {
        EXPECT_TRUE(enter(idr, at));
        EXPECT_FALSE(enter(plain, at + second));
        EXPECT_FALSE(enter(recovery, at + 2 * second));
    }
}

TEST(entry_points, recovery_points_stand_in_where_no_idr_comes) {
    entry_points enter;
    EXPECT_TRUE(enter(idr, 0));
    std::vector<std::int64_t> found;
    for (std::int64_t at = second; at <= 20 * second; at += second)
        if (enter(recovery, at))
            found.push_back(at / second);
    EXPECT_EQ(found, (std::vector<std::int64_t>{5, 10, 15, 20}));
    EXPECT_FALSE(enter(plain, 100 * second));
}

TEST(entry_points, a_stream_may_begin_with_one_and_a_new_clock_does_not_keep_it_waiting) {
    entry_points enter;
    EXPECT_FALSE(enter(plain, 1000 * second));
    EXPECT_TRUE(enter(recovery, 1001 * second));
    EXPECT_FALSE(enter(recovery, 1002 * second));
    EXPECT_TRUE(enter(recovery, 3 * second));
}

// What was cut at a recovery point is entered there by whoever begins with that segment.
TEST(entry_points, a_reader_of_a_segment_finds_those_that_it_was_cut_at) {
    const auto sample = test::read_sample("aac.ts");
    stream_format format;
    access_unit first;
    {
        ts_demuxer demuxer(
            {[&](const stream_format& now) { format = now; },
             [&](access_unit unit) {
                 if (unit.kind == track_kind::video && unit.keyframe && first.data.empty())
                     first = std::move(unit);
             }}
        );
        demuxer.push(sample);
        demuxer.flush();
    }
    format.audio.reset();
    ASSERT_FALSE(first.data.empty());
    ts_muxer muxer;
    ASSERT_FALSE(muxer.set_format(format));
    std::vector<bytes> segments;
    octets current;
    entry_points enter;
    for (int i = 0; i < 13; ++i) {
        access_unit unit;
        unit.kind = track_kind::video;
        unit.pts = unit.dts = i * second;
        unit.data = i == 0 ? first.data : bytes::copy_of(recovery);
        unit.keyframe = enter(unit.data.view(), unit.dts);
        if (unit.keyframe && format.video && i > 0)
            unit.data = h264::with_parameter_sets(unit.data, format.video->sps, format.video->pps);
        if (unit.keyframe) {
            segments.push_back(bytes::copy_of(current));
            current.clear();
            muxer.begin_segment();
        }
        auto packets = muxer.write(unit);
        ASSERT_TRUE(packets);
        current.insert(current.end(), packets->view().begin(), packets->view().end());
    }
    segments.push_back(bytes::copy_of(current));
    ASSERT_EQ(segments.size(), 4u) << "nothing, and those that begin at 0, 5 and 10 s";
    for (std::size_t from = 1; from < segments.size(); ++from) {
        std::vector<std::int64_t> found;
        ts_demuxer demuxer({{}, [&](access_unit unit) {
                                if (unit.keyframe)
                                    found.push_back(unit.dts / second);
                            }});
        for (std::size_t i = from; i < segments.size(); ++i)
            demuxer.push(segments[i].view());
        demuxer.flush();
        std::vector<std::int64_t> expected;
        for (std::size_t i = from; i < segments.size(); ++i)
            expected.push_back(std::int64_t(5 * (i - 1)));
        EXPECT_EQ(found, expected) << "from segment " << from;
    }
}

} // namespace rivulet::media
