#include "session/live_offer.hpp"
#include "session/orchestrator_address.hpp"
#include "session/orchestrator_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::string_view base = "http://orch.example:8935";

std::string answer(std::string_view prefix) {
    std::string p(prefix);
    return R"({"control_url":")" + p + R"(/m1-control","events_url":")" + p +
           R"(/m1-events","manifest_id":"m1","publish_url":")" + p + R"(/m1","subscribe_url":")" +
           p + R"(/m1-out"})";
}

TEST(live_conformance, s29_relative_urls_resolve_and_absolute_ones_stay) {
    auto relative = parse_live_answer(answer("/ai/trickle"), base, channel_hosts::own);
    ASSERT_TRUE(relative) << relative.error().detail;
    EXPECT_EQ(relative->publish_url, "http://orch.example:8935/ai/trickle/m1");
    EXPECT_EQ(relative->subscribe_url, "http://orch.example:8935/ai/trickle/m1-out");
    EXPECT_EQ(relative->control_url, "http://orch.example:8935/ai/trickle/m1-control");
    EXPECT_EQ(relative->events_url, "http://orch.example:8935/ai/trickle/m1-events");
    EXPECT_EQ(relative->manifest_id, "m1");

    auto no_slash = parse_live_answer(answer("ai/trickle"), base, channel_hosts::own);
    ASSERT_TRUE(no_slash);
    EXPECT_EQ(no_slash->publish_url, "http://orch.example:8935/ai/trickle/m1");

    auto prefixed =
        parse_live_answer(answer("/t"), "https://orch.example:8935/o1", channel_hosts::own);
    ASSERT_TRUE(prefixed);
    EXPECT_EQ(prefixed->publish_url, "https://orch.example:8935/o1/t/m1");

    auto absolute =
        parse_live_answer(answer("https://orch.example:9999/x"), base, channel_hosts::own);
    ASSERT_TRUE(absolute);
    EXPECT_EQ(absolute->control_url, "https://orch.example:9999/x/m1-control");
}

TEST(live_answer, refuses_channels_on_another_host_unless_allowed) {
    for (const char* elsewhere : {"http://evil.example/x", "//evil.example/x"}) {
        auto refused = parse_live_answer(answer(elsewhere), base, channel_hosts::own);
        ASSERT_FALSE(refused) << elsewhere;
        EXPECT_THAT(refused.error().detail, HasSubstr("another host")) << elsewhere;
        EXPECT_TRUE(parse_live_answer(answer(elsewhere), base, channel_hosts::any)) << elsewhere;
    }
}

TEST(live_answer, refuses_what_it_cannot_use) {
    for (const char* bad :
         {"",
          "[]",
          "{}",
          "null",
          "not json",
          R"({"publish_url":"/a","subscribe_url":"/b","control_url":"/c"})",
          R"({"publish_url":"/a","subscribe_url":"/b","events_url":"/c"})",
          R"({"publish_url":"/a","subscribe_url":"/b","control_url":3,"events_url":"/d"})",
          R"({"publish_url":"file:///etc/passwd","subscribe_url":"/b","control_url":"/c","events_url":"http://"})",
          R"({"publish_url":"http://u:p@orch.example/a","subscribe_url":"/b","control_url":"/c","events_url":"/d"})"}) {
        auto refused = parse_live_answer(bad, base, channel_hosts::own);
        ASSERT_FALSE(refused) << bad;
        EXPECT_EQ(refused.error().code, errc::protocol_violation) << bad;
    }
}

TEST(live_answer, drops_a_manifest_id_that_could_leave_a_folder) {
    auto text = answer("/t");
    text.replace(text.find("\"m1\""), 4, "\"../../x\"");
    auto parsed = parse_live_answer(text, base, channel_hosts::own);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->manifest_id, "");
}

TEST(live_offer, has_the_wire_shape_of_the_network) {
    live_request request{"0badcafe", "sid", "noop", std::nullopt};
    EXPECT_EQ(
        to_json(request),
        R"({"gateway_request_id":"0badcafe","model_id":"noop","params":null,"publish_url":"","stream_id":"sid","subscribe_url":""})"
    );
    request.params = boost::json::object{{"graph", "negate"}};
    EXPECT_THAT(to_json(request), HasSubstr(R"("params":{"graph":"negate"})"));
}

TEST(orchestrator_address, fills_in_what_operators_leave_out) {
    const std::pair<const char*, const char*> rows[] = {
        {"orch.example", "https://orch.example:8935"},
        {"orch.example:9000", "https://orch.example:9000"},
        {":9000", "https://127.0.0.1:9000"},
        {"http://orch.example", "http://orch.example:8935"},
        {"http://:9000", "http://127.0.0.1:9000"},
        {"https://orch.example:1/p/", "https://orch.example:1/p"},
        {" http://[::1]:7 ", "http://[::1]:7"},
        {"http://[::1]", "http://[::1]:8935"},
    };
    for (const auto& [given, wanted] : rows) {
        auto got = orchestrator_base(given);
        ASSERT_TRUE(got) << given << ": " << got.error().detail;
        EXPECT_EQ(*got, wanted) << given;
    }
    for (const char* bad : {"ftp://h", "http://h:99999", "h:x", "http://h/?q=1", "http://u:p@h"})
        EXPECT_FALSE(orchestrator_base(bad)) << bad;
}

TEST(orchestrator_address, reads_comma_lists_and_keeps_order) {
    auto bases = orchestrator_bases({"http://a:1, http://b:2,", "http://a:1", ""});
    ASSERT_TRUE(bases);
    EXPECT_THAT(*bases, testing::ElementsAre("http://a:1", "http://b:2"));
    EXPECT_FALSE(orchestrator_bases({"http://a:1,ftp://b"}));
}

TEST(live_credentials, names_the_manifest_in_an_unsigned_segment) {
    const auto credentials = live_credentials::off_chain("abcd1234");
    EXPECT_EQ(credentials.segment, "CghhYmNkMTIzNA=="); // protobuf field 1, "abcd1234"
    EXPECT_EQ(credentials.payment, "");
}

} // namespace
} // namespace rivulet::session
