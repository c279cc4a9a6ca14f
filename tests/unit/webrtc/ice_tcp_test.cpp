#include "webrtc/ice_tcp.hpp"

#include <gtest/gtest.h>

#include <algorithm>

using namespace rivulet::webrtc;

namespace {

using octets = std::vector<std::uint8_t>;

bool give(frame_reader& reader, const octets& data) {
    const auto room = reader.room();
    std::copy(data.begin(), data.end(), room.begin());
    return reader.filled(data.size());
}

std::vector<octets> take(frame_reader& reader) {
    std::vector<octets> all;
    for (auto frame = reader.next(); !frame.empty(); frame = reader.next())
        all.emplace_back(frame.begin(), frame.end());
    return all;
}

} // namespace

TEST(ice_tcp_frames, are_found_however_the_stream_is_cut) {
    const octets wire{0, 3, 1, 2, 3, 0, 1, 9, 0, 0, 0, 2, 7, 8};
    for (std::size_t step = 1; step <= wire.size(); ++step) {
        frame_reader reader;
        std::vector<octets> all;
        for (std::size_t at = 0; at < wire.size(); at += step) {
            const auto end = std::min(wire.size(), at + step);
            ASSERT_TRUE(give(
                reader,
                octets(wire.begin() + static_cast<long>(at), wire.begin() + static_cast<long>(end))
            ));
            for (auto& frame : take(reader))
                all.push_back(std::move(frame));
        }
        EXPECT_EQ(all, (std::vector<octets>{{1, 2, 3}, {9}, {7, 8}})) << "step " << step;
    }
}

TEST(ice_tcp_frames, have_a_limit) {
    frame_reader at_the_limit;
    octets whole(2 + frame_reader::max_frame, 5);
    whole[0] = frame_reader::max_frame >> 8;
    whole[1] = frame_reader::max_frame & 255;
    EXPECT_TRUE(give(at_the_limit, whole));
    ASSERT_EQ(take(at_the_limit).size(), 1u);
    frame_reader past_it;
    EXPECT_FALSE(give(past_it, {frame_reader::max_frame >> 8, 1}));
    frame_reader second_is_past_it;
    EXPECT_TRUE(give(second_is_past_it, {0, 1, 5, 0xff, 0xff}));
    EXPECT_EQ(take(second_is_past_it).size(), 1u);
    EXPECT_FALSE(second_is_past_it.filled(0));
}
