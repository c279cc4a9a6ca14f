#include "support/sdp_samples.hpp"
#include "webrtc/sdp_answer.hpp"
#include "webrtc/sdp_offer.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace rivulet::webrtc {
namespace {

using test::edited;
using test::parsed_sample;
using test::sdp_sample;

const offered_codec* codec_at(const offered_media& section, int payload_type) {
    const auto found =
        std::find_if(section.codecs.begin(), section.codecs.end(), [&](const auto& one) {
            return one.payload_type == payload_type;
        });
    return found == section.codecs.end() ? nullptr : &*found;
}

std::string refusal(const std::string& text) {
    const auto parsed = parse_offer(text);
    if (parsed)
        return "taken";
    EXPECT_EQ(parsed.error().code, errc::invalid_argument) << parsed.error().detail;
    return parsed.error().detail;
}

class real_offer : public testing::TestWithParam<const char*> {};

TEST_P(real_offer, is_read_whole) {
    const auto offer = parsed_sample(GetParam());
    EXPECT_EQ(offer.media.size(), 2u);
    EXPECT_EQ(offer.bundle.size(), 2u);
    EXPECT_GE(offer.transport.ice.ufrag.size(), 4u);
    EXPECT_GE(offer.transport.ice.password.size(), 22u);
    EXPECT_EQ(offer.transport.fingerprint_algorithm, "sha-256");
    EXPECT_EQ(offer.transport.fingerprint.size(), 95u);
    EXPECT_TRUE(offer.transport.active);
    const auto* video = offer.first(media_kind::video);
    const auto* audio = offer.first(media_kind::audio);
    ASSERT_TRUE(video && audio);
    for (const auto* section : {video, audio}) {
        EXPECT_TRUE(section->rtcp_mux);
        EXPECT_FALSE(section->refused);
        EXPECT_FALSE(section->mid.empty());
        EXPECT_FALSE(section->codecs.empty());
    }
    EXPECT_TRUE(std::any_of(video->codecs.begin(), video->codecs.end(), [](const auto& codec) {
        return codec.name == "h264" && codec.clock_rate == 90'000;
    }));
    EXPECT_TRUE(std::any_of(audio->codecs.begin(), audio->codecs.end(), [](const auto& codec) {
        return codec.name == "opus" && codec.clock_rate == 48'000 && codec.channels == 2;
    }));
    for (const auto& codec : video->codecs)
        EXPECT_NE(codec.name, "rtx");
}

INSTANTIATE_TEST_SUITE_P(
    of,
    real_offer,
    testing::Values(
        "chromium_whip",
        "chromium_whep",
        "firefox_whip",
        "firefox_whep",
        "safari_whip",
        "safari_whep",
        "obs_whip",
        "aiortc_whip",
        "aiortc_whep",
        "gstreamer_whip",
        "gstreamer_whep",
        "pion_whip",
        "pion_whep"
    ),
    [](const auto& info) { return std::string(info.param); }
);

TEST(sdp_offer, reads_codecs_with_parameters_feedback_and_rtx) {
    const auto offer = parsed_sample("chromium_whip");
    const auto& video = offer.media[0];
    EXPECT_EQ(video.kind, media_kind::video);
    EXPECT_TRUE(video.sends());
    EXPECT_FALSE(video.receives());
    const auto* h264 = codec_at(video, 102);
    ASSERT_TRUE(h264);
    EXPECT_EQ(h264->name, "h264");
    EXPECT_EQ(h264->parameter("packetization-mode"), "1");
    EXPECT_EQ(h264->parameter("Profile-Level-Id"), "42001f");
    EXPECT_EQ(h264->parameter("none"), "");
    EXPECT_EQ(h264->rtx, 103);
    EXPECT_TRUE(h264->has_feedback("nack pli"));
    EXPECT_TRUE(h264->has_feedback("transport-cc"));
    EXPECT_FALSE(h264->has_feedback("nack sli"));
    EXPECT_EQ(video.extension(transport_cc_extension), 4);
    EXPECT_EQ(video.extension("urn:none"), std::nullopt);
    EXPECT_EQ(video.codecs.front().name, "vp8"); // the client's order
}

TEST(sdp_offer, takes_session_wide_credentials_for_every_section) {
    const auto offer = parsed_sample("obs_whip");
    EXPECT_EQ(offer.transport.ice.ufrag, "oBsX");
    EXPECT_EQ(offer.transport.fingerprint.substr(0, 5), "A1:B2");
}

TEST(sdp_offer, takes_the_first_sections_transport_when_sections_differ) {
    const auto text = sdp_sample("aiortc_whip");
    const auto offer = parsed_sample("aiortc_whip");
    const auto first = text.find("a=ice-ufrag:");
    EXPECT_EQ(text.substr(first + 12, 4), offer.transport.ice.ufrag);
    EXPECT_NE(text.find("a=ice-ufrag:", first + 1), std::string::npos);
    EXPECT_EQ(text.find("a=ice-ufrag:" + offer.transport.ice.ufrag, first + 1), std::string::npos);
}

TEST(sdp_offer, keeps_bundle_only_sections_of_port_zero) {
    const auto offer = parsed_sample("gstreamer_whip");
    EXPECT_FALSE(offer.media[1].refused);
    const auto without = edited(sdp_sample("gstreamer_whip"), "a=bundle-only\r\n", "");
    EXPECT_TRUE(parse_offer(without)->media[1].refused);
}

TEST(sdp_offer, compares_names_without_case) {
    auto text = edited(sdp_sample("obs_whip"), "opus/48000", "OPUS/48000");
    text = edited(text, "H264/90000", "h264/90000");
    text = edited(text, "a=rtcp-mux", "a=RTCP-MUX");
    const auto offer = parse_offer(text);
    ASSERT_TRUE(offer) << offer.error().detail;
    EXPECT_EQ(offer->media[0].codecs[0].name, "opus");
    EXPECT_EQ(offer->media[1].codecs[0].name, "h264");
}

TEST(sdp_offer, takes_lines_that_end_with_a_bare_newline) {
    EXPECT_TRUE(parse_offer(edited(sdp_sample("chromium_whip"), "\r\n", "\n")));
}

TEST(sdp_offer, knows_who_begins_dtls) {
    const auto text = sdp_sample("chromium_whip");
    EXPECT_FALSE(parse_offer(edited(text, "setup:actpass", "setup:passive"))->transport.active);
    EXPECT_TRUE(parse_offer(edited(text, "setup:actpass", "setup:active"))->transport.active);
    EXPECT_NE(
        refusal(edited(text, "setup:actpass", "setup:holdconn")).find("setup"), std::string::npos
    );
}

TEST(sdp_offer, prefers_the_sha256_fingerprint) {
    const auto text = edited(
        sdp_sample("obs_whip"),
        "a=fingerprint:sha-256 ",
        "a=fingerprint:md5 00:11\r\na=fingerprint:sha-1 "
        "00:11:22:33:44:55:66:77:88:99:00:11:22:33:44:55:66:77:88:99\r\na=fingerprint:SHA-256 "
    );
    const auto offer = parse_offer(text);
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->transport.fingerprint_algorithm, "sha-256");
    const auto only_sha1 = edited(text, "SHA-256", "sha-224");
    EXPECT_EQ(parse_offer(only_sha1)->transport.fingerprint_algorithm, "sha-1");
}

