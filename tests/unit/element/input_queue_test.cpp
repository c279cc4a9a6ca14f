#include "input_queue.hpp"

#include <gtest/gtest.h>

namespace rivulet::element {
namespace {

using namespace std::chrono_literals;
using taken = input_queue::taken;

const time_point t0{1000s};

media::access_unit picture(std::int64_t pts, bool keyframe = false, std::size_t size = 100) {
    media::access_unit unit;
    unit.pts = unit.dts = pts;
    unit.keyframe = keyframe;
    unit.data = bytes::copy_of(std::string(size, 'v'));
    return unit;
}

media::access_unit sound(std::int64_t pts, std::size_t size = 10) {
    auto unit = picture(pts, true, size);
    unit.kind = media::track_kind::audio;
    return unit;
}

media::stream_format wide(int width) {
    media::stream_format format;
    format.video.emplace().type = media::codec::h264;
    format.video->width = width;
    return format;
}

// "f640 0 1 s2": formats by width, pictures and sounds by pts.
std::string drawn(input_queue& queue) {
    std::string out;
    for (const auto& item : queue.take()) {
        out += out.empty() ? "" : " ";
        if (const auto* format = std::get_if<media::stream_format>(&item)) {
            out += "f" + std::to_string(format->video->width);
        } else {
            const auto& unit = std::get<media::access_unit>(item);
            out += (unit.kind == media::track_kind::audio ? "s" : "") + std::to_string(unit.pts);
        }
    }
    return out;
}

class input_queue_test : public testing::Test {
  protected:
    input_queue queue{1000, 3s};

