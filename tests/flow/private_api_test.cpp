// The private API over real HTTP, with made-up answers behind it.
#include "base/shards.hpp"
#include "private_api.hpp"
#include "support/raw_http.hpp"

#include <boost/json/parse.hpp>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using session::capability::live_video_to_video;
using testing::HasSubstr;
using testing::Not;

awaitable<std::string> some_metrics() {
    co_return "livepeer_versions 1\n";
}

class private_api : public testing::Test {
  protected:
    private_api() {
        private_sources from;
        from.network_capabilities = [] {
            return boost::json::object{{"capabilities_names", {{"27", "Text to image"}}}};
        };
        from.pools = [] { return boost::json::object(); };
        from.orchestrators = [] {
            return boost::json::array{
                {{"Url", "https://a:8935"}, {"Score", 1.0}, {"Latency", 12'000'000}}};
        };
        from.streams = [] { return std::size_t{3}; };
        from.caps = &caps;
        from.metrics = some_metrics;
        start(std::move(from));
    }

    ~private_api() override {
        server_->stop(1s);
        server_.reset();
        threads_.stop();
        set_log_level(level_before_);
    }

    void start(private_sources from) {
        if (server_)
            server_->stop(1s);
        server_ = std::make_unique<http::server>(threads_, http::server_options(), logger("test"));
        add_private_routes(*server_, std::move(from));
        port_ = server_->listen("127.0.0.1:0").value();
    }

    raw_reply
    ask(std::string_view method,
        std::string_view path,
        std::string_view form = {},
        std::string_view more = {}) {
        raw_client client(port_);
        client.send(fmt::format(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1:5935\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n{}Content-Length: {}\r\n\r\n{}",
            method,
            path,
            more,
            form.size(),
            form
        ));
        return client.read_reply();
    }

    boost::json::object json(std::string_view path) {
        return boost::json::parse(ask("GET", path).body).as_object();
    }

    session::price_caps caps;

  private:
    log_level level_before_ = current_log_level();
    shards threads_{1};
    std::unique_ptr<http::server> server_;
    std::uint16_t port_ = 0;
};

constexpr std::string_view price = "maxPricePerUnit=10&pixelsPerUnit=4&currency=wei&"
                                   "pipeline=live-video-to-video&modelID=noop";

TEST_F(private_api, status_is_what_the_networks_tools_read) {
    const auto status = json("/status");
    EXPECT_EQ(status.at("OrchestratorPool").at(0).as_string(), "https://a:8935");
    EXPECT_EQ(status.at("OrchestratorPoolInfos").at(0).at("Latency").to_number<int>(), 12'000'000);
    EXPECT_THAT(std::string(status.at("Version").as_string()), HasSubstr("rivulet"));
    EXPECT_EQ(status.at("GOOS").as_string(), "linux");
    EXPECT_EQ(status.at("LiveStreams").to_number<int>(), 3);
    for (const auto* name : {"Manifests", "InternalManifests", "StreamInfo", "BroadcasterPrices"})
        EXPECT_TRUE(status.at(name).as_object().empty()) << name;
    EXPECT_EQ(ask("POST", "/status").status, 200); // any method
}

TEST_F(private_api, capabilities_and_pools_come_from_the_session_manager) {
    EXPECT_EQ(
        json("/getNetworkCapabilities").at("capabilities_names").at("27").as_string(),
        "Text to image"
    );
    EXPECT_TRUE(json("/getAISessionPoolsInfo").empty());
}

TEST_F(private_api, the_log_level_is_read_and_set) {
    EXPECT_EQ(ask("POST", "/setLogLevel", "loglevel=6").status, 200);
    EXPECT_EQ(ask("GET", "/getLogLevel").body, "6");
    EXPECT_EQ(current_log_level(), log_level::trace);
    EXPECT_EQ(ask("POST", "/setLogLevel?loglevel=2").status, 200);
    EXPECT_EQ(ask("GET", "/getLogLevel").body, "2");
    EXPECT_EQ(ask("POST", "/setLogLevel", "loglevel=99").status, 200);
    EXPECT_EQ(ask("GET", "/getLogLevel").body, "6");
    const auto refused = ask("POST", "/setLogLevel", "loglevel=loud");
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(refused.body, HasSubstr("loglevel"));
    EXPECT_EQ(ask("POST", "/setLogLevel").status, 400);
    EXPECT_EQ(ask("GET", "/getLogLevel").body, "6");
}

TEST_F(private_api, a_price_cap_for_one_model_is_set) {
    const auto set = ask("POST", "/setMaxPriceForCapability", price);
    EXPECT_EQ(set.status, 200) << set.body;
    EXPECT_EQ(set.body, "");
    const auto cap = caps.cap_of(live_video_to_video, "noop");
    ASSERT_TRUE(cap);
    EXPECT_EQ(compare(*cap, {5, 2}), 0);
    EXPECT_FALSE(caps.cap_of(live_video_to_video, "other"));
    const auto shown = json("/getBroadcastConfig").at("Capabilities").as_array();
    ASSERT_EQ(shown.size(), 1u);
    EXPECT_EQ(shown.at(0).at("model_id").as_string(), "noop");
}