TEST(sdp_offer, feedback_for_every_codec_reaches_all) {
    const auto text =
        edited(sdp_sample("obs_whip"), "a=rtcp-fb:96 nack pli", "a=rtcp-fb:* nack pli");
    EXPECT_TRUE(parse_offer(text)->media[1].codecs[0].has_feedback("nack pli"));
}

TEST(sdp_offer, sections_outside_the_bundle_are_refused) {
    const auto offer = parse_offer(edited(sdp_sample("obs_whip"), "BUNDLE 0 1", "BUNDLE 1 5"));
    ASSERT_TRUE(offer);
    EXPECT_TRUE(offer->media[0].refused);
    EXPECT_FALSE(offer->media[1].refused);
    EXPECT_EQ(offer->bundle, std::vector<std::string>{"1"});
}

TEST(sdp_offer, a_data_channel_is_kept_as_something_else) {
    const auto text = sdp_sample("chromium_whip") +
                      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";
    const auto offer = parse_offer(text);
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->media[2].kind, media_kind::other);
    EXPECT_EQ(offer->media[2].kind_text, "application");
    EXPECT_EQ(offer->media[2].formats, "webrtc-datachannel");
}

TEST(sdp_offer, says_what_is_missing) {
    const auto text = sdp_sample("chromium_whip");
    const auto says = [](const std::string& offer, std::string_view word) {
        const auto why = refusal(offer);
        EXPECT_NE(why.find(word), std::string::npos) << why;
    };
    says("", "empty");
    says("hello", "not SDP");
    says("v=1\r\n", "v=0");
    says("v=0\r\ns=-\r\n", "m=");
    says("v=0\r\nm=video\r\n", "m= line");
    says(edited(text, "a=ice-ufrag:", "a=x-ufrag:"), "ice-ufrag");
    says(edited(text, "a=ice-pwd:", "a=ice-pwd:short\r\na=x-pwd:"), "credentials");
    says(edited(text, "a=fingerprint:sha-256", "a=fingerprint:sha-0"), "fingerprint");
    says(edited(text, "a=group:BUNDLE 0 1\r\n", ""), "BUNDLE");
    says(edited(text, "a=rtcp-mux\r\n", ""), "rtcp-mux");
    says(edited(text, "UDP/TLS/RTP/SAVPF", "RTP/AVP"), "SAVPF");
    says(edited(text, "a=mid:1", "a=mid:0"), "same a=mid");
    says(edited(text, "a=mid:1", "a=mid:\x01"), "control characters");
    says(edited(text, "a=mid:1", "a=mid:1 2"), "a=mid");
}

