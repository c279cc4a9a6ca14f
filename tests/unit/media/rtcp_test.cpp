#include "media/rtcp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::media;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

using octets = std::vector<std::uint8_t>;

octets operator+(octets a, const octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

const octets empty_report{0x80, 201, 0, 1, 0, 0, 0, 1};

std::vector<std::uint16_t> sequences(const rtcp_feedback& said) {
    std::vector<std::uint16_t> out;
    for (const auto& nack : said.nacks)
        out.push_back(nack.sequence);
    return out;
}

} // namespace

TEST(rtcp, reads_a_receiver_report) {
    const octets report{
        0x81, 201,  0,    7,    0,  0,   0,   1,   // RR of 1
        0,    0,    0,    9,    64, 255, 255, 254, // of 9, a quarter lost, -2 in all
        0,    1,    0,    5,    0,  0,   0,   90,  // highest, jitter
        0x12, 0x34, 0x56, 0x78, 0,  1,   0,   0};  // last report, a second ago
    const auto said = parse_rtcp(report);
    ASSERT_TRUE(said);
    ASSERT_EQ(said->reports.size(), 1u);
    const auto& block = said->reports[0];
    EXPECT_EQ(block.ssrc, 9u);
    EXPECT_EQ(block.fraction_lost, 64);
    EXPECT_EQ(block.packets_lost, -2);
    EXPECT_EQ(block.highest_sequence, 0x10005u);
    EXPECT_EQ(block.jitter, 90u);
    EXPECT_EQ(block.last_sender_report, 0x12345678u);
    EXPECT_EQ(block.delay, 0x10000u);
}

TEST(rtcp, reads_a_nack_and_the_packets_that_its_mask_names) {
    const octets nack{0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xfe, 0x80, 0x05};
    const auto said = parse_rtcp(empty_report + nack);
    ASSERT_TRUE(said);
    EXPECT_THAT(sequences(*said), ElementsAre(0xfffe, 0xffff, 1, 14));
    EXPECT_EQ(said->nacks[0].ssrc, 9u);
}

TEST(rtcp, padding_names_no_packets) {
    const octets nack{0xa1, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9, 0, 7, 0, 0, 0, 0, 0, 4};
    EXPECT_THAT(sequences(*parse_rtcp(nack)), ElementsAre(7));
}

TEST(rtcp, reads_keyframe_requests_of_both_kinds) {
    const octets pli{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9};
    const octets fir{0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0};
    EXPECT_THAT(parse_rtcp(empty_report + pli + fir)->keyframes, ElementsAre(9u, 8u));
}

TEST(rtcp, passes_over_what_it_does_not_know) {
    const octets remb{0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B'};
    const octets extended{0x80, 207, 0, 1, 0, 0, 0, 1};
    const octets pli{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9};
    EXPECT_THAT(parse_rtcp(empty_report + remb + extended + pli)->keyframes, ElementsAre(9u));
}

TEST(rtcp, a_length_past_the_end_ends_the_reading) {
    const octets pli{0x81, 206, 0, 9, 0, 0, 0, 1, 0, 0, 0, 9};
    const auto said = parse_rtcp(empty_report + pli);
    ASSERT_TRUE(said);
    EXPECT_THAT(said->keyframes, IsEmpty());
}

TEST(rtcp, refuses_what_is_no_rtcp) {
    EXPECT_FALSE(parse_rtcp({}));
    EXPECT_FALSE(parse_rtcp(octets{0x80, 201}));
    EXPECT_FALSE(parse_rtcp(octets{0x80, 96, 0, 1, 0, 0, 0, 1}));
    EXPECT_FALSE(parse_rtcp(octets{0x40, 201, 0, 1, 0, 0, 0, 1}));
}

TEST(rtcp, a_compound_asks_for_a_bounded_number_of_packets) {
    octets nack{0x81, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9};
    for (int i = 0; i < 300; ++i)
        nack = nack + octets{0, 0, 0xff, 0xff};
    nack[2] = static_cast<std::uint8_t>((nack.size() / 4 - 1) >> 8);
    nack[3] = static_cast<std::uint8_t>(nack.size() / 4 - 1);
    EXPECT_EQ(parse_rtcp(nack)->nacks.size(), max_nacks);
}

TEST(rtcp, writes_sender_reports_with_the_common_name) {
    const std::vector<rtcp_sender_report> reports{
        {1, 0x0102030405060708, 90'000, 10, 1000}, {2, 0x0102030405060708, 48'000, 5, 200}};
    const auto out = write_sender_reports(reports, "abcd");
    const octets expected =
        octets{0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0x5f, 0x90} +
        octets{0, 0, 0, 10, 0, 0, 3, 0xe8} +
        octets{0x80, 200, 0, 6, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0xbb, 0x80} +
        octets{0, 0, 0, 5, 0, 0, 0, 200} +
        octets{0x82, 202, 0, 6, 0, 0, 0, 1, 1, 4, 'a', 'b', 'c', 'd', 0, 0} +
        octets{0, 0, 0, 2, 1, 4, 'a', 'b', 'c', 'd', 0, 0};
    EXPECT_EQ(out, expected);
}

TEST(rtcp, a_goodbye_names_every_stream) {
    const std::vector<rtcp_sender_report> reports{{1, 0, 0, 0, 0}, {2, 0, 0, 0, 0}};
    const auto out = write_goodbye(reports, "a name of any length");
    ASSERT_EQ(out.size() % 4, 0u);
    const octets tail(out.end() - 12, out.end());
    EXPECT_EQ(tail, (octets{0x82, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2}));
    // Every part says its true length.
    std::size_t at = 0;
    int parts = 0;
    for (; at < out.size(); ++parts)
        at += (std::size_t{out[at + 2]} * 256 + out[at + 3] + 1) * 4;
    EXPECT_EQ(at, out.size());
    EXPECT_EQ(parts, 4);
}
