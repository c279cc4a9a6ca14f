#include "door_wire.hpp"

#include <gtest/gtest.h>

namespace rivulet::element {
namespace {

session_settings settings(const std::string& gateway) {
    session_settings made;
    made.gateway = gateway;
    return made;
}

std::string header(const door_request& request, std::string_view name) {
    for (const auto& [key, value] : request.headers)
        if (key == name)
            return value;
    return {};
}

door_request asked(const std::string& gateway) {
    return make_door_request(settings(gateway), "cam", "").value();
}

constexpr std::string_view answer = R"({"stream":"cam","stream_id":"s1","request_id":"r1",
    "publish_url":"http://h:8935/ai/trickle/cam-1-in",
    "subscribe_url":"http://h:8935/ai/trickle/cam-1-out",
    "control_url":"http://h:8935/ai/trickle/cam-1-control",
    "events_url":"http://h:8935/ai/trickle/cam-1-events"})";

TEST(door_wire, a_request_names_the_stream_and_what_it_wants) {
    auto wanted = settings("http://h:8935/");
    wanted.pipeline = "avfilter";
    wanted.token = "secret";
    const auto request = make_door_request(wanted, "my cam/1", R"({"graph":"negate"})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->url, "http://h:8935/live/video-to-video/my%20cam%2F1/trickle");
    EXPECT_EQ(request->body, R"({"pipeline":"avfilter","params":{"graph":"negate"}})");
    EXPECT_EQ(header(*request, "Authorization"), "Bearer secret");
    EXPECT_EQ(header(*request, "Content-Type"), "application/json");
}

TEST(door_wire, a_request_without_settings_is_an_empty_object) {
    const auto request = asked("https://h");
    EXPECT_EQ(request.body, "{}");
    EXPECT_EQ(request.url, "https://h/live/video-to-video/cam/trickle");
    EXPECT_EQ(header(request, "Authorization"), "");
}

TEST(door_wire, a_gateway_below_a_path_is_asked_there) {
    EXPECT_EQ(asked("http://h/video/").url, "http://h/video/live/video-to-video/cam/trickle");
}

TEST(door_wire, settings_that_cannot_be_asked_with_are_named) {
    for (const auto* gateway :
         {"", "h:8935", "ftp://h", "http://", "http://me:pw@h", "http://h?x"}) {
        const auto request = make_door_request(settings(gateway), "cam", "");
        ASSERT_FALSE(request) << gateway;
        EXPECT_TRUE(request.error().detail.starts_with("gateway: ")) << request.error().detail;
    }
    const auto good = settings("http://h");
    EXPECT_FALSE(make_door_request(good, "", ""));
    EXPECT_FALSE(make_door_request(good, "..", ""));
    EXPECT_FALSE(make_door_request(good, "cam", "[1]"));
    EXPECT_FALSE(make_door_request(good, "cam", "{"));
}

TEST(door_wire, a_token_with_a_line_break_is_refused_without_being_told) {
    auto wanted = settings("http://h");
    wanted.token = "top-secret\r\nX: y";
    const auto request = make_door_request(wanted, "cam", "");
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().detail.find("top-secret"), std::string::npos);
}

TEST(door_wire, an_answer_gives_the_channels_and_the_names) {
    const auto door = read_door_reply(asked("http://h:8935"), answer);
    ASSERT_TRUE(door);
    EXPECT_EQ(door->publish_url, "http://h:8935/ai/trickle/cam-1-in");
    EXPECT_EQ(door->subscribe_url, "http://h:8935/ai/trickle/cam-1-out");
    EXPECT_EQ(door->control_url, "http://h:8935/ai/trickle/cam-1-control");
    EXPECT_EQ(door->events_url, "http://h:8935/ai/trickle/cam-1-events");
    EXPECT_EQ(door->update_url, "http://h:8935/live/video-to-video/cam/update");
    EXPECT_EQ(door->place.gateway, "h:8935");
    EXPECT_EQ(door->place.stream, "cam");
    EXPECT_EQ(door->place.stream_id, "s1");
    EXPECT_EQ(door->place.request_id, "r1");
}

