#include "support/sdp_samples.hpp"
#include "webrtc/whip_choice.hpp"

#include <gtest/gtest.h>

namespace rivulet::webrtc {
namespace {

using test::edited;
using test::parsed_sample;
using test::sdp_sample;

struct expected {
    const char* sample;
    int video_type, rtx; // 0: none
    int audio_type;
    int transport_cc; // 0: none
};

class whip_choice_of : public testing::TestWithParam<expected> {};

TEST_P(whip_choice_of, takes_h264_and_opus) {
    const auto& want = GetParam();
    const auto offer = parsed_sample(want.sample);
    const auto made = choose_whip(offer, {});
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(made->video.type, media::codec::h264);
    EXPECT_EQ(made->video.payload_type, want.video_type);
    EXPECT_EQ(made->video.rtx.value_or(0), want.rtx);
    EXPECT_EQ(made->video.transport_cc.value_or(0), want.transport_cc);
    EXPECT_FALSE(made->transcoded());
    ASSERT_TRUE(made->audio);
    EXPECT_EQ(made->audio->type, media::codec::opus);
    EXPECT_EQ(made->audio->payload_type, want.audio_type);
    EXPECT_EQ(offer.media[made->video.section].kind, media_kind::video);
    EXPECT_EQ(offer.media[made->audio->section].kind, media_kind::audio);
    EXPECT_EQ(made->answer.size(), offer.media.size());
    EXPECT_EQ(made->answer[made->video.section].direction, direction::recvonly);
}

INSTANTIATE_TEST_SUITE_P(
    client,
    whip_choice_of,
    testing::Values(
        expected{"chromium_whip", 102, 103, 111, 4},
        expected{"firefox_whip", 126, 127, 109, 7},
        expected{"safari_whip", 96, 97, 111, 3},
        expected{"obs_whip", 96, 0, 111, 0},
        expected{"aiortc_whip", 99, 100, 96, 0},
        expected{"gstreamer_whip", 96, 0, 97, 0},
        expected{"pion_whip", 102, 103, 111, 1}
    ),
    [](const auto& info) { return std::string(info.param.sample); }
);

// Chromium's offer with no codec but those named.
std::string only(std::initializer_list<const char*> kept) {
    auto text = sdp_sample("chromium_whip");
    for (const char* name : {"VP8", "H264", "VP9", "AV1"}) {
        bool keep = false;
        for (const char* one : kept)
            keep = keep || std::string_view(one) == name;
        if (!keep)
            text = edited(text, std::string(" ") + name + "/90000", " other/90000");
    }
    return text;
}

media::codec chosen(const std::string& text, const whip_wishes& wishes) {
    const auto offer = parse_offer(text).value();
    const auto made = choose_whip(offer, wishes);
    if (!made) {
        EXPECT_EQ(made.error().code, errc::unsupported);
        return media::codec::none;
    }
    return made->video.type;
}

TEST(whip_choice, falls_back_to_vp8_then_vp9) {
    EXPECT_EQ(chosen(only({"VP8", "VP9", "AV1"}), {}), media::codec::vp8);
    EXPECT_EQ(chosen(only({"VP9", "AV1"}), {}), media::codec::vp9);
}

TEST(whip_choice, never_takes_av1) {
    EXPECT_EQ(chosen(only({"AV1"}), {}), media::codec::none);
}

TEST(whip_choice, takes_h264_alone_without_transcoding) {
    whip_wishes wishes;
    wishes.transcode = false;
    wishes.h265 = true;
    EXPECT_EQ(chosen(only({"VP8", "VP9", "AV1"}), wishes), media::codec::none);
    EXPECT_EQ(chosen(only({"VP8", "H264"}), wishes), media::codec::h264);
}

TEST(whip_choice, takes_h265_where_it_can_be_decoded) {
    auto text = sdp_sample("safari_whip");
    for (const char* name : {"H264", "VP8", "VP9"})
        text = edited(text, std::string(" ") + name + "/90000", " other/90000");
    whip_wishes wishes;
    EXPECT_EQ(chosen(text, wishes), media::codec::none);
    wishes.h265 = true;
    EXPECT_EQ(chosen(text, wishes), media::codec::h265);
    EXPECT_EQ(chosen(edited(text, "tx-mode=SRST", "tx-mode=MRST"), wishes), media::codec::none);
}

TEST(whip_choice, prefers_fragments_but_takes_single_units_too) {
    const auto offer =
        parse_offer(
            edited(sdp_sample("chromium_whip"), "packetization-mode=1", "packetization-mode=0")
        )
            .value();
    EXPECT_EQ(choose_whip(offer, {})->video.payload_type, 102);
    const auto text = edited(
        sdp_sample("chromium_whip"),
        "packetization-mode=1;profile-level-id=42001f",
        "packetization-mode=0;profile-level-id=42001f"
    );
    EXPECT_EQ(choose_whip(parse_offer(text).value(), {})->video.payload_type, 108);
}

TEST(whip_choice, every_profile_is_taken) {
    for (const char* profile : {"42001f", "4d001f", "64001f", "640c1f", "f4001f", "6e0032"}) {
        const auto text = edited(sdp_sample("obs_whip"), "42e01f", profile);
        EXPECT_EQ(chosen(text, {}), media::codec::h264) << profile;
    }
}

TEST(whip_choice, interleaved_packetisation_is_none_of_ours) {
    EXPECT_EQ(
        chosen(edited(sdp_sample("obs_whip"), "packetization-mode=1", "packetization-mode=2"), {}),
        media::codec::none
    );
}

TEST(whip_choice, video_alone_is_enough) {
    const auto text = edited(sdp_sample("obs_whip"), "opus/48000/2", "PCMU/8000");
    const auto offer = parse_offer(text).value();
    const auto made = choose_whip(offer, {});
    ASSERT_TRUE(made);
    EXPECT_FALSE(made->audio);
    EXPECT_TRUE(made->answer[0].codecs.empty());
}

TEST(whip_choice, audio_alone_is_refused) {
    const auto offer =
        parse_offer(edited(sdp_sample("obs_whip"), "m=video 50000", "m=video 0")).value();
    const auto made = choose_whip(offer, {});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::unsupported);
    EXPECT_NE(made.error().detail.find("missing video"), std::string::npos);
}

TEST(whip_choice, a_viewers_offer_is_no_publication) {
    const auto offer = parsed_sample("chromium_whep");
    const auto made = choose_whip(offer, {});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::invalid_argument);
}

