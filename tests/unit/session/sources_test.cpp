#include "session/candidate_sources.hpp"
#include "session/orchestrator_address.hpp"
#include "session/refresh_fsm.hpp"
#include "session/signer_url.hpp"
#include "session/webhook_source.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::session;
using namespace std::chrono_literals;

namespace {

TEST(orchestrators_conformance, s11_a_list_of_addresses_is_completed_and_empty_ones_are_left_out) {
    const auto bases = orchestrator_bases({"a, b:1,https://c:2,,"});
    ASSERT_TRUE(bases);
    EXPECT_EQ(*bases, (std::vector<std::string>{"https://a:8935", "https://b:1", "https://c:2"}));
    EXPECT_TRUE(orchestrator_bases({",,"})->empty());
    EXPECT_EQ(orchestrator_bases({":9"})->at(0), "https://127.0.0.1:9");
}

TEST(orchestrator_address, an_ipv6_address_without_brackets_and_a_fragment_are_refused) {
    for (const auto* bad : {"::1", "2001:db8::1", "https://2001:db8::1", "https://::1:8935/x"}) {
        const auto base = orchestrator_base(bad);
        ASSERT_FALSE(base) << bad << " became " << *base;
        EXPECT_NE(base.error().detail.find("brackets"), std::string::npos) << base.error().detail;
    }
    EXPECT_FALSE(orchestrator_base("https://o.example/#part"));
    EXPECT_FALSE(orchestrator_base("o.example#part"));
    EXPECT_EQ(*orchestrator_base("[::1]"), "https://[::1]:8935");
    EXPECT_EQ(*orchestrator_base("http://[2001:db8::1]:9/x/"), "http://[2001:db8::1]:9/x");
}

TEST(orchestrator_address, a_user_name_is_refused_as_one) {
    for (const auto* bad :
         {"https://user:pw@host:8935", "https://user:pw@host", "user:pw@host:1", "user@host"}) {
        const auto base = orchestrator_base(bad);
        ASSERT_FALSE(base) << bad << " became " << *base;
        EXPECT_NE(base.error().detail.find("user names"), std::string::npos) << base.error().detail;
    }
}

TEST(orchestrator_address, a_scheme_without_a_host_is_refused_with_what_was_written) {
    for (const auto* bad : {"http://", "https://", " https:///x", "HTTP://"}) {
        const auto base = orchestrator_base(bad);
        ASSERT_FALSE(base) << bad << " became " << *base;
        EXPECT_NE(base.error().detail.find("no host"), std::string::npos) << base.error().detail;
    }
    EXPECT_FALSE(orchestrator_bases({"a,http://,b"}));
    EXPECT_EQ(*orchestrator_base("http://:9"), "http://127.0.0.1:9");
}

TEST(webhook_list, reads_addresses_and_scores) {
    const auto list = parse_webhook_list(
        R"([{"address":"https://10.4.3.2:8935","score":0.5},{"address":"https://o.example:443/x/"}])",
        0
    );
    ASSERT_TRUE(list);
    ASSERT_EQ(list->candidates.size(), 2u);
    EXPECT_EQ(list->candidates[0].address, "https://10.4.3.2:8935");
    EXPECT_EQ(list->candidates[0].score, 0.5);
    EXPECT_EQ(list->candidates[1].address, "https://o.example:443/x");
    EXPECT_EQ(list->candidates[1].score, 0);
    EXPECT_EQ(list->skipped, 0u);
}

TEST(webhook_list, a_missing_score_is_what_the_caller_says) {
    const auto list = parse_webhook_list(
        R"([{"address":"https://a:1","score":null},{"address":"https://b:1","score":-1}])", 1
    );
    ASSERT_TRUE(list);
    EXPECT_EQ(list->candidates.at(0).score, 1);
    EXPECT_EQ(list->candidates.at(1).score, -1) << "known, though never asked";
}

TEST(
    orchestrators_conformance, s13_entries_without_a_scheme_are_skipped_and_unknown_members_ignored
) {
    const auto list = parse_webhook_list(
        R"([{"address":"10.0.0.1:8935"},{"address":""},{},7,null,{"address":5},
            {"address":"ftp://a:1"},{"address":"https://a:port"},{"address":"https://a:1","score":"x"},
            {"address":"https://good:1","runners":[1],"capabilities":["x"],"extra":{"deep":[]}}])",
        0
    );
    ASSERT_TRUE(list);
    ASSERT_EQ(list->candidates.size(), 1u);
    EXPECT_EQ(list->candidates[0].address, "https://good:1");
    EXPECT_EQ(list->skipped, 9u);
    EXPECT_NE(list->first_skipped.find("10.0.0.1:8935"), std::string::npos);
}

