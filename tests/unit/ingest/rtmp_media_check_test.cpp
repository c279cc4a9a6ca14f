#include "ingest/rtmp_media_check.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;
using namespace std::chrono_literals;
using media::flv_tag_type;

namespace {

using raw = std::vector<std::uint8_t>;
const time_point start{};
const raw avc{0x17, 0, 0, 0, 0}, aac{0xaf, 0, 0x12, 0x10};

rtmp_media_check fresh() {
    return {10s, 5s, start};
}

} // namespace

TEST(rtmp_media_check, takes_avc_and_aac) {
    auto check = fresh();
    EXPECT_FALSE(check.tag(flv_tag_type::audio, aac, start));
    EXPECT_FALSE(check.tag(flv_tag_type::video, avc, start + 1s));
    check.picture();
    EXPECT_EQ(check.deadline(), time_point::max());
    EXPECT_FALSE(check.tick(start + 1h));
}

TEST(rtmp_media_check, names_the_enhanced_codecs_that_it_refuses) {
    struct {
        const char* fourcc;
        const char* name;
    } rows[]{{"hvc1", "HEVC"}, {"av01", "AV1"}, {"vp09", "VP9"}, {"zzzz", "zzzz"}};

    for (const auto& row : rows) {
        auto check = fresh();
        raw body{0x90};
        body.insert(body.end(), row.fourcc, row.fourcc + 4);
        const auto refused = check.tag(flv_tag_type::video, body, start);
        ASSERT_TRUE(refused) << row.fourcc;
        EXPECT_NE(refused->find(row.name), std::string::npos) << *refused;
    }
}

TEST(rtmp_media_check, refuses_old_codecs) {
    auto check = fresh();
    EXPECT_TRUE(check.tag(flv_tag_type::video, raw{0x22, 0, 0}, start)); // Sorenson
    EXPECT_TRUE(check.tag(flv_tag_type::audio, raw{0xb2, 0, 0}, start)); // Speex
    EXPECT_TRUE(check.tag(flv_tag_type::audio, raw{0x90, 'O', 'p', 'u', 's'}, start));
}

TEST(rtmp_media_check, refuses_audio_without_video_after_its_limit) {
    auto check = fresh();
    check.tag(flv_tag_type::audio, aac, start + 1s);
    EXPECT_EQ(check.deadline(), start + 6s);
    EXPECT_FALSE(check.tick(start + 6s - 1ms));
    const auto refused = check.tick(start + 6s);
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->find("without video"), std::string::npos);
}

TEST(rtmp_media_check, refuses_a_publisher_that_sends_nothing) {
    auto check = fresh();
    EXPECT_FALSE(check.tick(start + 10s - 1ms));
    EXPECT_TRUE(check.tick(start + 10s));
}

TEST(rtmp_media_check, takes_the_enhanced_form_of_h264_and_aac_but_one_track_only) {
    auto check = fresh();
    EXPECT_FALSE(check.tag(flv_tag_type::video, raw{0x90, 'a', 'v', 'c', '1', 1}, start));
    EXPECT_FALSE(check.tag(flv_tag_type::audio, raw{0x90, 'm', 'p', '4', 'a', 1}, start));
    const auto refused =
        check.tag(flv_tag_type::video, raw{0x96, 0x00, 'a', 'v', 'c', '1', 0, 1}, start);
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->find("several tracks"), std::string::npos) << *refused;
    EXPECT_TRUE(check.tag(flv_tag_type::audio, raw{0x95, 0x00, 'm', 'p', '4', 'a'}, start));
}

TEST(rtmp_media_check, refuses_video_that_never_becomes_a_picture) {
    auto check = fresh();
    const raw inter{0x27, 1, 0, 0, 0, 1};
    EXPECT_FALSE(check.tag(flv_tag_type::video, inter, start + 1s));
    EXPECT_EQ(check.deadline(), start + 16s);
    EXPECT_FALSE(check.tick(start + 16s - 1ms));
    // Whether tags go on coming or not.
    const auto refused = check.tag(flv_tag_type::video, inter, start + 16s);
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->find("no sequence header or keyframe"), std::string::npos) << *refused;
    EXPECT_EQ(check.tick(start + 16s), refused);
    check.picture();
    EXPECT_FALSE(check.tick(start + 1h));
}
