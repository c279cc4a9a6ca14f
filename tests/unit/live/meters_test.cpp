#include "live/error_log.hpp"
#include "live/meters.hpp"
#include "live/ts_meter.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
const time_point start = time_point{} + 1h;

TEST(rate_meter, measures_a_steady_rate_within_a_frame) {
    rate_meter fps;
    for (int i = 0; i < 300; ++i)
        fps.add(1, start + i * 33333us);
    EXPECT_NEAR(fps.per_second(start + 10s), 30.0, 0.3);
}

TEST(rate_meter, falls_to_zero_when_nothing_comes) {
    rate_meter fps;
    for (int i = 0; i < 90; ++i)
        fps.add(1, start + i * 33ms);
    EXPECT_EQ(fps.per_second(start + 20s), 0.0);
    EXPECT_EQ(rate_meter().per_second(start), 0.0);
}

TEST(rate_meter, is_useful_before_the_first_whole_second) {
    rate_meter fps;
    for (int i = 0; i < 15; ++i)
        fps.add(1, start + 900ms + i * 33ms);
    EXPECT_NEAR(fps.per_second(start + 900ms + 500ms), 30.0, 6.0);
}

TEST(latency_meter, pairs_frames_by_their_pts) {
    latency_meter latency;
    EXPECT_FALSE(latency.read());
    for (int i = 0; i < 100; ++i) {
        latency.in(i * 3000, start + i * 33ms);
        latency.out(i * 3000, start + i * 33ms + (i == 99 ? 80ms : 20ms));
        latency.out(i * 3000 + 1, start); // never went in
    }
    const auto read = latency.read();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->p50, 20ms);
    EXPECT_EQ(read->p99, 80ms);
    EXPECT_EQ(read->last, 80ms);
}

TEST(error_log, keeps_the_first_error_and_counts_repeats) {
    error_log log;
    EXPECT_TRUE(log.add("first", 1));
    EXPECT_TRUE(log.add("second", 2));
    EXPECT_FALSE(log.add("second", 3));
    EXPECT_EQ(log.first()->message, "first");
    ASSERT_EQ(log.newest().size(), 2u);
    EXPECT_FALSE(log.add("first", 3)) << "taking turns is no news either";
    EXPECT_EQ(log.newest().back().count, 2u);
    EXPECT_EQ(log.newest().back().last_ms, 3);
    for (int i = 0; i < 100; ++i)
        log.add(std::to_string(i), i);
    EXPECT_EQ(log.newest().size(), error_log::kept);
    EXPECT_EQ(log.first()->message, "first");
}

TEST(error_log, holds_only_short_utf8) {
    error_log log;
    log.add(std::string("a\xff\n\xc3\xa9\xe2\x82") + std::string(1000, 'x'), 1);
    EXPECT_EQ(log.first()->message.substr(0, 7), "a??\xc3\xa9??");
    EXPECT_LT(log.first()->message.size(), 600u);
}

// A stream of one program: PAT, PMT (PMT PID 0x1000, video 0x100, audio 0x101) and PES packets.
class ts_writer {
  public:
    std::vector<std::uint8_t> out;

    void tables() {
        packet(0, true, {0, 0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0x00, 1, 2, 3, 4});
        packet(0x1000, true, {0,    0x02, 0xb0, 23,   0,    1,    0xc1, 0,    0,
                              0xe1, 0x00, 0xf0, 0,    0x0f, 0xe1, 0x01, 0xf0, 0,
                              0x1b, 0xe1, 0x00, 0xf0, 0,    1,    2,    3,    4});
    }

    void frame(std::uint16_t pid, std::int64_t pts) {
        const auto b = [pts](int shift) { return static_cast<std::uint8_t>(pts >> shift); };
        packet(
            pid,
            true,
            {0,
             0,
             1,
             0xe0,
             0,
             0,
             0x80,
             0x80,
             5,
             static_cast<std::uint8_t>(0x21 | (b(30) & 7) << 1),
             b(22),
             static_cast<std::uint8_t>(b(15) << 1 | 1),
             b(7),
             static_cast<std::uint8_t>((pts & 0x7f) << 1 | 1)}
        );
        packet(pid, false, {1, 2, 3});
    }

  private:
    void packet(std::uint16_t pid, bool starts, std::vector<std::uint8_t> payload) {
        std::array<std::uint8_t, 188> p{};
        p.fill(0xff);
        p[0] = 0x47;
        p[1] = static_cast<std::uint8_t>((starts ? 0x40 : 0) | pid >> 8);
        p[2] = static_cast<std::uint8_t>(pid);
        p[3] = 0x10;
        std::copy(payload.begin(), payload.end(), p.begin() + 4);
        out.insert(out.end(), p.begin(), p.end());
    }
};

TEST(ts_meter, counts_video_frames_and_reads_their_pts_however_the_bytes_are_cut) {
    ts_writer ts;
    ts.frame(0x100, 1); // before the tables: unknown
    ts.tables();
    const std::int64_t top = (std::int64_t{1} << 33) - 1;
    for (std::int64_t pts : {std::int64_t{0}, std::int64_t{3003}, std::int64_t{1} << 32, top}) {
        ts.frame(0x100, pts);
        ts.frame(0x101, 5);
    }
    for (std::size_t cut : {1u, 7u, 187u, 188u, 189u, 100000u}) {
        std::vector<std::int64_t> seen;
        ts_meter meter([&seen](std::int64_t pts) { seen.push_back(pts); });
        const std::span<const std::uint8_t> all(ts.out);
        for (std::size_t at = 0; at < all.size(); at += cut)
            meter.feed(all.subspan(at, std::min(cut, all.size() - at)));
        EXPECT_EQ(meter.frames(), 4u) << cut;
        EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 3003, std::int64_t{1} << 32, top})) << cut;
    }
}

TEST(ts_meter, swallows_garbage) {
    std::mt19937 random(7);
    ts_meter meter({});
    std::vector<std::uint8_t> noise(1000);
    for (int i = 0; i < 2000; ++i) {
        for (auto& b : noise)
            b = random() % 4 ? static_cast<std::uint8_t>(random()) : 0x47;
        meter.feed(std::span<const std::uint8_t>(noise).first(random() % noise.size()));
    }
    SUCCEED();
}

} // namespace
} // namespace rivulet::live
