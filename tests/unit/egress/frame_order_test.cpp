#include "egress/frame_order.hpp"
#include "support/media_samples.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::egress;

namespace {

media::access_unit unit(std::int64_t dts, std::int64_t pts, bool keyframe = false) {
    media::access_unit made;
    made.dts = dts * 3000;
    made.pts = pts * 3000;
    made.keyframe = keyframe;
    return made;
}

} // namespace

TEST(frame_order, three_pictures_without_delay_are_in_order) {
    frame_order_watch watch;
    EXPECT_EQ(watch.step(unit(0, 0, true), nullptr), frame_order::unknown);
    EXPECT_EQ(watch.step(unit(1, 1), nullptr), frame_order::unknown);
    EXPECT_EQ(watch.step(unit(2, 2), nullptr), frame_order::in_order);
}

TEST(frame_order, a_picture_shown_before_its_predecessor_is_reordered_for_good) {
    frame_order_watch watch;
    watch.step(unit(0, 1, true), nullptr);
    EXPECT_EQ(watch.step(unit(1, 4), nullptr), frame_order::unknown);
    EXPECT_EQ(watch.step(unit(2, 2), nullptr), frame_order::reordered);
    EXPECT_EQ(watch.step(unit(5, 5, true), nullptr), frame_order::reordered);
}

TEST(frame_order, an_even_delay_is_in_order_in_the_end) {
    frame_order_watch watch;
    frame_order verdict = frame_order::unknown;
    for (int i = 0; i < 12; ++i) {
        EXPECT_EQ(verdict, frame_order::unknown);
        verdict = watch.step(unit(i, i + 2, i == 0), nullptr);
    }
    EXPECT_EQ(verdict, frame_order::in_order);
}

TEST(frame_order, b_frames_that_come_later_are_noticed) {
    frame_order_watch watch;
    for (int i = 0; i < 100; ++i)
        watch.step(unit(i, i, i % 30 == 0), nullptr);
    EXPECT_EQ(watch.verdict(), frame_order::in_order);
    watch.step(unit(100, 103), nullptr);
    EXPECT_EQ(watch.step(unit(101, 101), nullptr), frame_order::reordered);
}

TEST(frame_order, a_clock_that_jumps_back_at_a_keyframe_is_no_reordering) {
    frame_order_watch watch;
    for (int i = 100; i < 110; ++i)
        watch.step(unit(i, i, i == 100), nullptr);
    EXPECT_EQ(watch.step(unit(0, 0, true), nullptr), frame_order::in_order);
    EXPECT_EQ(watch.step(unit(1, 1), nullptr), frame_order::in_order);
}

TEST(frame_order, recordings_are_told_apart) {
    for (const auto& [sample, expected] :
         {std::pair("av.flv", frame_order::in_order),
          std::pair("bframes.flv", frame_order::reordered)}) {
        const auto recording = test::units_of(sample);
        frame_order_watch watch;
        for (const auto& one : recording.units)
            if (one.kind == media::track_kind::video)
                watch.step(one, &*recording.format.video);
        EXPECT_EQ(watch.verdict(), expected) << sample;
    }
}
