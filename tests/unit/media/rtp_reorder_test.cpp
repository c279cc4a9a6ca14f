#include "media/rtp_reorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace rivulet::media {

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct stream {
    rtp_reorder order;
    time_point now = time_point{} + 1h;
    std::vector<std::uint16_t> out;
    int gaps = 0;

    explicit stream(bool nack = true) : order({.nack = nack}) {}

    void push(int sequence, bool again = false) {
        rtp_header header;
        header.sequence = std::uint16_t(sequence);
        header.timestamp = std::uint32_t(sequence) * 3000;
        header.size = 12;
        header.payload_size = 10;
        order.push(header, bytes::copy_of(std::vector<std::uint8_t>(22)), again, now);
        drain();
    }

    void drain() {
        while (auto packet = order.pop(now)) {
            out.push_back(packet->sequence);
            gaps += packet->gap_before;
        }
    }
};

} // namespace

TEST(rtp_reorder, a_packet_in_order_leaves_at_once) {
    stream s;
    for (int i = 0; i < 5; ++i) {
        s.push(65533 + i);
        EXPECT_EQ(s.out.size(), std::size_t(i + 1));
    }
    EXPECT_THAT(s.out, ElementsAre(65533, 65534, 65535, 0, 1));
    EXPECT_EQ(s.order.deadline(), time_point::max());
    EXPECT_EQ(s.gaps, 0);
}

TEST(rtp_reorder, puts_packets_in_order_and_drops_duplicates) {
    stream s;
    s.push(1);
    s.push(3);
    s.push(3);
    s.push(4);
    EXPECT_THAT(s.out, ElementsAre(1));
    s.push(2);
    EXPECT_THAT(s.out, ElementsAre(1, 2, 3, 4));
    s.push(2);
    EXPECT_EQ(s.order.reception().duplicates, 2u);
    EXPECT_EQ(s.gaps, 0);
}

TEST(rtp_reorder, asks_for_a_lost_packet_at_once_and_again_until_it_comes) {
    stream s;
    s.push(1);
    s.push(4);
    EXPECT_THAT(s.order.nacks(s.now), ElementsAre(2, 3));
    EXPECT_THAT(s.order.nacks(s.now), IsEmpty());
    s.now += 30ms;
    s.push(2, true);
    EXPECT_THAT(s.out, ElementsAre(1, 2));
    EXPECT_EQ(s.order.reception().round_trip, 30ms);
    s.now = s.order.deadline();
    EXPECT_THAT(s.order.nacks(s.now), ElementsAre(3));
    s.push(3, true);
    EXPECT_THAT(s.out, ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(s.order.nacks(s.now + 1s), IsEmpty());
    EXPECT_EQ(s.order.reception().recovered, 2u);
    EXPECT_EQ(s.order.reception().nacked, 3u);
    EXPECT_EQ(s.gaps, 0);
}

TEST(rtp_reorder, gives_a_packet_up_when_its_time_is_over) {
    stream s;
    s.push(1);
    s.push(3);
    s.now += s.order.hold() - 1ms;
    s.drain();
    EXPECT_THAT(s.out, ElementsAre(1));
    s.now += 1ms;
    EXPECT_LE(s.order.deadline(), s.now);
    s.drain();
    EXPECT_THAT(s.out, ElementsAre(1, 3));
    EXPECT_EQ(s.gaps, 1);
    EXPECT_EQ(s.order.reception().given_up, 1u);
    s.push(2, true);
    EXPECT_THAT(s.out, ElementsAre(1, 3)) << "too late";
    s.push(4);
    EXPECT_THAT(s.out, ElementsAre(1, 3, 4));
    EXPECT_EQ(s.gaps, 1);
}

TEST(rtp_reorder, waits_as_long_as_the_round_trip_suggests) {
    stream s;
    auto unknown = s.order.hold();
    for (int i = 0; i < 40; i += 2) {
        s.push(i);
        s.push(i + 2);
        s.order.nacks(s.now);
        s.now += 10ms;
        s.push(i + 1, true);
    }
    EXPECT_LT(s.order.hold(), unknown);
    EXPECT_GE(s.order.hold(), 80ms);
}

TEST(rtp_reorder, without_nack_it_asks_for_nothing_and_waits_little) {
    stream s(false);
    s.push(1);
    s.push(3);
    EXPECT_THAT(s.order.nacks(s.now + 10ms), IsEmpty());
    s.now += 80ms;
    s.drain();
    EXPECT_THAT(s.out, ElementsAre(1, 3));
}

TEST(rtp_reorder, goes_on_when_the_sender_begins_anew_elsewhere) {
    stream s;
    s.push(100);
    s.push(101);
    s.push(40'000); // a stray one
    s.push(102);
    EXPECT_THAT(s.out, ElementsAre(100, 101, 102));
    for (int i = 0; i < 6; ++i)
        s.push(30'000 + i);
    EXPECT_THAT(s.out, ElementsAre(100, 101, 102, 30'003, 30'004, 30'005));
    EXPECT_EQ(s.gaps, 1);
}

TEST(rtp_reorder, holds_a_bounded_number_of_packets) {
    rtp_reorder order({.nack = true, .max_packets = 100});
    auto now = time_point{} + 1h;
    rtp_header header;
    header.size = 12;
    std::size_t out = 0;
    for (int i = 0; i < 2'000; ++i) {
        if (i == 1)
            continue;
        header.sequence = std::uint16_t(i);
        order.push(header, {}, false, now);
        while (order.pop(now))
            ++out;
    }
    EXPECT_EQ(out, 1'999u);
    EXPECT_EQ(order.reception().given_up, 1u);
}

TEST(rtp_reorder, reports_the_share_that_was_lost) {
    stream s(false);
    for (int i = 0; i < 100; ++i)
        if (i % 4 != 1)
            s.push(i);
    EXPECT_NEAR(s.order.fraction_lost(), 64, 2);
    EXPECT_EQ(s.order.fraction_lost(), 0);
    EXPECT_EQ(s.order.reception().expected, 100u);
    EXPECT_EQ(s.order.reception().received, 75u);
}

TEST(rtp_reorder, measures_jitter_in_ticks) {
    rtp_reorder even, uneven;
    auto now = time_point{} + 1h;
    rtp_header header;
    header.size = 12;
    header.timestamp = 0xffff'0000; // wraps on the way
    for (int i = 0; i < 200; ++i) {
        header.sequence = std::uint16_t(i);
        header.timestamp += 3'000;
        now += std::chrono::nanoseconds(33'333'333);
        even.push(header, {}, false, now);
        uneven.push(header, {}, false, now + (i % 2) * 10ms);
    }
    EXPECT_LT(even.reception().jitter, 5u);
    EXPECT_NEAR(uneven.reception().jitter, 900, 60);
}

TEST(rtp_reorder, asks_for_a_large_loss_in_portions) {
    stream s;
    s.push(1);
    s.push(302);
    std::set<std::uint16_t> asked;
    for (int i = 0; i < 3; ++i)
        for (auto sequence : s.order.nacks(s.now)) {
            EXPECT_TRUE(asked.insert(sequence).second);
            EXPECT_LE(asked.size(), rtp_reorder::max_nacks_at_once * std::size_t(i + 1));
        }
    EXPECT_EQ(asked.size(), 300u);
}

} // namespace rivulet::media