TEST(sdp_offer, two_lite_sides_are_refused_as_unsupported) {
    const auto lite =
        parse_offer(edited(sdp_sample("obs_whip"), "t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"));
    ASSERT_FALSE(lite);
    EXPECT_EQ(lite.error().code, errc::unsupported);
}

TEST(sdp_offer, size_is_limited) {
    const std::string head = sdp_sample("obs_whip");
    std::string text = head;
    text += "a=x:" + std::string(max_sdp_bytes - head.size() - 5, 'y') + "\n";
    ASSERT_EQ(text.size(), max_sdp_bytes);
    EXPECT_TRUE(parse_offer(text));
    text += "\n";
    const auto large = parse_offer(text);
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().code, errc::too_large);
}

TEST(sdp_offer, lines_are_limited_to_4096) {
    const auto head = sdp_sample("obs_whip");
    const auto own = static_cast<int>(std::count(head.begin(), head.end(), '\n'));
    const auto with_lines = [&](int count) {
        auto text = head;
        for (int i = own; i < count; ++i)
            text += "a=x\n";
        return text;
    };
    EXPECT_TRUE(parse_offer(with_lines(4096)));
    EXPECT_NE(refusal(with_lines(4097)).find("4096"), std::string::npos);
}

TEST(sdp_offer, sections_are_limited_to_32) {
    const auto with_sections = [](int count) {
        auto text = sdp_sample("obs_whip");
        for (int i = 2; i < count; ++i)
            text += "m=application 0 UDP/DTLS/SCTP x\r\n";
        return text;
    };
    EXPECT_TRUE(parse_offer(with_sections(32)));
    EXPECT_NE(refusal(with_sections(33)).find("32"), std::string::npos);
}

TEST(sdp_offer, payload_types_out_of_range_are_no_codecs) {
    auto text = edited(sdp_sample("obs_whip"), "SAVPF 96", "SAVPF 96 128 300 99999999999");
    text += "a=rtpmap:128 H264/90000\r\na=rtpmap:97 VP8/0\r\na=rtpmap:98 VP8\r\n";
    const auto offer = parse_offer(text);
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->media[1].codecs.size(), 1u);
}

TEST(sdp_offer, codec_names_that_no_text_could_hold_are_no_codecs) {
    auto text = sdp_sample("obs_whip");
    const auto before = parse_offer(text)->media.back().codecs.size();
    const auto line = text.find("m=video");
    text.replace(text.find("\r\n", line), 0, " 120 121");
    text +=
        "a=rtpmap:120 X\xff\xfe/90000\r\na=rtpmap:121 " + std::string(9'000, 'x') + "/90000\r\n";
    const auto offer = parse_offer(text);
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->media.back().codecs.size(), before);
}

TEST(sdp_fragment, gives_the_credentials) {
    const auto read = parse_fragment(
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
        "a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n"
    );
    ASSERT_TRUE(read);
    EXPECT_EQ(read->ufrag, "abcd");
    EXPECT_EQ(read->password, "0123456789012345678901");
}

TEST(sdp_fragment, may_have_no_credentials) {
    const auto read = parse_fragment("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=end-of-candidates\r\n");
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->ufrag.empty());
    EXPECT_TRUE(read->password.empty());
}

TEST(sdp_fragment, needs_both_or_none) {
    EXPECT_FALSE(parse_fragment("a=ice-ufrag:abcd\r\n"));
    EXPECT_FALSE(parse_fragment("a=ice-pwd:0123456789012345678901\r\n"));
    EXPECT_FALSE(parse_fragment("a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n"));
    EXPECT_FALSE(parse_fragment("{\"candidate\":1}"));
}

} // namespace
} // namespace rivulet::webrtc
