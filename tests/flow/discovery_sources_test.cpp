#include "session/candidate_sources.hpp"
#include "session/keccak.hpp"
#include "session/webhook_source.hpp"
#include "support/fake_node.hpp"
#include "support/fake_webhook.hpp"
#include "support/run_on.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::session;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

class source_rig {
  public:
    ~source_rig() {
        if (source)
            source->stop();
        test::run_on(shards_.at(0).get_executor(), test::sleep_for(20ms));
    }

    asio::any_io_executor executor(std::size_t shard = 0) {
        return shards_.at(shard).get_executor();
    }

    outcome<std::vector<candidate>> ask(std::size_t shard = 0) {
        outcome<std::vector<candidate>> out = failure(errc::cancelled, "");
        auto work = [&]() -> awaitable<void> { out = co_await source->candidates(); };
        test::run_on(executor(shard), work());
        return out;
    }

    std::vector<std::string> addresses() {
        std::vector<std::string> out;
        const auto list = ask();
        EXPECT_TRUE(list) << list.error().detail;
        if (list)
            for (const auto& one : *list)
                out.push_back(one.address);
        return out;
    }

    // Until `done`, a few seconds at most.
    bool wait_until(const std::function<bool()>& done) {
        for (int i = 0; i < 500 && !done(); ++i)
            test::run_on(executor(), test::sleep_for(10ms));
        return done();
    }

    std::shared_ptr<candidate_source> source;

  private:
    shards shards_{2};
};

struct webhook_rig : source_rig {
    test::fake_webhook hook;
    webhook_source_options options;

    webhook_rig() {
        options.url = hook.url();
        options.refresh.first_pause = 20ms;
        options.refresh.last_pause = 20ms;
        options.refresh.last_pause_without = 20ms;
    }

    ~webhook_rig() {
        if (source)
            source->stop();
    }

    void start() { source = *make_webhook_source(executor(), options, logger("webhook")); }
};

constexpr auto one_entry = R"([{"address":"https://a:1","score":0.5}])";

TEST(orchestrators_conformance, s12_a_webhook_is_asked_once_a_minute) {
    webhook_rig rig;
    rig.hook.answers({200, one_entry});
    rig.start();
    for (int i = 0; i < 5; ++i)
        EXPECT_THAT(rig.addresses(), ElementsAre("https://a:1"));
    EXPECT_EQ(rig.hook.asked().size(), 1u);
    EXPECT_EQ(rig.hook.asked()[0].method, "GET");
    EXPECT_EQ(rig.hook.asked()[0].body, "");
}

TEST(
    orchestrators_conformance, s12_a_failing_refresh_keeps_the_list_and_an_empty_array_empties_it
) {
    webhook_rig rig;
    rig.options.refresh.fresh = 20ms;
    rig.hook.answers({200, one_entry});
    rig.start();
    EXPECT_THAT(rig.addresses(), ElementsAre("https://a:1"));
    for (const auto& bad : std::vector<test::fake_webhook::answer>{
             {500, "[]"}, {404, "[]"}, {200, "not json"}, {200, "{}"}, {302, "[]"}}) {
        rig.hook.answers(bad);
        const auto before = rig.hook.asked().size();
        ASSERT_TRUE(rig.wait_until([&] { return rig.hook.asked().size() > before + 2; }));
        EXPECT_THAT(rig.addresses(), ElementsAre("https://a:1")) << bad.status << bad.body;
    }
    rig.hook.answers({200, "[]"});
    EXPECT_TRUE(rig.wait_until([&] { return rig.addresses().empty(); }));
}

TEST(orchestrators_conformance, s12_without_a_list_a_failure_is_an_error) {
    webhook_rig rig;
    rig.hook.answers({500, "[]"});
    rig.start();
    const auto list = rig.ask();
    ASSERT_FALSE(list);
    EXPECT_EQ(list.error().code, errc::http_status);
    EXPECT_THAT(list.error().detail, HasSubstr("answered 500"));
    rig.hook.answers({200, one_entry});
    EXPECT_TRUE(rig.wait_until([&] { return rig.ask().has_value(); })) << "it is tried again";
}

