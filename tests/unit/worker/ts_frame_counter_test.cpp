#include "worker/ts_frame_counter.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace rivulet::worker {
namespace {

using packet = std::vector<std::uint8_t>;

packet make(bool starts_unit, std::uint8_t stream_id, std::size_t adaptation = 0) {
    packet made(188, 0xff);
    made[0] = 0x47;
    made[1] = starts_unit ? 0x41 : 0x01;
    made[2] = 0;
    made[3] = adaptation ? 0x30 : 0x10;
    std::size_t at = 4;
    if (adaptation) {
        made[4] = static_cast<std::uint8_t>(adaptation - 1);
        at += adaptation;
    }
    made[at] = 0;
    made[at + 1] = 0;
    made[at + 2] = 1;
    made[at + 3] = stream_id;
    return made;
}

void add(packet& to, const packet& more) {
    to.insert(to.end(), more.begin(), more.end());
}

} // namespace

TEST(ts_frame_counter, counts_video_units_only) {
    packet all;
    add(all, make(true, 0xe0));
    add(all, make(false, 0xe0));
    add(all, make(true, 0xc0)); // audio
    add(all, make(true, 0xe0, 20));
    ts_frame_counter counter;
    counter.push(all);
    EXPECT_EQ(counter.frames(), 2u);
}

TEST(ts_frame_counter, takes_pieces_of_any_size) {
    packet all;
    for (int i = 0; i < 7; ++i)
        add(all, make(true, 0xe0, i));
    for (std::size_t piece = 1; piece < 400; piece += 13) {
        ts_frame_counter counter;
        for (std::size_t at = 0; at < all.size(); at += piece)
            counter.push(std::span(all).subspan(at, std::min(piece, all.size() - at)));
        EXPECT_EQ(counter.frames(), 7u) << piece;
    }
}

TEST(ts_frame_counter, finds_its_way_back_after_foreign_bytes) {
    packet all(77, 0x12);
    add(all, make(true, 0xe0));
    ts_frame_counter counter;
    counter.push(all);
    EXPECT_EQ(counter.frames(), 1u);
}

TEST(ts_frame_counter, an_adaptation_field_past_the_packet_is_harmless) {
    auto odd = make(true, 0xe0, 4);
    odd[4] = 0xff;
    ts_frame_counter counter;
    counter.push(odd);
    EXPECT_EQ(counter.frames(), 0u);
}

} // namespace rivulet::worker
