#include "media/timeline.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace rivulet::media {
namespace {

constexpr std::int64_t frame = clock_rate / 30;

access_unit video(std::int64_t time, bool keyframe = false) {
    access_unit unit;
    unit.pts = unit.dts = time;
    unit.keyframe = keyframe;
    return unit;
}

access_unit audio(std::int64_t time) {
    auto unit = video(time, true);
    unit.kind = track_kind::audio;
    return unit;
}

// Where the clock puts a unit; -1: left out.
std::int64_t put(timeline& line, access_unit unit) {
    return line.adjust(unit) ? unit.pts : -1;
}

timeline with_clock_at(std::int64_t time) {
    timeline line;
    put(line, video(time, true));
    return line;
}

TEST(timeline, changes_nothing_while_one_source_rises) {
    timeline line;
    EXPECT_FALSE(line.last());
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(put(line, video(5'000'000 + i * frame, i % 30 == 0)), 5'000'000 + i * frame);
        EXPECT_EQ(put(line, audio(5'000'000 + i * 1920)), 5'000'000 + i * 1920);
    }
    EXPECT_EQ(line.last(), 5'000'000 + 99 * frame);
    EXPECT_EQ(line.shift(), 0);
}

TEST(timeline, keeps_the_times_of_a_source_that_goes_on_later) {
    auto line = with_clock_at(900'000);
    line.change_source();
    EXPECT_EQ(put(line, video(990'000, true)), 990'000);
    EXPECT_EQ(put(line, video(990'000 + frame)), 990'000 + frame);
    EXPECT_EQ(line.shift(), 0);
}

TEST(timeline, squeezes_what_was_shown_already_and_keeps_no_shift) {
    auto line = with_clock_at(900'000);
    line.change_source();
    auto last = std::int64_t{900'000};
    for (std::int64_t t = 810'000; t < 1'200'000; t += frame) {
        const auto at = put(line, video(t, t == 810'000));
        EXPECT_GT(at, last);
        if (t <= 900'000) {
            EXPECT_LE(at, 900'000 + 90'000 / timeline::squeeze + 1);
            EXPECT_TRUE(line.squeezed());
        }
        last = at;
        if (t > 900'000 + 90'000 / timeline::squeeze + frame) {
            EXPECT_EQ(at, t);
            EXPECT_FALSE(line.squeezed());
        }
    }
    EXPECT_EQ(line.shift(), 0);
}

TEST(timeline, waits_for_the_keyframe_of_a_new_source) {
    auto line = with_clock_at(900'000);
    line.change_source();
    EXPECT_EQ(put(line, video(990'000)), -1);
    EXPECT_EQ(put(line, video(993'000)), -1);
    EXPECT_EQ(put(line, video(996'000, true)), 996'000);
    EXPECT_EQ(put(line, video(999'000)), 999'000);
}

TEST(timeline, leaves_out_sound_that_was_heard) {
    auto line = with_clock_at(900'000);
    put(line, audio(899'000));
    line.change_source();
    put(line, video(810'000, true));
    EXPECT_EQ(put(line, audio(810'000)), -1);
    EXPECT_EQ(put(line, audio(899'000)), -1);
    EXPECT_EQ(put(line, audio(899'500)), 899'500);
    EXPECT_EQ(put(line, audio(901'500)), 901'500);
}

TEST(timeline, leaves_out_late_sound_although_it_was_never_heard) {
    auto line = with_clock_at(900'000);
    line.change_source();
    put(line, video(810'000, true));
    EXPECT_EQ(put(line, audio(890'000)), -1);
    EXPECT_EQ(put(line, audio(892'000)), 892'000);
}

TEST(timeline, moves_a_foreign_clock_to_where_the_last_source_ended) {
    auto line = with_clock_at(90'000'000);
    line.change_source();
    auto first = video(0, true);
    ASSERT_TRUE(line.adjust(first, 45'000));
    EXPECT_EQ(first.pts, 90'045'000);
    EXPECT_EQ(put(line, audio(100)), 90'045'100); // both tracks by the same amount
    EXPECT_EQ(put(line, video(frame)), 90'045'000 + frame);
    EXPECT_EQ(line.shift(), 90'045'000);
}

TEST(timeline, moves_a_clock_that_is_known_to_be_foreign_although_it_is_near) {
    auto line = with_clock_at(500'000);
    line.change_source(timeline::source_clock::its_own);
    EXPECT_EQ(put(line, video(0, true)), 500'000 + frame);
    EXPECT_EQ(put(line, video(frame)), 500'000 + 2 * frame);
}

TEST(timeline, returns_to_the_common_clock_after_a_foreign_one) {
    auto line = with_clock_at(90'000'000);
    line.change_source();
    put(line, video(7, true));
    line.change_source();
    EXPECT_EQ(put(line, video(90'100'000, true)), 90'100'000);
    EXPECT_EQ(line.shift(), 0);
}

TEST(timeline, knows_a_clock_that_has_wrapped) {
    constexpr auto wrap = std::int64_t{1} << 33;
    auto line = with_clock_at(wrap + 90'000);
    line.change_source();
    EXPECT_EQ(put(line, video(180'000, true)), wrap + 180'000); // a fresh demultiplexer's view
    line.change_source();
    EXPECT_EQ(put(line, video(3 * wrap + 270'000, true)), wrap + 270'000);
}

TEST(timeline, closes_a_jump_within_a_source) {
    auto line = with_clock_at(900'000);
    put(line, audio(900'100));
    EXPECT_EQ(put(line, video(0, true)), 900'100 + frame);
    EXPECT_EQ(put(line, audio(200)), 900'100 + frame + 200); // the other track follows
    const auto before = *line.last();
    const auto after = put(line, video(50'000'000));
    EXPECT_GT(after, before);
    EXPECT_LT(after, before + clock_rate);
}

TEST(timeline, keeps_the_order_of_reordered_pictures_when_squeezing) {
    auto line = with_clock_at(900'000);
    line.change_source();
    // I P B B in decoding order.
    const std::vector<std::pair<std::int64_t, std::int64_t>> times{
        {6'000, 0}, {15'000, 3'000}, {9'000, 6'000}, {12'000, 9'000}};
    std::vector<std::int64_t> pts;
    std::int64_t last_dts = 0;
    for (const auto& [p, d] : times) {
        auto unit = video(850'000 + d, d == 0);
        unit.pts = 850'000 + p;
        ASSERT_TRUE(line.adjust(unit));
        EXPECT_GT(unit.dts, std::max<std::int64_t>(last_dts, 900'000));
        EXPECT_GE(unit.pts, unit.dts);
        last_dts = unit.dts;
        pts.push_back(unit.pts);
    }
    EXPECT_LT(pts[0], pts[2]);
    EXPECT_LT(pts[2], pts[3]);
    EXPECT_LT(pts[3], pts[1]);
}

TEST(timeline, lets_nothing_turn_back_whatever_the_sources_say) {
    std::mt19937 random(24);
    for (int round = 0; round < 200; ++round) {
        timeline line;
        std::int64_t last[2] = {-1, -1}, newest = -1;
        std::int64_t now = std::int64_t(random() % 1'000'000'000);
        for (int source = 0; source < 6; ++source) {
            // Behind, ahead, or a clock of its own.
            std::int64_t time = now - 900'000 + std::int64_t(random() % 1'800'000);
            if (random() % 4 == 0)
                time = std::int64_t(random());
            bool fresh = true;
            const auto at_the_change = newest;
            for (int i = 0; i < 80; ++i) {
                time += std::int64_t(random() % (random() % 20 == 0 ? 2'000'000 : 6'000));
                if (random() % 40 == 0)
                    time -= std::int64_t(random() % 3'000'000);
                auto unit = random() % 3 == 0 ? audio(time) : video(time, i % 20 == 0);
                if (unit.kind == track_kind::video)
                    unit.pts += std::int64_t(random() % 4) * frame;
                if (!line.adjust(unit))
                    continue;
                const auto track = std::size_t(unit.kind);
                EXPECT_GT(unit.dts, last[track]);
                EXPECT_GE(unit.pts, unit.dts);
                if (fresh && track == 0 && source > 0) {
                    EXPECT_TRUE(unit.keyframe);
                    EXPECT_GT(unit.pts, at_the_change);
                }
                fresh = fresh && track != 0;
                last[track] = unit.dts;
                newest = std::max(newest, unit.pts);
                EXPECT_EQ(line.last(), newest);
            }
            now = newest;
            line.change_source();
        }
    }
}

} // namespace
} // namespace rivulet::media
