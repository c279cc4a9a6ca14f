#include "media/rtcp.hpp"
#include "media/rtcp_receive.hpp"
#include "media/twcc_feedback.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::media {

namespace {

using namespace std::chrono_literals;
using octets = std::vector<std::uint8_t>;
using testing::ElementsAre;

// A report of transport-wide feedback, read by the draft: sequence, arrival in µs; -1: lost.
struct read_report {
    std::uint16_t base = 0;
    std::uint8_t count = 0;
    std::vector<std::int64_t> arrivals;
};

read_report read_twcc(const octets& compound, std::size_t at) {
    read_report out;
    auto u16 = [&](std::size_t i) { return int(compound.at(i) << 8 | compound.at(i + 1)); };
    EXPECT_EQ(compound.at(at) & 0x1f, 15);
    EXPECT_EQ(compound.at(at + 1), 205);
    EXPECT_EQ(std::size_t(u16(at + 2) + 1) * 4, compound.size() - at);
    out.base = std::uint16_t(u16(at + 12));
    int statuses = u16(at + 14);
    std::int64_t clock =
        (std::int64_t(compound.at(at + 16)) << 16 | u16(at + 17)) * std::int64_t(64'000);
    out.count = compound.at(at + 19);
    std::size_t i = at + 20;
    std::vector<int> symbols;
    while (int(symbols.size()) < statuses) {
        int chunk = u16(i);
        i += 2;
        if (chunk & 0x8000) {
            EXPECT_TRUE(chunk & 0x4000);
            for (int k = 0; k < 7; ++k)
                symbols.push_back(chunk >> (12 - 2 * k) & 3);
        } else {
            for (int k = 0; k < (chunk & 0x1fff); ++k)
                symbols.push_back(chunk >> 13 & 3);
        }
    }
    symbols.resize(std::size_t(statuses));
    for (int symbol : symbols) {
        if (symbol == 1) {
            clock += compound.at(i++) * 250;
        } else if (symbol == 2) {
            clock += std::int16_t(u16(i)) * 250;
            i += 2;
        }
        out.arrivals.push_back(symbol ? clock : -1);
    }
    return out;
}

} // namespace

TEST(rtcp_receive, reads_the_reports_that_the_other_side_writes) {
    rtcp_sender_report reports[] = {
        {0x11111111, 0xaaaabbbbccccdddd, 90'000, 10, 1000}, {0x22222222, 1, 48'000, 20, 2000}};
    auto read = read_sender_rtcp(write_goodbye(reports, "name")).value();
    ASSERT_EQ(read.reports.size(), 2u);
    EXPECT_EQ(read.reports[0].ssrc, 0x11111111u);
    EXPECT_EQ(read.reports[0].ntp, 0xaaaabbbbccccddddu);
    EXPECT_EQ(read.reports[0].rtp, 90'000u);
    EXPECT_EQ(read.reports[1].ssrc, 0x22222222u);
    EXPECT_THAT(read.goodbyes, ElementsAre(0x11111111u, 0x22222222u));
}

TEST(rtcp_receive, what_it_writes_is_read_by_the_other_side) {
    rtcp_reception_block block{0x33333333, 12, -5, 0x10020, 77, 0x12345678, 65'536};
    auto out = write_receiver_report(0x99, std::span(&block, 1), "abcdef");
    std::vector<std::uint16_t> lost{65'530, 65'535, 0, 3, 20, 500};
    add_nack(out, 0x99, 0x33333333, lost);
    add_pli(out, 0x99, 0x44444444);
    add_fir(out, 0x99, 0x55555555, 7);
    EXPECT_EQ(out.size() % 4, 0u);
    auto read = parse_rtcp(out).value();
    ASSERT_EQ(read.reports.size(), 1u);
    EXPECT_EQ(read.reports[0].ssrc, 0x33333333u);
    EXPECT_EQ(read.reports[0].fraction_lost, 12);
    EXPECT_EQ(read.reports[0].packets_lost, -5);
    EXPECT_EQ(read.reports[0].highest_sequence, 0x10020u);
    EXPECT_EQ(read.reports[0].last_sender_report, 0x12345678u);
    EXPECT_EQ(read.reports[0].delay, 65'536u);
    std::vector<std::uint16_t> asked;
    for (const auto& nack : read.nacks) {
        EXPECT_EQ(nack.ssrc, 0x33333333u);
        asked.push_back(nack.sequence);
    }
    EXPECT_EQ(asked, lost);
    EXPECT_THAT(read.keyframes, ElementsAre(0x44444444u, 0x55555555u));
}

TEST(rtcp_receive, damaged_packets_end_the_reading) {
    rtcp_sender_report report{1, 2, 3, 4, 5};
    auto whole = write_sender_reports(std::span(&report, 1), "x");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        auto read = read_sender_rtcp(std::span(whole).first(size));
        if (size < 8) {
            EXPECT_FALSE(read);
        } else if (size < 28) {
            EXPECT_TRUE(read && read->reports.empty()) << size;
        }
    }
    EXPECT_FALSE(read_sender_rtcp(octets(40, 0)));
}

TEST(twcc_feedback, tells_when_each_packet_came_and_which_did_not) {
    twcc_feedback feedback;
    auto begin = time_point{} + 5s, now = begin;
    std::vector<std::int64_t> want;
    for (int i = 0; i < 59; ++i) {
        now += i == 30 ? 100ms : i % 5 == 0 ? 3ms : 500us;
        if (i % 11 == 4 || (i > 40 && i < 55)) {
            want.push_back(-1);
            continue;
        }
        feedback.arrived(std::uint16_t(65'520 + i), now);
        want.push_back(std::chrono::duration_cast<std::chrono::microseconds>(now - begin).count());
    }
    octets out = write_receiver_report(1, {});
    EXPECT_FALSE(feedback.add_report(out, 1, 2, begin));
    now = std::max(now, feedback.deadline());
    ASSERT_TRUE(feedback.add_report(out, 1, 2, now));
    EXPECT_EQ(feedback.deadline(), time_point::max());
    auto read = read_twcc(out, 8);
    EXPECT_EQ(read.base, 65'520);
    ASSERT_EQ(read.arrivals.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i)
        if (want[i] < 0)
            EXPECT_EQ(read.arrivals[i], -1) << i;
        else
            EXPECT_NEAR(double(read.arrivals[i] - read.arrivals[0]), double(want[i] - want[0]), 250)
                << i;
}

TEST(twcc_feedback, the_next_report_goes_on_where_the_last_one_ended) {
    twcc_feedback feedback;
    auto now = time_point{} + 5s;
    for (int i = 0; i < 5; ++i)
        feedback.arrived(std::uint16_t(i), now);
    octets first = write_receiver_report(1, {}), second = first;
    now += 200ms;
    ASSERT_TRUE(feedback.add_report(first, 1, 2, now));
    feedback.arrived(7, now); // 5 and 6 are lost
    now += 200ms;
    ASSERT_TRUE(feedback.add_report(second, 1, 2, now));
    auto read = read_twcc(second, 8);
    EXPECT_EQ(read.base, 5);
    EXPECT_EQ(read.count, 1);
    ASSERT_EQ(read.arrivals.size(), 3u);
    EXPECT_EQ(read.arrivals[0], -1);
    EXPECT_EQ(read.arrivals[1], -1);
    EXPECT_GE(read.arrivals[2], 0);
}

TEST(twcc_feedback, a_report_fits_a_packet_whatever_comes) {
    twcc_feedback feedback;
    auto now = time_point{} + 5s;
    std::uint16_t sequence = 0;
    for (int i = 0; i < 5'000; ++i) {
        sequence = std::uint16_t(sequence + 1 + (i % 3) * 7);
        now += i % 2 ? 100us : 70ms;
        feedback.arrived(sequence, now);
        if (feedback.deadline() > now && i % 50)
            continue;
        octets out = write_receiver_report(1, {});
        feedback.add_report(out, 1, 2, std::max(now, feedback.deadline()));
        EXPECT_LE(out.size(), 1'400u);
    }
    for (int i = 0; i < 5'000; ++i) // nobody asks for a report
        feedback.arrived(std::uint16_t(sequence + i * 3), now += 1ms);
    octets out = write_receiver_report(1, {});
    feedback.add_report(out, 1, 2, now + 1s);
    EXPECT_LE(out.size(), 1'400u);
}

} // namespace rivulet::media