    // A connection takes what is there.
    void connect() {
        queue.push(wide(640));
        queue.begin(1s, t0);
        queue.push(picture(0, true), t0);
        ASSERT_EQ(drawn(queue), "f640 0");
    }
};

TEST_F(input_queue_test, what_comes_before_the_connection_is_sent_from_its_first_keyframe) {
    queue.push(wide(640));
    EXPECT_EQ(queue.push(picture(0), t0), taken::dropped);
    EXPECT_EQ(queue.push(picture(1, true), t0), taken::kept);
    EXPECT_EQ(queue.push(picture(2), t0), taken::kept);
    EXPECT_TRUE(queue.begin(1s, t0 + 500ms));
    EXPECT_EQ(drawn(queue), "f640 1 2");
    EXPECT_EQ(queue.bytes(), 0u);
    EXPECT_EQ(queue.dropped(), 1u);
}

TEST_F(input_queue_test, a_connection_before_any_picture_needs_no_keyframe) {
    EXPECT_TRUE(queue.begin(1s, t0));
    EXPECT_EQ(drawn(queue), "");
}

TEST_F(input_queue_test, old_pictures_are_no_use_to_a_new_connection) {
    queue.push(wide(640));
    queue.push(picture(0, true), t0);
    queue.push(picture(1), t0 + 1s);
    EXPECT_FALSE(queue.begin(1s, t0 + 1001ms));
    EXPECT_EQ(drawn(queue), "f640");
    EXPECT_EQ(queue.push(picture(2), t0 + 2s), taken::dropped);
    EXPECT_EQ(queue.push(picture(3, true), t0 + 2s), taken::kept);
    EXPECT_EQ(drawn(queue), "3");
}

TEST_F(input_queue_test, the_newest_group_is_kept_when_an_older_one_is_too_old) {
    queue.push(picture(0, true), t0);
    queue.push(picture(1), t0 + 1s);
    queue.push(picture(2, true), t0 + 2s);
    queue.push(picture(3), t0 + 2100ms);
    EXPECT_TRUE(queue.begin(1s, t0 + 2500ms));
    EXPECT_EQ(drawn(queue), "2 3");
}

TEST_F(input_queue_test, nobody_taking_keeps_only_as_much_as_fits) {
    for (int i = 0; i < 100; ++i)
        queue.push(picture(i, i % 5 == 0), t0);
    EXPECT_LE(queue.bytes(), 1000u);
    EXPECT_TRUE(queue.begin(1s, t0));
    const auto kept = drawn(queue);
    EXPECT_TRUE(kept.ends_with(" 99")) << kept;
    EXPECT_EQ(std::stoi(kept) % 5, 0) << kept;
}

TEST_F(input_queue_test, a_full_queue_drops_to_the_next_keyframe_and_wants_one) {
    connect();
    for (int i = 1; i <= 10; ++i)
        EXPECT_EQ(queue.push(picture(i), t0), taken::kept);
    EXPECT_EQ(queue.push(picture(11), t0), taken::overflow);
    EXPECT_EQ(queue.push(picture(12), t0), taken::dropped);
    EXPECT_EQ(queue.push(sound(12), t0), taken::kept);
    EXPECT_EQ(queue.push(picture(13, true), t0), taken::kept);
    EXPECT_EQ(drawn(queue), "s12 13");
    EXPECT_EQ(queue.dropped(), 12u);
}

TEST_F(input_queue_test, exactly_as_much_as_fits_is_kept) {
    connect();
    for (int i = 1; i <= 9; ++i)
        queue.push(picture(i), t0);
    EXPECT_EQ(queue.push(sound(10, 100), t0), taken::kept);
    EXPECT_EQ(queue.bytes(), 1000u);
    EXPECT_EQ(queue.push(sound(11, 1), t0), taken::overflow);
}

TEST_F(input_queue_test, a_keyframe_in_a_full_queue_begins_anew_without_asking) {
    connect();
    for (int i = 1; i <= 10; ++i)
        queue.push(picture(i), t0);
    EXPECT_EQ(queue.push(picture(11, true), t0), taken::kept);
    EXPECT_EQ(drawn(queue), "11");
}

TEST_F(input_queue_test, a_full_queue_goes_on_at_a_keyframe_that_is_in_it) {
    connect();
    for (int i = 1; i <= 10; ++i)
        queue.push(picture(i, i == 6), t0);
    EXPECT_EQ(queue.push(picture(11), t0), taken::kept);
    EXPECT_EQ(drawn(queue), "6 7 8 9 10 11");
}

TEST_F(input_queue_test, what_waits_too_long_is_dropped_too) {
    connect();
    queue.push(picture(1), t0);
    EXPECT_EQ(queue.push(picture(2), t0 + 3s), taken::kept);
    EXPECT_EQ(queue.push(picture(3), t0 + 3001ms), taken::overflow);
    EXPECT_EQ(drawn(queue), "");
}

TEST_F(input_queue_test, a_picture_larger_than_the_queue_is_dropped) {
    connect();
    EXPECT_EQ(queue.push(picture(1, true, 1001), t0), taken::dropped);
    EXPECT_EQ(queue.bytes(), 0u);
    EXPECT_EQ(queue.push(picture(2), t0), taken::dropped);
    EXPECT_EQ(queue.push(picture(3, true), t0), taken::kept);
}

TEST_F(input_queue_test, after_a_loss_nothing_is_sent_that_needs_what_was_lost) {
    connect();
    queue.push(picture(1), t0);
    queue.push(sound(1), t0);
    queue.hold();
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.push(picture(2), t0), taken::dropped);
    EXPECT_FALSE(queue.begin(1s, t0));
    EXPECT_EQ(queue.push(picture(3, true), t0), taken::kept);
    EXPECT_EQ(drawn(queue), "f640 3");
}

TEST_F(input_queue_test, a_group_that_waits_at_a_loss_is_for_the_next_connection) {
    connect();
    queue.push(picture(1), t0);
    queue.push(picture(2, true), t0);
    queue.push(picture(3), t0);
    queue.hold();
    EXPECT_TRUE(queue.begin(1s, t0));
    EXPECT_EQ(drawn(queue), "f640 2 3");
}

TEST_F(input_queue_test, formats_keep_their_place_between_the_units) {
    connect();
    queue.push(picture(1), t0);
    queue.push(wide(320));
    queue.push(picture(2, true), t0);
    EXPECT_EQ(drawn(queue), "1 f320 2");
    queue.push(wide(160));
    queue.push(picture(3, true), t0);
    EXPECT_EQ(drawn(queue), "f160 3");
}

TEST_F(input_queue_test, a_format_outlives_the_units_around_it) {
    connect();
    for (int i = 1; i <= 10; ++i) {
        if (i == 5)
            queue.push(wide(320));
        queue.push(picture(i), t0);
    }
    EXPECT_EQ(queue.push(picture(11, true), t0), taken::kept);
    EXPECT_EQ(drawn(queue), "f320 11");
    queue.hold();
    queue.push(picture(12, true), t0);
    queue.begin(1s, t0);
    EXPECT_EQ(drawn(queue), "f320 12");
}

} // namespace
} // namespace rivulet::element
