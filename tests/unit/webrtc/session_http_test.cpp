#include "webrtc/session_http.hpp"

#include <gtest/gtest.h>

namespace rivulet::webrtc {
namespace {

TEST(session_http, content_types_compare_without_case_and_parameters) {
    EXPECT_TRUE(is_content_type("application/sdp", sdp_type));
    EXPECT_TRUE(is_content_type("Application/SDP; charset=utf-8", sdp_type));
    EXPECT_TRUE(is_content_type(" application/sdp ", sdp_type));
    EXPECT_FALSE(is_content_type("", sdp_type));
    EXPECT_FALSE(is_content_type("application/sdp2", sdp_type));
    EXPECT_FALSE(is_content_type("text/plain", sdp_type));
}

TEST(session_http, preconditions) {
    EXPECT_EQ(check_if_match("", "\"a\""), precondition::missing);
    EXPECT_EQ(check_if_match("  ", "\"a\""), precondition::missing);
    EXPECT_EQ(check_if_match("*", "\"a\""), precondition::any);
    EXPECT_EQ(check_if_match("\"a\"", "\"a\""), precondition::met);
    EXPECT_EQ(check_if_match("\"b\", \"a\"", "\"a\""), precondition::met);
    EXPECT_EQ(check_if_match("\"b\"", "\"a\""), precondition::failed);
    EXPECT_EQ(check_if_match("W/\"a\"", "\"a\""), precondition::failed); // strong comparison
    EXPECT_EQ(check_if_match(",", "\"a\""), precondition::failed);
}

TEST(session_http, bearer_tokens) {
    EXPECT_EQ(bearer_of("Bearer abc"), "abc");
    EXPECT_EQ(bearer_of("bearer  abc "), "abc");
    EXPECT_EQ(bearer_of("Basic abc"), "");
    EXPECT_EQ(bearer_of("Bearer"), "");
    EXPECT_EQ(bearer_of(""), "");
}

http::request asked_with(std::string_view host, std::string_view proto = {}) {
    http::request made;
    made.header.set("Host", host);
    if (!proto.empty())
        made.header.set("X-Forwarded-Proto", proto);
    return made;
}

TEST(session_http, the_base_is_what_the_client_asked_for) {
    EXPECT_EQ(base_of(asked_with("gw.example:8935")), "http://gw.example:8935");
    EXPECT_EQ(base_of(asked_with("[::1]:8935")), "http://[::1]:8935");
    EXPECT_EQ(base_of(asked_with("gw.example", "https")), "https://gw.example");
    auto secure = asked_with("gw.example");
    secure.secure = true;
    EXPECT_EQ(base_of(secure), "https://gw.example");
    EXPECT_EQ(base_of({}), "");
    EXPECT_EQ(base_of(asked_with("evil/../\"<x>")), "");
    EXPECT_EQ(base_of(asked_with("user@gw.example")), "");
}

http::status status_for(errc code, bool key_given = false) {
    return reply_of(failure(code, "why"), key_given).status;
}

TEST(session_http, failures_become_statuses) {
    EXPECT_EQ(status_for(errc::invalid_argument), http::status::bad_request);
    EXPECT_EQ(status_for(errc::unauthorized), http::status::unauthorized);
    EXPECT_EQ(status_for(errc::unauthorized, true), http::status::forbidden);
    EXPECT_EQ(status_for(errc::not_found), http::status::not_found);
    EXPECT_EQ(status_for(errc::unsupported), http::status::not_acceptable);
    EXPECT_EQ(status_for(errc::too_large), http::status::payload_too_large);
    EXPECT_EQ(status_for(errc::too_many), http::status::too_many_requests);
    EXPECT_EQ(status_for(errc::no_capacity), http::status::service_unavailable);
    EXPECT_EQ(status_for(errc::timed_out), http::status::service_unavailable);
    EXPECT_EQ(status_for(errc::already_exists), http::status::conflict);
    EXPECT_EQ(status_for(errc::media_error), http::status::internal_server_error);
    EXPECT_NE(reply_of(failure(errc::not_found, "why"), false).body.find("why"), std::string::npos);
}

bool has(const http::response& reply, std::string_view name) {
    for (const auto& header : reply.headers)
        if (header.first == name)
            return true;
    return false;
}

TEST(session_http, refusals_say_how_to_go_on) {
    EXPECT_TRUE(has(reply_of(failure(errc::unauthorized, ""), false), "WWW-Authenticate"));
    EXPECT_TRUE(has(reply_of(failure(errc::timed_out, ""), false), "Retry-After"));
    EXPECT_FALSE(has(reply_of(failure(errc::not_found, ""), false), "Retry-After"));
}

TEST(session_http, keys_are_seen_in_the_token_and_in_the_query) {
    session_request request;
    EXPECT_FALSE(names_key(request));
    request.query = {{"key", ""}, {"pipeline", "noop"}};
    EXPECT_FALSE(names_key(request));
    request.query = {{"token", "x"}};
    EXPECT_TRUE(names_key(request));
    request.query.clear();
    request.bearer = "x";
    EXPECT_TRUE(names_key(request));
}

TEST(ice_servers, are_read_and_written_as_links) {
    const auto read = parse_ice_servers(
        {"stun:stun.example:3478", "turn:user:p%40ss\"word@turn.example:3478?transport=tcp"}
    );
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(link_text((*read)[0]), "<stun:stun.example:3478>; rel=\"ice-server\"");
    EXPECT_EQ(
        link_text((*read)[1]),
        "<turn:turn.example:3478?transport=tcp>; rel=\"ice-server\"; username=\"user\"; "
        "credential=\"p@ss\\\"word\"; credential-type=\"password\""
    );
}

TEST(ice_servers, take_ipv6_and_hosts_without_port) {
    EXPECT_TRUE(parse_ice_servers({"stun:[2001:db8::1]:3478", "stuns:host", "turns:a:b@host:5349"})
    );
    EXPECT_TRUE(parse_ice_servers({}));
}

TEST(ice_servers, refuse_what_a_browser_would_refuse) {
    for (const char* entry :
         {"",
          "host:3478",
          "http://host",
          "stun:",
          "stun:host:0",
          "stun:host:99999",
          "stun:a:b@host",
          "turn:host:3478",
          "turn:user@host",
          "turn:a:b@host?transport=sctp",
          "stun:ho st",
          "stun:host>",
          "stun:host\r\nX: y"})
        EXPECT_FALSE(parse_ice_servers({entry})) << entry;
}

TEST(ice_servers, never_show_the_password) {
    const auto read = parse_ice_servers({"turn:user:secret@host:0"});
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().detail.find("secret"), std::string::npos) << read.error().detail;
    EXPECT_NE(read.error().detail.find("host:0"), std::string::npos);
}

} // namespace
} // namespace rivulet::webrtc