TEST(whip_choice, a_sendrecv_section_is_only_received) {
    const auto offer = parsed_sample("gstreamer_whip");
    EXPECT_EQ(offer.media[0].direction, direction::sendrecv);
    EXPECT_EQ(choose_whip(offer, {})->answer[0].direction, direction::recvonly);
}

TEST(whip_choice, transport_cc_needs_the_extension_and_the_feedback) {
    const auto has = [](const std::string& text) {
        const auto offer = parse_offer(text).value();
        const auto made = choose_whip(offer, {});
        return !made->answer[made->video.section].extensions.empty();
    };
    const auto text = sdp_sample("chromium_whip");
    EXPECT_TRUE(has(text));
    EXPECT_FALSE(has(edited(text, "a=rtcp-fb:102 transport-cc\r\n", "")));
    EXPECT_FALSE(has(edited(text, "a=extmap:4 ", "a=extmap:20 "))); // one byte has 14 at most
    whip_wishes wishes;
    wishes.transport_cc = false;
    const auto offer = parse_offer(text).value();
    EXPECT_TRUE(choose_whip(offer, wishes)->answer[0].extensions.empty());
}

TEST(whip_choice, every_section_names_transport_cc_but_only_video_carries_it) {
    const auto offer = parsed_sample("chromium_whip");
    const auto made = choose_whip(offer, {});
    const auto& feedback = made->answer[made->audio->section].codecs[0].feedback;
    EXPECT_EQ(feedback, std::vector<std::string>{"transport-cc"});
    whip_wishes without;
    without.transport_cc = false;
    const auto other = choose_whip(offer, without);
    EXPECT_TRUE(other->answer[other->audio->section].codecs[0].feedback.empty());
    EXPECT_TRUE(made->answer[made->audio->section].extensions.empty());
    EXPECT_FALSE(made->audio->transport_cc);
}

TEST(whip_choice, rtx_needs_nack) {
    const auto text = edited(sdp_sample("chromium_whip"), "a=rtcp-fb:102 nack\r\n", "");
    const auto offer = parse_offer(text).value();
    const auto made = choose_whip(offer, {});
    EXPECT_FALSE(made->video.nack);
    EXPECT_FALSE(made->video.rtx);
    EXPECT_FALSE(made->answer[0].codecs[0].rtx);
}

TEST(whip_choice, says_which_codecs_were_offered) {
    const auto offer = parse_offer(only({"AV1"})).value();
    const auto made = choose_whip(offer, {});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().detail.find("av1"), std::string::npos) << made.error().detail;
    EXPECT_NE(made.error().detail.find("h264, vp8, vp9"), std::string::npos);
}

} // namespace
} // namespace rivulet::webrtc