TEST(webhook_list, one_address_counts_once) {
    const auto list =
        parse_webhook_list(R"([{"address":"https://a:1"},{"address":"https://a:1/"}])", 0);
    ASSERT_TRUE(list);
    EXPECT_EQ(list->candidates.size(), 1u);
}

TEST(webhook_list, an_empty_array_is_a_list) {
    const auto list = parse_webhook_list("[]", 0);
    ASSERT_TRUE(list);
    EXPECT_TRUE(list->candidates.empty());
}

TEST(webhook_list, anything_but_an_array_is_refused) {
    for (const char* body : {"", "{}", "null", "[", "\"a\"", "[] []", "<html>"})
        EXPECT_FALSE(parse_webhook_list(body, 0)) << body;
    EXPECT_FALSE(parse_webhook_list(std::string(100, '['), 0));
}

TEST(webhook_list, is_bounded) {
    std::string body = "[";
    for (int i = 0; i < 5'000; ++i)
        body += (i ? ",{\"address\":\"https://a:" : "{\"address\":\"https://a:") +
                std::to_string(i + 1) + "\"}";
    body += "]";
    const auto list = parse_webhook_list(body, 0);
    ASSERT_TRUE(list);
    EXPECT_EQ(list->candidates.size(), 4'096u);
    EXPECT_EQ(list->skipped, 904u);
}

TEST(signer_url, keeps_the_path_before_the_endpoint) {
    EXPECT_EQ(*signer_endpoint("https://s.example", "/x"), "https://s.example/x");
    EXPECT_EQ(*signer_endpoint("https://s.example/base/", "/x"), "https://s.example/base/x");
    EXPECT_EQ(*signer_endpoint("http://s:81/a/b", "/x"), "http://s:81/a/b/x");
}

TEST(signer_url, a_missing_scheme_is_https) {
    EXPECT_EQ(*signer_endpoint(" 10.0.0.1:8935 ", "/x"), "https://10.0.0.1:8935/x");
    EXPECT_EQ(*signer_endpoint("signer.example", "/x"), "https://signer.example/x");
}

TEST(signer_url, what_is_no_url_is_refused) {
    for (const char* text : {"", " ", "ftp://a", "https://", "https://a/?key=1", "https://a:b@c/"})
        EXPECT_FALSE(signer_endpoint(text, "/x")) << text;
}

const time_point start = time_point(1h);

TEST(refresh_fsm, a_good_list_is_fetched_again_when_it_is_no_longer_fresh) {
    refresh_fsm fsm{refresh_rules()};
    EXPECT_EQ(fsm.succeeded(start), start + 60s);
    EXPECT_TRUE(fsm.has_list());
}

TEST(refresh_fsm, failures_come_ever_more_slowly) {
    refresh_fsm fsm{refresh_rules()};
    fsm.succeeded(start);
    const std::chrono::seconds pauses[] = {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s};
    for (const auto pause : pauses)
        EXPECT_EQ(fsm.failed(start), start + pause);
    EXPECT_EQ(fsm.succeeded(start), start + 60s);
    EXPECT_EQ(fsm.failed(start), start + 1s) << "a success begins anew";
}

TEST(refresh_fsm, without_a_list_it_is_tried_more_often) {
    refresh_fsm fsm{refresh_rules()};
    for (int i = 0; i < 10; ++i)
        EXPECT_LE(fsm.failed(start), start + 5s);
    EXPECT_EQ(fsm.failures(), 10u);
    EXPECT_FALSE(fsm.has_list());
}

TEST(chain, knows_the_controllers_of_the_networks) {
    EXPECT_TRUE(controller_of("arbitrum-one-mainnet"));
    EXPECT_TRUE(controller_of("mainnet"));
    EXPECT_NE(controller_of("mainnet"), controller_of("arbitrum-one-mainnet"));
    EXPECT_EQ(controller_of("offchain"), std::nullopt);
    EXPECT_EQ(controller_of(""), std::nullopt);
}

class sources : public ::testing::Test {
  protected:
    asio::io_context context; // never run: what is made here asks nobody
    source_settings settings;

    outcome<std::shared_ptr<candidate_source>> make() {
        return make_candidate_source(context.get_executor(), settings, logger("test"));
    }
};

TEST_F(sources, nothing_configured_gives_none) {
    const auto source = make();
    ASSERT_TRUE(source);
    EXPECT_EQ(*source, nullptr);
}

TEST_F(sources, the_list_goes_before_the_signer_and_the_chain) {
    settings.addresses = {"a"};
    settings.signer_url = "not a url";
    settings.on_chain = true;
    EXPECT_TRUE(std::dynamic_pointer_cast<static_source>(*make()));
}

TEST_F(sources, the_webhook_goes_before_the_list) {
    settings.addresses = {"a"};
    settings.webhook_url = "http://127.0.0.1:1/list";
    EXPECT_TRUE(std::dynamic_pointer_cast<refreshed_source>(*make()));
}

TEST_F(sources, what_is_wrong_is_named_by_its_option) {
    const auto complaint = [&] {
        const auto made = make();
        return made ? std::string() : made.error().detail;
    };
    settings.webhook_url = "no url";
    EXPECT_EQ(complaint().find("-orchWebhookUrl"), 0u);
    settings.webhook_url.clear();
    settings.addresses = {"https://a:port"};
    EXPECT_EQ(complaint().find("-orchAddr"), 0u);
    settings.addresses.clear();
    settings.signer_url = "ftp://x";
    EXPECT_EQ(complaint().find("-remoteSignerUrl"), 0u);
    settings.signer_url.clear();
    settings.on_chain = true;
    settings.chain.network = "offchain";
    EXPECT_NE(complaint().find("-network offchain"), std::string::npos);
    settings.chain.network = "arbitrum-one-mainnet";
    EXPECT_NE(complaint().find("-ethUrl"), std::string::npos);
    settings.chain.eth_url = "wss://node/secret";
    EXPECT_NE(complaint().find("-ethUrl"), std::string::npos);
    EXPECT_EQ(complaint().find("secret"), std::string::npos);
    settings.chain.controller = "0x12";
    EXPECT_EQ(complaint().find("-ethController"), 0u);
}

} // namespace
