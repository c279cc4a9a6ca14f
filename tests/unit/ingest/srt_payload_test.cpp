#include "ingest/srt_payload.hpp"

#include <gtest/gtest.h>

#include <numeric>

using namespace rivulet::ingest;

namespace {

std::vector<std::uint8_t> bytes_of(std::size_t count, std::uint8_t from = 0) {
    std::vector<std::uint8_t> made(count);
    std::iota(made.begin(), made.end(), from);
    return made;
}

} // namespace

TEST(srt_payload, cuts_messages_of_seven_packets_whatever_the_blocks_are) {
    const auto sent = bytes_of(188 * 20);
    srt_payload payload;
    std::vector<std::uint8_t> got;
    for (std::size_t at = 0; at < sent.size(); at += 500) {
        payload.append(std::span(sent).subspan(at, std::min<std::size_t>(500, sent.size() - at)));
        for (auto message = payload.next(); !message.empty(); message = payload.next()) {
            EXPECT_EQ(message.size(), 1316u);
            got.insert(got.end(), message.begin(), message.end());
        }
    }
    const auto rest = payload.rest();
    EXPECT_EQ(rest.size(), 6 * 188u);
    got.insert(got.end(), rest.begin(), rest.end());
    EXPECT_EQ(got, sent);
}

TEST(srt_payload, keeps_part_of_a_packet_until_its_end_comes) {
    const auto sent = bytes_of(188 * 2);
    srt_payload payload;
    payload.append(std::span(sent).first(200));
    EXPECT_EQ(payload.rest().size(), 188u);
    EXPECT_TRUE(payload.rest().empty());
    payload.append(std::span(sent).subspan(200));
    const auto rest = payload.rest();
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), sent.begin() + 188, sent.end()));
}

TEST(srt_payload, forgets_a_torn_packet_when_a_segment_begins) {
    srt_payload payload;
    payload.append(bytes_of(188 + 20));
    payload.align();
    const auto next = bytes_of(188, 7);
    payload.append(next);
    const auto rest = payload.rest();
    ASSERT_EQ(rest.size(), 2 * 188u);
    EXPECT_TRUE(std::equal(rest.begin() + 188, rest.end(), next.begin()));
}
