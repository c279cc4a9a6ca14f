#include "support/sdp_samples.hpp"
#include "webrtc/sdp_answer.hpp"
#include "webrtc/whep_choice.hpp"
#include "webrtc/whip_choice.hpp"

#include <gtest/gtest.h>

namespace rivulet::webrtc {
namespace {

using test::count_lines;
using test::edited;
using test::parsed_sample;
using test::sample_transport;
using test::sdp_sample;
using test::section_of;

std::string whip_answer(const sdp_offer& offer) {
    const auto choice = choose_whip(offer, {});
    return write_answer(offer, sample_transport(), choice.value().answer);
}

std::string whep_answer(const sdp_offer& offer) {
    whep_channel channel;
    channel.video = h264_profile{};
    channel.audio = true;
    whep_sources sources;
    sources.video_ssrc = 111;
    sources.video_rtx_ssrc = 222;
    sources.audio_ssrc = 333;
    const auto choice = choose_whep(offer, channel, sources);
    return write_answer(offer, sample_transport(), choice.value().answer);
}

TEST(sdp_answer, describes_an_ice_lite_bundle) {
    const auto answer = whip_answer(parsed_sample("chromium_whip"));
    EXPECT_TRUE(answer.starts_with("v=0\r\no=- "));
    EXPECT_EQ(count_lines(answer, "a=group:BUNDLE 0 1"), 1);
    EXPECT_EQ(count_lines(answer, "a=ice-lite"), 1);
    EXPECT_EQ(count_lines(answer, "a=ice-ufrag:ourUfrag"), 2);
    EXPECT_EQ(count_lines(answer, "a=ice-pwd:ourPasswordOf24Characters"), 2);
    EXPECT_EQ(count_lines(answer, "a=fingerprint:sha-256 AA:BB:CC"), 2);
    EXPECT_EQ(count_lines(answer, "a=setup:passive"), 2);
    EXPECT_EQ(count_lines(answer, "a=rtcp-mux"), 2);
    EXPECT_EQ(count_lines(answer, "a=recvonly"), 2);
}

TEST(sdp_answer, puts_candidates_into_the_bundles_first_section_only) {
    const auto answer = whip_answer(parsed_sample("aiortc_whip"));
    const auto first = section_of(answer, 0);
    EXPECT_EQ(count_lines(first, "a=candidate:1 1 udp 2130706431 192.0.2.1 7280 typ host"), 1);
    EXPECT_EQ(
        count_lines(
            first, "a=candidate:2 1 tcp 1671430143 192.0.2.1 7280 typ host tcptype passive"
        ),
        1
    );
    EXPECT_EQ(count_lines(first, "a=end-of-candidates"), 1);
    EXPECT_EQ(section_of(answer, 1).find("candidate"), std::string::npos);
    EXPECT_EQ(count_lines(first, "c=IN IP4 192.0.2.1"), 1);
    EXPECT_TRUE(first.starts_with("m=audio 7280 "));
}

TEST(sdp_answer, begins_dtls_when_the_client_waits) {
    const auto text = edited(sdp_sample("obs_whip"), "setup:actpass", "setup:passive");
    const auto offer = parse_offer(text).value();
    EXPECT_EQ(count_lines(whip_answer(offer), "a=setup:active"), 2);
}

TEST(sdp_answer, names_the_codec_with_rtx_and_feedback) {
    const auto answer = whip_answer(parsed_sample("chromium_whip"));
    const auto video = section_of(answer, 0);
    EXPECT_TRUE(video.starts_with("m=video 7280 UDP/TLS/RTP/SAVPF 102 103\r\n"));
    EXPECT_EQ(count_lines(video, "a=mid:0"), 1);
    EXPECT_EQ(count_lines(video, "a=rtpmap:102 H264/90000"), 1);
    EXPECT_EQ(
        count_lines(
            video,
            "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"
        ),
        1
    );
    for (const auto* what : {"nack", "nack pli", "ccm fir", "transport-cc"})
        EXPECT_EQ(count_lines(video, std::string("a=rtcp-fb:102 ") + what), 1) << what;
    EXPECT_EQ(video.find("goog-remb"), std::string::npos);
    EXPECT_EQ(count_lines(video, "a=rtpmap:103 rtx/90000"), 1);
    EXPECT_EQ(count_lines(video, "a=fmtp:103 apt=102"), 1);
    EXPECT_EQ(count_lines(video, "a=extmap:4 " + std::string(transport_cc_extension)), 1);
    const auto audio = section_of(answer, 1);
    EXPECT_EQ(count_lines(audio, "a=rtpmap:111 opus/48000/2"), 1);
    EXPECT_EQ(count_lines(audio, "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1"), 1);
}

TEST(sdp_answer, does_not_repeat_what_describes_the_clients_stream) {
    const auto answer = whip_answer(parsed_sample("gstreamer_whip"));
    EXPECT_EQ(answer.find("sprop"), std::string::npos);
    EXPECT_EQ(
        count_lines(
            answer,
            "a=fmtp:96 packetization-mode=1;profile-level-id=42c015;level-asymmetry-allowed=1"
        ),
        1
    );
}

TEST(sdp_answer, declares_our_sources) {
    const auto answer = whep_answer(parsed_sample("chromium_whep"));
    const auto video = section_of(answer, 0);
    EXPECT_EQ(count_lines(video, "a=sendonly"), 1);
    EXPECT_EQ(count_lines(video, "a=msid:rivulet video"), 1);
    EXPECT_EQ(count_lines(video, "a=ssrc-group:FID 111 222"), 1);
    EXPECT_EQ(count_lines(video, "a=ssrc:111 cname:rivulet"), 1);
    EXPECT_EQ(count_lines(video, "a=ssrc:222 cname:rivulet"), 1);
    EXPECT_EQ(count_lines(section_of(answer, 1), "a=ssrc:333 cname:rivulet"), 1);
    // Both tracks share a stream, so that the player keeps them in step.
    EXPECT_EQ(count_lines(section_of(answer, 1), "a=msid:rivulet audio"), 1);
}

TEST(sdp_answer, leaves_rtx_out_when_none_was_offered) {
    const auto answer = whep_answer(parsed_sample("gstreamer_whep"));
    EXPECT_EQ(answer.find("FID"), std::string::npos);
    EXPECT_EQ(answer.find("a=ssrc:222"), std::string::npos);
    EXPECT_EQ(answer.find("rtx"), std::string::npos);
}

TEST(sdp_answer, answers_every_section_in_order) {
    const auto text = sdp_sample("chromium_whip") +
                      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n"
                      "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:4\r\na=rtcp-mux\r\n"
                      "a=sendonly\r\na=rtpmap:96 VP8/90000\r\n";
    const auto offer = parse_offer(edited(text, "BUNDLE 0 1", "BUNDLE 0 1 d 4")).value();
    const auto answer = whip_answer(offer);
    EXPECT_EQ(count_lines(answer, "a=group:BUNDLE 0 1"), 1);
    EXPECT_TRUE(
        section_of(answer, 2).starts_with("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n")
    );
    EXPECT_TRUE(section_of(answer, 3).starts_with("m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\n"));
    EXPECT_EQ(count_lines(section_of(answer, 3), "a=mid:4"), 1);
    EXPECT_EQ(section_of(answer, 4), "");
}

TEST(sdp_answer, needs_no_group_for_a_single_section) {
    auto text = edited(sdp_sample("obs_whip"), "a=group:BUNDLE 0 1\r\n", "");
    text = edited(text, "m=audio 50000", "m=audio 0");
    const auto answer = whip_answer(parse_offer(text).value());
    EXPECT_EQ(answer.find("BUNDLE"), std::string::npos);
    EXPECT_TRUE(section_of(answer, 0).starts_with("m=audio 0 "));
    EXPECT_EQ(count_lines(section_of(answer, 1), "a=end-of-candidates"), 1);
}

TEST(sdp_answer, writes_ipv6_addresses) {
    auto local = sample_transport();
    local.candidates = {local.candidates[0]};
    local.candidates[0].address = "2001:db8::1";
    const auto offer = parsed_sample("obs_whip");
    const auto choice = choose_whip(offer, {});
    const auto answer = write_answer(offer, local, choice->answer);
    EXPECT_EQ(count_lines(answer, "c=IN IP6 2001:db8::1"), 2);
}

TEST(sdp_answer, can_be_read_as_sdp_again) {
    // A client's parser finds what it looks for; ours stands in for it, without the lite flag.
    for (const auto* name : {"chromium_whep", "firefox_whep", "safari_whep", "pion_whep"}) {
        const auto answer = edited(whep_answer(parsed_sample(name)), "a=ice-lite\r\n", "");
        const auto full = edited(
            answer,
            "AA:BB:CC",
            "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
            "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"
        );
        const auto read = parse_offer(full);
        ASSERT_TRUE(read) << name << ": " << read.error().detail;
        EXPECT_EQ(read->media.size(), 2u);
        EXPECT_EQ(read->first(media_kind::video)->codecs.size(), 1u);
    }
}

TEST(sdp_fragment, carries_fresh_credentials_and_candidates) {
    const auto text = write_fragment(sample_transport(), "v1");
    EXPECT_EQ(count_lines(text, "a=mid:v1"), 1);
    EXPECT_EQ(count_lines(text, "a=ice-lite"), 1);
    EXPECT_EQ(count_lines(text, "a=end-of-candidates"), 1);
    const auto read = parse_fragment(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, sample_transport().ice);
}

} // namespace
} // namespace rivulet::webrtc