TEST(webhook_source, many_who_wait_cause_one_request_and_nobody_waits_longer_than_its_limit) {
    webhook_rig rig;
    rig.options.limit = 300ms;
    rig.options.refresh.last_pause_without = 5s;
    rig.options.refresh.first_pause = 5s;
    rig.hook.answers({200, one_entry, 1s});
    rig.start();
    const auto begun = steady_clock::now();
    std::vector<std::future<void>> waiting;
    std::atomic<int> failed = 0;
    for (int i = 0; i < 20; ++i) {
        auto work = [&]() -> awaitable<void> {
            auto list = co_await rig.source->candidates();
            if (!list && list.error().code == errc::timed_out)
                ++failed;
        };
        waiting.push_back(
            asio::co_spawn(rig.executor(static_cast<std::size_t>(i % 2)), work, asio::use_future)
        );
    }
    for (auto& one : waiting)
        ASSERT_EQ(one.wait_for(5s), std::future_status::ready);
    EXPECT_EQ(failed, 20);
    EXPECT_EQ(rig.hook.asked().size(), 1u);
    EXPECT_LT(steady_clock::now() - begun, 3s);
    // Once it has failed, nobody waits for the next try.
    const auto again = steady_clock::now();
    EXPECT_FALSE(rig.ask());
    EXPECT_LT(steady_clock::now() - again, 200ms);
}

TEST(webhook_source, a_slow_refresh_holds_nobody_up) {
    webhook_rig rig;
    rig.options.refresh.fresh = 20ms;
    rig.hook.answers({200, one_entry});
    rig.start();
    EXPECT_THAT(rig.addresses(), ElementsAre("https://a:1"));
    rig.hook.answers({200, "[]", 1s});
    const auto before = rig.hook.asked().size();
    ASSERT_TRUE(rig.wait_until([&] { return rig.hook.asked().size() > before; }));
    const auto begun = steady_clock::now();
    EXPECT_THAT(rig.addresses(), ElementsAre("https://a:1"));
    EXPECT_LT(steady_clock::now() - begun, 500ms);
}

TEST(webhook_source, an_endless_answer_is_refused) {
    webhook_rig rig;
    rig.hook.answers({200, std::string(2 * 1024 * 1024, ' ')});
    rig.start();
    const auto list = rig.ask();
    ASSERT_FALSE(list);
    EXPECT_EQ(list.error().code, errc::too_large);
}

TEST(webhook_source, who_waits_is_told_when_it_stops) {
    webhook_rig rig;
    rig.hook.answers({200, one_entry, 1s});
    rig.start();
    auto work = [&]() -> awaitable<void> { co_await rig.source->candidates(); };
    auto waiting = asio::co_spawn(rig.executor(1), work, asio::use_future);
    ASSERT_TRUE(rig.wait_until([&] { return rig.hook.asked().size() == 1; }));
    rig.source->stop();
    EXPECT_EQ(waiting.wait_for(2s), std::future_status::ready);
}

// A signer and a webhook that keep the headers they got.
struct header_rig : source_rig {
    struct asked {
        std::string path, key;
    };

    std::mutex guard;
    std::vector<asked> requests;
    shards service_shards{1};
    http::server service{service_shards, {}, logger("service")};
    std::uint16_t port = 0;
    std::atomic<unsigned> status = 200;
    source_settings settings;

    header_rig() {
        for (const char* path :
             {"/list", "/discover-orchestrators", "/base/discover-orchestrators"})
            service.route(http::verb::get, path, [this](const http::request& request) {
                return reply(request);
            });
        port = service.listen("127.0.0.1:0").value();
        settings.signer_headers.emplace_back("X-Key", "for the signer");
    }

    ~header_rig() {
        if (source)
            source->stop();
        service.stop(10ms);
        service_shards.stop();
    }

    awaitable<http::response> reply(const http::request& request) {
        const std::lock_guard lock(guard);
        requests.push_back({request.path, std::string(request["X-Key"])});
        http::response out;
        out.status = static_cast<http::status>(status.load());
        out.body = R"([{"address":"https://a:1","score":1,"capabilities":[],"runners":[]}])";
        co_return out;
    }

    std::string url(const std::string& path) const {
        return "http://127.0.0.1:" + std::to_string(port) + path;
    }

    std::vector<asked> all() {
        const std::lock_guard lock(guard);
        return requests;
    }

    void start() { source = *make_candidate_source(executor(), settings, logger("test")); }
};

TEST(orchestrators_conformance, s14_the_signers_headers_go_to_its_discovery_url) {
    header_rig rig;
    rig.settings.signer_url = rig.url("/base");
    rig.start();
    EXPECT_THAT(rig.addresses(), ElementsAre("https://a:1"));
    const auto asked = rig.all();
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0].path, "/base/discover-orchestrators");
    EXPECT_EQ(asked[0].key, "for the signer");
}

TEST(orchestrators_conformance, s14_the_signers_headers_never_go_to_a_webhook) {
    header_rig rig;
    rig.settings.signer_url = rig.url("");
    rig.settings.webhook_url = rig.url("/list");
    rig.start();
    EXPECT_THAT(rig.addresses(), ElementsAre("https://a:1"));
    const auto asked = rig.all();
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0].path, "/list");
    EXPECT_EQ(asked[0].key, "");
}