TEST(door_wire, answers_of_something_else_are_refused) {
    const auto request = asked("http://h:8935");
    for (const auto* body :
         {"",
          "<html>hello</html>",
          "[]",
          "{}",
          R"({"publish_url":"http://h/a"})",
          R"({"publish_url":7,"subscribe_url":"http://h/a"})",
          R"({"publish_url":"/a","subscribe_url":"http://h/a"})",
          R"({"publish_url":"http://h/a","subscribe_url":"file:///etc/passwd"})"}) {
        const auto door = read_door_reply(request, body);
        ASSERT_FALSE(door) << body;
        EXPECT_EQ(door.error().code, errc::protocol_violation);
    }
}

TEST(door_wire, channels_of_control_and_events_may_be_missing) {
    const auto door = read_door_reply(
        asked("http://h:8935"), R"({"publish_url":"http://h/a","subscribe_url":"http://h/b"})"
    );
    ASSERT_TRUE(door);
    EXPECT_EQ(door->control_url, "");
    EXPECT_EQ(door->events_url, "");
}

std::string reached(const std::string& gateway, const std::string& told) {
    const auto request = http::parse_http_url(asked(gateway).url).value();
    const auto url = as_addressed(request, http::parse_http_url(told).value());
    return url ? http::to_text(*url) : url.error().code.message();
}

TEST(door_wire, channels_are_reached_the_way_the_gateway_was) {
    EXPECT_EQ(reached("http://h:8935", "http://h:8935/t/x"), "http://h:8935/t/x");
    // A proxy that takes the TLS off.
    EXPECT_EQ(reached("https://h", "http://h/t/x"), "https://h/t/x");
    EXPECT_EQ(reached("https://h:8443", "http://H:8443/t/x"), "https://h:8443/t/x");
    // A proxy that serves the gateway below a path.
    EXPECT_EQ(reached("http://h/video", "http://h/t/x"), "http://h/video/t/x");
    EXPECT_EQ(reached("http://h/video", "http://h/video/t/x"), "http://h/video/t/x");
    EXPECT_EQ(reached("https://h/video/", "http://h/t/x"), "https://h/video/t/x");
    // Somewhere else on purpose.
    EXPECT_EQ(reached("https://h/video", "https://media.h/t/x"), "https://media.h/t/x");
    EXPECT_EQ(reached("http://h/video", "http://media.h/t/x"), "http://media.h/t/x");
    EXPECT_EQ(reached("http://h", "http://h:9000/t/x"), "http://h:9000/t/x");
}

TEST(door_wire, an_answer_that_leaves_tls_for_another_host_is_refused) {
    const auto door = read_door_reply(asked("https://public.example"), answer);
    ASSERT_FALSE(door);
    EXPECT_EQ(door.error().code, errc::protocol_violation);
    for (const auto* part : {"publish_url", "http://h:8935", "-gatewayHost public.example"})
        EXPECT_NE(door.error().detail.find(part), std::string::npos) << door.error().detail;
}

TEST(door_wire, a_refusal_is_told_in_its_own_words) {
    EXPECT_EQ(refusal_text(R"({"error":{"message":"no key"}})"), "no key");
    EXPECT_EQ(refusal_text(R"({"error":"no key"})"), "no key");
    EXPECT_EQ(refusal_text("Stream not found\nmore"), "Stream not found");
    EXPECT_EQ(refusal_text(""), "");
    EXPECT_EQ(refusal_text("{}"), "");
    EXPECT_EQ(refusal_text(std::string("a\x1b[31mb")), "a [31mb");
    EXPECT_LE(refusal_text(std::string(100'000, 'x')).size(), 300u);
}

} // namespace
} // namespace rivulet::element
