#include "live/form_fields.hpp"
#include "live/mediamtx_start.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

outcome<field_list> multipart(const std::string& body) {
    return parse_form("multipart/form-data; boundary=XX", body);
}

std::string part(const std::string& name, const std::string& value) {
    return "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
}

TEST(form_fields, reads_what_curl_sends_with_f) {
    EXPECT_THAT(
        multipart(
            part("source_id", "a-b") + part("query", "x=1&y=%7B\r\n") + part("e", "") + "--XX--\r\n"
        )
            .value(),
        ElementsAre(Pair("source_id", "a-b"), Pair("query", "x=1&y=%7B\r\n"), Pair("e", ""))
    );
    EXPECT_THAT(
        parse_form(
            "Multipart/Form-Data; charset=utf-8; boundary=\"a;b\"",
            "preamble\r\n--a;b \r\ncontent-type: text/plain\r\n"
            "CONTENT-DISPOSITION: form-data; filename=\"x=\\\"y\"; name=n\r\n\r\nv\r\n--a;b--"
        )
            .value(),
        ElementsAre(Pair("n", "v"))
    );
}

TEST(form_fields, reads_what_curl_sends_with_d) {
    EXPECT_THAT(
        parse_form("application/x-www-form-urlencoded", "a=1&b=x%3Dy+z").value(),
        ElementsAre(Pair("a", "1"), Pair("b", "x=y z"))
    );
    EXPECT_THAT(parse_form("", "a=1").value(), ElementsAre(Pair("a", "1")));
    EXPECT_THAT(parse_form("", "").value(), IsEmpty());
}

TEST(form_fields, a_damaged_form_is_refused) {
    for (const std::string& bad :
         {std::string(),
          std::string("--XX"),
          std::string("--XX\r\n"),
          std::string("text"),
          part("a", "1"),
          std::string("--XX\r\n\r\nv\r\n--XX--"),
          std::string("--XX\r\nContent-Disposition: form-data\r\n\r\nv\r\n--XX--"),
          std::string("--XXY\r\n\r\n\r\n--XX--")})
        EXPECT_FALSE(multipart(bad)) << bad;
    EXPECT_FALSE(parse_form("multipart/form-data", part("a", "1") + "--XX--"));
    EXPECT_FALSE(parse_form("multipart/form-data; boundary=", "----"));
    EXPECT_FALSE(parse_form("multipart/form-data; boundary=" + std::string(71, 'b'), "x"));
    EXPECT_FALSE(parse_form("application/json", "{}"));
}

TEST(form_fields, holds_so_many_fields_and_no_more) {
    std::string parts, pairs = "a=1";
    for (std::size_t i = 0; i < most_form_fields; ++i)
        parts += part("a", "1");
    for (std::size_t i = 1; i < most_form_fields; ++i)
        pairs += "&a=1";
    EXPECT_EQ(multipart(parts + "--XX--").value().size(), most_form_fields);
    EXPECT_EQ(multipart(parts + part("b", "") + "--XX--").error().code, errc::too_large);
    EXPECT_EQ(parse_form("", pairs).value().size(), most_form_fields);
    EXPECT_EQ(parse_form("", pairs + "&a=1").error().code, errc::too_large);
}

TEST(mediamtx_start, takes_the_query_in_both_encodings) {
    const auto expected = ElementsAre(
        Pair("pipeline", "comfyui"), Pair("params", R"({"a":"b c"})"), Pair("key", "x")
    );
    EXPECT_THAT(
        parse_hook_query("pipeline=comfyui&params=%7B%22a%22%3A%22b%20c%22%7D&key=x"), expected
    );
    EXPECT_THAT(
        parse_hook_query(
            "pipeline%3Dcomfyui%26params%3D%257B%2522a%2522%253A%2522b%2520c%2522%257D%26key%3Dx"
        ),
        expected
    );
    EXPECT_THAT(parse_hook_query("?pipeline%3dnoop"), ElementsAre(Pair("pipeline", "noop")));
    EXPECT_THAT(parse_hook_query(""), IsEmpty());
}

TEST(mediamtx_start, takes_the_rest_of_a_query_that_a_form_cut) {
    const auto form =
        parse_form("", "source_id=i&source_type=rtmpConn&query=pipeline=noop&streamId=s").value();
    const auto start = parse_mediamtx_start(form).value();
    EXPECT_THAT(start.query, ElementsAre(Pair("pipeline", "noop"), Pair("streamId", "s")));
}

TEST(mediamtx_start, the_peer_is_where_the_stream_is_pulled_from) {
    const auto at = [](const char* text) {
        return pull_url(asio::ip::make_address(text), "live/cam");
    };
    EXPECT_EQ(at("10.1.2.3"), "rtmp://10.1.2.3/live/cam");
    EXPECT_EQ(at("::1"), "rtmp://127.0.0.1/live/cam");
    EXPECT_EQ(at("::ffff:10.1.2.3"), "rtmp://10.1.2.3/live/cam");
    EXPECT_EQ(at("2001:db8::1"), "rtmp://[2001:db8::1]/live/cam");
}

} // namespace

TEST(live_conformance, s6_the_form_of_start_is_checked_and_types_ignore_case) {
    const auto parsed = [](const char* id, const char* type) {
        return parse_mediamtx_start({{"source_id", id}, {"source_type", type}});
    };
    EXPECT_EQ(parsed("", "rtmpConn").error().detail, "Missing source_id");
    EXPECT_EQ(parsed("i", "").error().detail, "Missing source_type");
    EXPECT_THAT(parsed("i", "hlsSource").error().detail, HasSubstr("unknown media source"));
    EXPECT_FALSE(parsed("../../config", "rtmpConn"));
    for (const auto& [type, protocol, kind] :
         {std::tuple("RTMPCONN", "rtmp", "rtmpconns"),
          std::tuple("rtmpConn", "rtmp", "rtmpconns"),
          std::tuple("rtmpsConn", "rtmp", "rtmpsconns"),
          std::tuple("webRTCSession", "whip", "webrtcsessions"),
          std::tuple("webrtcsession", "whip", "webrtcsessions"),
          std::tuple("srtConn", "srt", "srtconns"),
          std::tuple("rtspSession", "rtsp", "rtspsessions"),
          std::tuple("rtspsSession", "rtsp", "rtspssessions")}) {
        const auto start = parsed("5f1c-0", type);
        ASSERT_TRUE(start) << type;
        EXPECT_EQ(start->protocol, protocol) << type;
        EXPECT_EQ(start->api_kind, kind) << type;
    }
}

} // namespace rivulet::live