TEST(signer_discovery, is_asked_again_while_the_signer_has_nothing_yet) {
    header_rig rig;
    rig.status = 503;
    rig.settings.signer_url = rig.url("/");
    rig.start();
    const auto list = rig.ask();
    ASSERT_FALSE(list);
    EXPECT_THAT(list.error().detail, HasSubstr("503"));
    rig.status = 200;
    EXPECT_TRUE(rig.wait_until([&] { return rig.ask().has_value(); }));
}

struct chain_rig : source_rig {
    test::fake_node node;
    chain_source_options options;

    chain_rig() {
        options.eth_url = node.url();
        options.controller = "0x" + to_hex(test::fake_node::controller());
        options.refresh.first_pause = 20ms;
        options.refresh.last_pause = 20ms;
        options.refresh.last_pause_without = 20ms;
        options.refresh.fresh = 50ms;
    }

    ~chain_rig() {
        if (source)
            source->stop();
        test::run_on(executor(), test::sleep_for(20ms));
    }

    void start() { source = *make_chain_source(executor(), options, logger("chain")); }

    static test::registered_orchestrator at(char account, std::string uri, bool active = true) {
        return {std::string(20, account), std::move(uri), active};
    }
};

TEST(chain_source, lists_the_active_ones_that_published_an_address) {
    chain_rig rig;
    rig.options.ai_registry = false;
    rig.node.set(
        {chain_rig::at(1, "https://one.example:8935"),
         chain_rig::at(2, "https://gone.example:8935", false),
         chain_rig::at(3, ""),
         chain_rig::at(4, "no url"),
         chain_rig::at(5, "https://five.example:443/"),
         chain_rig::at(6, "https://one.example:8935")}
    );
    rig.start();
    EXPECT_THAT(
        rig.addresses(), ElementsAre("https://one.example:8935", "https://five.example:443")
    );
    EXPECT_LE(rig.node.most_at_once(), rig.options.at_once);
}

TEST(chain_source, ai_nodes_publish_in_a_registry_of_their_own) {
    chain_rig rig;
    rig.node.set({chain_rig::at(1, "https://video.example:1"), chain_rig::at(2, "https://v:2")});
    rig.node.set_ai({{std::string(20, 1), "https://ai.example:1"}});
    rig.start();
    EXPECT_THAT(rig.addresses(), ElementsAre("https://ai.example:1"));
}

TEST(chain_source, follows_what_changes_and_outlasts_a_node_that_fails) {
    chain_rig rig;
    rig.options.ai_registry = false;
    rig.node.set({chain_rig::at(1, "https://one:1")});
    rig.start();
    EXPECT_THAT(rig.addresses(), ElementsAre("https://one:1"));
    http::response refusal;
    refusal.status = http::status::too_many_requests;
    refusal.body = R"({"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"slow down"}})";
    rig.node.refuse(refusal);
    rig.node.set({chain_rig::at(1, "https://one:1"), chain_rig::at(2, "https://two:2")});
    const auto before = rig.node.calls();
    ASSERT_TRUE(rig.wait_until([&] { return rig.node.calls() > before + 3; }));
    EXPECT_THAT(rig.addresses(), ElementsAre("https://one:1"));
    rig.node.refuse(std::nullopt);
    EXPECT_TRUE(rig.wait_until([&] { return rig.addresses().size() == 2; }));
}

TEST(chain_source, an_empty_pool_is_a_list) {
    chain_rig rig;
    rig.start();
    EXPECT_THAT(rig.addresses(), IsEmpty());
}

TEST(chain_source, tells_what_is_wrong_without_the_nodes_key) {
    chain_rig rig;
    rig.node.forget_contracts(true);
    rig.start();
    const auto list = rig.ask();
    ASSERT_FALSE(list);
    EXPECT_THAT(list.error().detail, HasSubstr("-network"));
    EXPECT_THAT(list.error().detail, Not(HasSubstr("secret")));

    chain_rig refused;
    http::response refusal;
    refusal.status = http::status::unauthorized;
    refusal.body = "who are you";
    refused.node.refuse(refusal);
    refused.start();
    const auto none = refused.ask();
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().detail, HasSubstr("answered 401"));
    EXPECT_THAT(none.error().detail, Not(HasSubstr("secret")));
}

TEST(chain_source, a_node_that_hangs_costs_no_more_than_the_limits) {
    chain_rig rig;
    rig.node.set({chain_rig::at(1, "https://one:1")});
    rig.node.delay(1s);
    rig.options.call_limit = 100ms;
    rig.options.limit = 300ms;
    rig.start();
    const auto begun = steady_clock::now();
    const auto list = rig.ask();
    ASSERT_FALSE(list);
    EXPECT_EQ(list.error().code, errc::timed_out);
    EXPECT_LT(steady_clock::now() - begun, 2s);
}

} // namespace
