#include "support/sdp_samples.hpp"
#include "webrtc/whep_choice.hpp"

#include <gtest/gtest.h>

namespace rivulet::webrtc {
namespace {

using test::edited;
using test::parsed_sample;
using test::sdp_sample;

whep_channel channel_with(std::string_view profile, bool audio = true) {
    whep_channel made;
    if (!profile.empty())
        made.video = parse_profile(profile);
    made.audio = audio;
    return made;
}

whep_sources sources() {
    whep_sources made;
    made.video_ssrc = 1;
    made.video_rtx_ssrc = 2;
    made.audio_ssrc = 3;
    return made;
}

struct row {
    const char* sample;
    const char* stream;
    int payload_type;
    bool fits;
};

class whep_choice_of : public testing::TestWithParam<row> {};

TEST_P(whep_choice_of, takes_the_payload_type_of_the_profile) {
    const auto& want = GetParam();
    const auto offer = parsed_sample(want.sample);
    const auto made = choose_whep(offer, channel_with(want.stream), sources());
    ASSERT_TRUE(made) << made.error().detail;
    ASSERT_TRUE(made->video);
    EXPECT_EQ(made->video->payload_type, want.payload_type);
    EXPECT_EQ(made->profile_fits, want.fits);
    EXPECT_TRUE(made->audio);
    EXPECT_EQ(made->answer[made->video->section].direction, direction::sendonly);
}

INSTANTIATE_TEST_SUITE_P(
    client,
    whep_choice_of,
    testing::Values(
        row{"chromium_whep", "42e01f", 102, true},
        row{"chromium_whep", "4d401f", 116, true},
        row{"chromium_whep", "64001f", 41, true}, // high 4:4:4 covers high
        row{"firefox_whep", "42c01f", 126, true},
        row{"firefox_whep", "64001f", 126, false},
        row{"safari_whep", "42e01f", 98, true},
        row{"safari_whep", "64001f", 96, true},
        row{"safari_whep", "4d001f", 96, true},
        row{"aiortc_whep", "42c01f", 99, true},
        row{"gstreamer_whep", "640028", 96, false},
        row{"pion_whep", "64001f", 112, true}
    ),
    [](const auto& info) { return std::string(info.param.sample) + "_" + info.param.stream; }
);

TEST(h264_profile, is_read_from_hexadecimal_text) {
    EXPECT_EQ(parse_profile("640C1f"), (h264_profile{0x64, 0x0c, 0x1f}));
    EXPECT_EQ(parse_profile(""), (h264_profile{66, 0, 10}));
    EXPECT_EQ(parse_profile("640c1"), std::nullopt);
    EXPECT_EQ(parse_profile("640c1g"), std::nullopt);
    EXPECT_EQ(parse_profile("640c1f1f"), std::nullopt);
}

TEST(h264_profile, constrained_baseline_plays_everywhere) {
    for (const char* stream : {"42e01f", "42c00a", "4d8028"})
        for (const char* decoder : {"42001f", "42e01f", "4d001f", "58a01f", "64001f", "f4001f"})
            EXPECT_TRUE(plays(*parse_profile(decoder), *parse_profile(stream)))
                << decoder << " " << stream;
}

TEST(h264_profile, lower_profiles_do_not_play_higher_ones) {
    const auto can = [](const char* decoder, const char* stream) {
        return plays(*parse_profile(decoder), *parse_profile(stream));
    };
    EXPECT_FALSE(can("42e01f", "4d001f"));
    EXPECT_FALSE(can("42001f", "64001f"));
    EXPECT_FALSE(can("4d001f", "64001f"));
    EXPECT_FALSE(can("64001f", "f4001f"));
    EXPECT_TRUE(can("64001f", "4d001f"));
    EXPECT_TRUE(can("64001f", "640c1f"));
    // Plain baseline has tools that main and high lack.
    EXPECT_TRUE(can("42001f", "42001f"));
    EXPECT_FALSE(can("42e01f", "42001f"));
    EXPECT_FALSE(can("64001f", "42001f"));
}

TEST(whep_choice, prefers_fragments_to_the_right_profile) {
    const auto text = edited(
        sdp_sample("safari_whep"),
        "packetization-mode=1;profile-level-id=640c1f",
        "packetization-mode=0;profile-level-id=640c1f"
    );
    const auto offer = parse_offer(text).value();
    const auto made = choose_whep(offer, channel_with("64001f"), sources());
    EXPECT_EQ(made->video->payload_type, 98);
    EXPECT_FALSE(made->profile_fits);
}

TEST(whep_choice, takes_a_viewer_without_fragments_rather_than_none) {
    const auto text = edited(sdp_sample("firefox_whep"), ";packetization-mode=1", "");
    const auto offer = parse_offer(text).value();
    EXPECT_TRUE(choose_whep(offer, channel_with("42e01f"), sources()));
}

TEST(whep_choice, tells_of_rtx_and_feedback) {
    const auto offer = parsed_sample("chromium_whep");
    const auto made = choose_whep(offer, channel_with("42e01f"), sources());
    EXPECT_EQ(made->video->rtx, 103);
    EXPECT_TRUE(made->video->nack);
    EXPECT_TRUE(made->video->pli);
    EXPECT_TRUE(made->video->fir);
    EXPECT_FALSE(made->video->transport_cc); // our packets don't carry it
    const auto& answer = made->answer[0];
    EXPECT_EQ(answer.ssrc, 1u);
    EXPECT_EQ(answer.rtx_ssrc, 2u);
    EXPECT_EQ(made->answer[1].ssrc, 3u);
    EXPECT_EQ(made->answer[1].rtx_ssrc, 0u);
    auto with_cc = sources();
    with_cc.transport_cc = true;
    EXPECT_EQ(choose_whep(offer, channel_with("42e01f"), with_cc)->video->transport_cc, 4);
}

TEST(whep_choice, a_channel_without_audio_keeps_the_section_inactive) {
    const auto offer = parsed_sample("aiortc_whep");
    const auto made = choose_whep(offer, channel_with("42e01f", false), sources());
    ASSERT_TRUE(made);
    EXPECT_FALSE(made->audio);
    EXPECT_EQ(made->answer[1].direction, direction::inactive);
    EXPECT_EQ(made->answer[1].codecs.size(), 1u);
    EXPECT_EQ(made->answer[1].ssrc, 0u);
}

TEST(whep_choice, a_viewer_may_ask_for_audio_alone) {
    const auto text = edited(sdp_sample("pion_whep"), "m=video 9", "m=video 0");
    const auto offer = parse_offer(text).value();
    const auto made = choose_whep(offer, channel_with("42e01f"), sources());
    ASSERT_TRUE(made);
    EXPECT_FALSE(made->video);
    EXPECT_TRUE(made->audio);
    EXPECT_TRUE(made->answer[0].codecs.empty());
}

TEST(whep_choice, a_viewer_without_h264_is_refused) {
    const auto text = edited(sdp_sample("chromium_whep"), "H264/90000", "H263/90000");
    const auto offer = parse_offer(text).value();
    const auto made = choose_whep(offer, channel_with("42e01f"), sources());
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::unsupported);
    EXPECT_NE(made.error().detail.find("vp8"), std::string::npos);
}

TEST(whep_choice, a_channel_with_nothing_of_interest_is_refused) {
    const auto text = edited(sdp_sample("pion_whep"), "m=video 9", "m=video 0");
    const auto offer = parse_offer(text).value();
    const auto made = choose_whep(offer, channel_with("42e01f", false), sources());
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::unsupported);
}

TEST(whep_choice, a_publishers_offer_is_no_viewer) {
    const auto offer = parsed_sample("chromium_whip");
    const auto made = choose_whep(offer, channel_with("42e01f"), sources());
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::invalid_argument);
}

TEST(whep_choice, the_second_video_section_gets_nothing) {
    const auto text = edited(
        sdp_sample("obs_whip"),
        "m=audio 50000 UDP/TLS/RTP/SAVPF 111",
        "m=video 9 UDP/TLS/RTP/SAVPF 96"
    );
    auto two = edited(text, "a=sendonly", "a=recvonly");
    two = edited(two, "a=rtpmap:111 opus/48000/2", "a=rtpmap:96 H264/90000");
    const auto offer = parse_offer(two).value();
    const auto made = choose_whep(offer, channel_with("42e01f"), sources());
    ASSERT_TRUE(made);
    EXPECT_EQ(made->video->section, 0u);
    EXPECT_EQ(made->answer[1].direction, direction::inactive);
}

} // namespace
} // namespace rivulet::webrtc
