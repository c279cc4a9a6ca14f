#include "ingest/legacy_tag.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;
using media::flv_tag_type;

namespace {

using raw = std::vector<std::uint8_t>;

std::optional<raw> rewritten(flv_tag_type type, const raw& body) {
    const auto plain = legacy_tag(type, bytes::copy_of(body));
    if (!plain)
        return std::nullopt;
    return raw(plain->view().begin(), plain->view().end());
}

} // namespace

TEST(legacy_tag, rewrites_enhanced_h264) {
    constexpr auto video = flv_tag_type::video;
    EXPECT_EQ(
        rewritten(video, {0x90, 'a', 'v', 'c', '1', 1, 2, 3}), (raw{0x17, 0, 0, 0, 0, 1, 2, 3})
    );
    // Coded frames carry a composition time, CodedFramesX means 0.
    EXPECT_EQ(
        rewritten(video, {0xa1, 'a', 'v', 'c', '1', 0xff, 0xff, 0xd8, 9}),
        (raw{0x27, 1, 0xff, 0xff, 0xd8, 9})
    );
    EXPECT_EQ(rewritten(video, {0x93, 'a', 'v', 'c', '1', 9}), (raw{0x17, 1, 0, 0, 0, 9}));
    EXPECT_EQ(rewritten(video, {0x92, 'a', 'v', 'c', '1'}), (raw{0x17, 2, 0, 0, 0}));
    EXPECT_FALSE(rewritten(video, {0x94, 'a', 'v', 'c', '1', 2})); // metadata
}

TEST(legacy_tag, rewrites_enhanced_aac_and_mp3) {
    constexpr auto audio = flv_tag_type::audio;
    EXPECT_EQ(rewritten(audio, {0x90, 'm', 'p', '4', 'a', 0x12, 0x10}), (raw{0xaf, 0, 0x12, 0x10}));
    EXPECT_EQ(rewritten(audio, {0x91, 'm', 'p', '4', 'a', 7}), (raw{0xaf, 1, 7}));
    EXPECT_EQ(rewritten(audio, {0x91, '.', 'm', 'p', '3', 7}), (raw{0x2f, 7}));
    EXPECT_FALSE(rewritten(audio, {0x94, 'm', 'p', '4', 'a', 0})); // channel map
}

TEST(legacy_tag, leaves_plain_tags_and_what_it_cannot_read) {
    for (const auto& body : {raw{0x17, 0, 0, 0, 0, 1}, raw{0x90, 'a'}, raw{}})
        EXPECT_EQ(rewritten(flv_tag_type::video, body), body);
    EXPECT_EQ(rewritten(flv_tag_type::audio, {0xaf, 1, 5}), (raw{0xaf, 1, 5}));
    EXPECT_EQ(rewritten(flv_tag_type::script, {0x90, 1, 2}), (raw{0x90, 1, 2}));
}