TEST_F(private_api, a_price_cap_that_says_too_little_is_refused) {
    for (const std::string_view name :
         {"maxPricePerUnit", "pixelsPerUnit", "currency", "pipeline", "modelID"}) {
        std::string form(price);
        form.replace(form.find(name), name.size(), "x");
        const auto refused = ask("POST", "/setMaxPriceForCapability", form);
        EXPECT_EQ(refused.status, 400) << name;
        EXPECT_THAT(refused.body, HasSubstr(name));
    }
    const std::string_view tail = "&pixelsPerUnit=1&currency=wei&pipeline=live-video-to-video"
                                  "&modelID=noop";
    for (const std::string_view amount : {"0", "-1", "much", "1e400"})
        EXPECT_EQ(
            ask("POST",
                "/setMaxPriceForCapability",
                fmt::format("maxPricePerUnit={}{}", amount, tail))
                .status,
            400
        ) << amount;
    EXPECT_EQ(
        ask("POST",
            "/setMaxPriceForCapability",
            "maxPricePerUnit=1&pixelsPerUnit=1&currency=wei&pipeline=teleport&modelID=noop")
            .status,
        400
    );
    EXPECT_FALSE(caps.cap_of(live_video_to_video, "noop"));
}

TEST_F(private_api, the_price_cap_for_everything_is_set_shown_and_lifted) {
    EXPECT_TRUE(json("/getBroadcastConfig").at("MaxPrice").is_null());
    EXPECT_EQ(ask("POST", "/setBroadcastConfig", "maxPricePerUnit=10&pixelsPerUnit=1").status, 200);
    EXPECT_EQ(json("/getBroadcastConfig").at("MaxPrice").as_string(), "10");
    EXPECT_EQ(ask("POST", "/setBroadcastConfig", "maxPricePerUnit=1&pixelsPerUnit=2").status, 200);
    EXPECT_EQ(json("/getBroadcastConfig").at("MaxPrice").as_string(), "1/2");
    EXPECT_EQ(ask("POST", "/setBroadcastConfig", "maxPricePerUnit=x&pixelsPerUnit=2").status, 400);
    EXPECT_EQ(ask("POST", "/setBroadcastConfig", "maxPricePerUnit=3").status, 400);
    EXPECT_EQ(ask("POST", "/setBroadcastConfig", "transcodingOptions=P240p30fps16x9").status, 400);
    EXPECT_EQ(json("/getBroadcastConfig").at("MaxPrice").as_string(), "1/2");
    EXPECT_EQ(ask("POST", "/setBroadcastConfig", "maxPricePerUnit=0&pixelsPerUnit=1").status, 200);
    EXPECT_TRUE(json("/getBroadcastConfig").at("MaxPrice").is_null());
}

TEST_F(private_api, pages_of_other_origins_change_nothing) {
    const std::string_view foreign = "Origin: http://evil.example\r\n";
    EXPECT_EQ(ask("POST", "/setLogLevel", "loglevel=0", foreign).status, 403);
    EXPECT_EQ(ask("POST", "/setMaxPriceForCapability", price, foreign).status, 403);
    EXPECT_EQ(
        ask("POST", "/setBroadcastConfig", "maxPricePerUnit=1&pixelsPerUnit=1", foreign).status, 403
    );
    // An image of another page.
    const std::string_view image = "Sec-Fetch-Site: cross-site\r\n";
    EXPECT_EQ(
        ask("GET", fmt::format("/setMaxPriceForCapability?{}", price), {}, image).status, 403
    );
    EXPECT_FALSE(caps.cap_of(live_video_to_video, "noop"));
    EXPECT_EQ(
        ask("POST", "/setLogLevel", "loglevel=3", "Origin: http://127.0.0.1:5935\r\n").status, 200
    );
    EXPECT_EQ(ask("GET", "/setLogLevel?loglevel=3", {}, "Sec-Fetch-Site: none\r\n").status, 200);
}

TEST_F(private_api, metrics_have_prometheus_content_type_and_are_there_only_when_on) {
    const auto on = ask("GET", "/metrics");
    EXPECT_EQ(on.status, 200);
    EXPECT_EQ(on["Content-Type"], "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(on.body, "livepeer_versions 1\n");
    EXPECT_THAT(ask("GET", "/").body, HasSubstr("href=\"/metrics\""));
    start({});
    EXPECT_EQ(ask("GET", "/metrics").status, 404);
    EXPECT_THAT(ask("GET", "/").body, HasSubstr("start with -monitor"));
    EXPECT_EQ(ask("GET", "/status").status, 200);
    EXPECT_EQ(ask("GET", "/healthz").status, 200);
    EXPECT_EQ(ask("GET", "/healthz").body, "");
}

} // namespace
} // namespace rivulet::test
