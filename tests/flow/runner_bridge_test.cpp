// A node in front of a real runner: a Python process that speaks as ai-runner or as pytrickle does.
#include "http/client.hpp"
#include "support/program.hpp"
#include "support/scratch.hpp"
#include "support/ts_clip.hpp"
#include "trickle/channel_reader.hpp"
#include "trickle/channel_writer.hpp"
#include "worker/service.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace rivulet::worker {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

bool eventually(const std::function<bool()>& holds, duration limit = 20s) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

// The segments of a channel, as text.
class heard {
  public:
    void add(const trickle::channel_chunk& chunk) {
        const std::lock_guard lock(guard_);
        if (chunk.segment_begins)
            segments_.emplace_back();
        for (const auto& block : chunk.blocks)
            segments_.back() += block.text();
        if (chunk.segment_ends)
            ++whole_;
    }

    void end() {
        const std::lock_guard lock(guard_);
        ended_ = true;
    }

    bool ended() const {
        const std::lock_guard lock(guard_);
        return ended_;
    }

    std::vector<std::string> segments() const {
        const std::lock_guard lock(guard_);
        return {segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(whole_)};
    }

    std::string all() const {
        std::string text;
        for (const auto& each : segments())
            text += each;
        return text;
    }

  private:
    mutable std::mutex guard_;
    std::vector<std::string> segments_;
    std::size_t whole_ = 0;
    bool ended_ = false;
};

awaitable<void> hear(trickle::channel_ptr source, std::shared_ptr<heard> into) {
    trickle::channel_reader reader(co_await asio::this_coro::executor, std::move(source), 0);
    for (;;) {
        auto chunk = co_await reader.read();
        if (!chunk)
            break;
        into->add(*chunk);
    }
    into->end();
}

class runner_bridge : public testing::Test {
  protected:
    void TearDown() override {
        if (node_)
            node_->stop(3s);
        node_.reset();
        shards_.stop();
    }

    void start_runner(std::vector<std::string> words) {
        const auto output = files_ / "runner";
        words.insert(
            words.begin(), {"/usr/bin/python3", RIVULET_TEST_SOURCE "/interop/aiohttp_runner.py"}
        );
        runner_ = std::make_unique<test::program>(std::move(words), output);
        int port = 0;
        ASSERT_TRUE(eventually([&] {
            std::ifstream file(output);
            std::string word;
            return file >> word >> port && word == "ready";
        }));
        runner_url_ = fmt::format("http://127.0.0.1:{}", port);
    }

    void start_node(orchestrator_options options = {}) {
        service_options whole;
        whole.service_addr = "127.0.0.1:0";
        options.runners = {runner_url_};
        whole.orchestrator = std::move(options);
        node_.emplace(shards_, std::move(whole), logger("test"));
        const auto port = node_->start();
        ASSERT_TRUE(port) << port.error().detail;
    }

    void start(std::vector<std::string> words, orchestrator_options options = {}) {
        ASSERT_NO_FATAL_FAILURE(start_runner(std::move(words)));
        ASSERT_NO_FATAL_FAILURE(start_node(std::move(options)));
        ASSERT_TRUE(eventually([&] { return free_places() == 1; }));
    }

    http::response ask(http::verb method, std::string url, std::string body = {}) {
        http::header_list headers{{"Content-Type", "application/json"}};
        auto asking = http::fetch(
            {}, method, std::move(url), std::move(headers), std::move(body), 20s, 1 << 20
        );
        auto reply = asio::co_spawn(shards_.at(0), std::move(asking), asio::use_future).get();
        EXPECT_TRUE(reply) << reply.error().detail;
        return reply ? std::move(*reply) : http::response{};
    }

    http::response post_job(json::object params = {}, std::string model = "identity") {
        json::object body{
            {"model_id", model},
            {"params", std::move(params)},
            {"gateway_request_id", "request-1"},
            {"stream_id", "stream-1"},
        };
        return ask(http::verb::post, node_->url() + "/live-video-to-video", json::serialize(body));
    }

    std::string new_job(json::object params = {}) {
        const auto got = post_job(std::move(params));
        EXPECT_EQ(got.status, http::status::ok) << got.body;
        if (got.status != http::status::ok)
            return {};
        return std::string(json::parse(got.body).at("manifest_id").as_string());
    }

    json::array runner_log() {
        return json::parse(ask(http::verb::get, runner_url_ + "/test/log").body).as_array();
    }

    // The first entry of that kind.
    std::optional<json::value> logged(std::string_view what) {
        for (const auto& each : runner_log())
            if (each.at(0).as_string() == what)
                return each.at(1);
        return std::nullopt;
    }

    std::uint32_t free_places() {
        std::uint32_t count = 0;
        for (const auto& each : node_->offer().models)
            count += each.capacity;
        return count;
    }

    template <class Call>
    auto on_home(const std::string& name, Call call) {
        std::packaged_task<decltype(call())()> task(std::move(call));
        auto done = task.get_future();
        // Wrapped: Asio takes a bare packaged_task for a completion token.
        asio::post(node_->channels().home(name), [task = std::move(task)]() mutable { task(); });
        return done.get();
    }

    std::shared_ptr<heard> listen(const std::string& name) {
        auto made = std::make_shared<heard>();
        on_home(name, [&] {
            auto source = node_->channels().find(name);
            EXPECT_TRUE(source) << name;
            if (source)
                asio::co_spawn(node_->channels().home(name), hear(source, made), asio::detached);
        });
        return made;
    }

    void publish(const std::string& name, const bytes& whole) {
        on_home(name, [&] {
            trickle::channel_writer writer(node_->channels().find(name));
            EXPECT_FALSE(writer.write_segment(whole));
        });
    }

    void remove(const std::string& name) {
        on_home(name, [&] { return node_->channels().remove(name); });
    }

    bool nothing_left() { return node_->channels().size() == 0 && node_->jobs() == 0; }

    shards shards_{2};
    test::scratch files_;
    std::unique_ptr<test::program> runner_;
    std::string runner_url_;
    std::optional<service> node_;
};

const test::clip& plain_clip() {
    static const auto made = test::make_clip();
    return made;
}

json::object last_status(const heard& events) {
    json::object found;
    for (const auto& each : events.segments()) {
        auto whole = json::parse(each);
        if (whole.at("event").at("type").as_string() == "status")
            found = whole.at("event").as_object();
    }
    return found;
}

} // namespace

TEST_F(runner_bridge, an_ai_runner_gets_the_stream_its_parameters_and_its_end) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "ai"}));
    const auto id = new_job({{"prompt", "a river"}});
    EXPECT_EQ(free_places(), 0u);
    const auto out = listen(id + "-out"), events = listen(id + "-events");
    std::string sent;
    for (const auto& segment : plain_clip().segments) {
        const auto whole = segment.whole();
        sent += whole.text();
        publish(id, whole);
        ASSERT_TRUE(eventually([&] { return out->all().size() == sent.size(); }));
    }
    EXPECT_EQ(out->all(), sent);

    const auto asked = logged("start");
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->at("model_id"), "identity");
    EXPECT_EQ(asked->at("stream_id"), "stream-1");
    EXPECT_EQ(asked->at("manifest_id"), json::string(id));
    EXPECT_EQ(asked->at("params").at("prompt"), "a river");

    publish(id + "-control", bytes::copy_of(std::string_view(R"({"prompt":"the sea"})")));
    ASSERT_TRUE(eventually([&] { return logged("params").has_value(); }));
    EXPECT_EQ(logged("params")->at("prompt"), "the sea");
    ASSERT_TRUE(eventually([&] {
        const auto status = last_status(*events);
        return !status.empty() &&
               status.at("inference_status").at("last_params").as_object().contains("prompt") &&
               status.at("inference_status").at("last_params").at("prompt") == "the sea";
    }));
    EXPECT_EQ(last_status(*events).at("pipeline"), "identity") << "the runner's own report";

    remove(id); // what a gateway's DELETE does
    ASSERT_TRUE(eventually([&] { return nothing_left(); }));
    EXPECT_TRUE(out->ended());
    EXPECT_TRUE(events->ended());
    EXPECT_TRUE(logged("ended"));
    EXPECT_TRUE(eventually([&] { return free_places() == 1; }));
}

TEST_F(runner_bridge, the_stream_family_is_started_updated_and_stopped) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "stream"}));
    const auto id = new_job({{"prompt", "first"}, {"width", 512}, {"height", 512}});
    const auto out = listen(id + "-out"), events = listen(id + "-events");
    publish(id, plain_clip().segments.front().whole());
    ASSERT_TRUE(eventually([&] { return !out->segments().empty(); }));
    const auto asked = logged("start");
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->at("gateway_request_id"), "request-1");
    EXPECT_EQ(asked->at("params").at("prompt"), "first");

    publish(
        id + "-control",
        bytes::copy_of(std::string_view(R"({"prompt":{"1":{}},"show_loading":false})"))
    );
    ASSERT_TRUE(eventually([&] { return logged("params").has_value(); }));
    EXPECT_TRUE(logged("params")->at("prompts").is_object()) << "the word of its updates";
    ASSERT_TRUE(eventually([&] { return logged("posted params").has_value(); }));
    EXPECT_EQ(logged("posted params")->at("show_loading"), false);
    // It reports no status, so the worker does.
    ASSERT_TRUE(eventually([&] { return !last_status(*events).empty(); }));

    remove(id);
    ASSERT_TRUE(eventually([&] { return nothing_left(); }));
    EXPECT_TRUE(logged("stop"));
    EXPECT_TRUE(eventually([&] { return free_places() == 1; }));
}

TEST_F(runner_bridge, a_second_stream_finds_no_room) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "ai"}));
    const auto id = new_job();
    const auto second = post_job();
    EXPECT_EQ(second.status, http::status::service_unavailable);
    EXPECT_EQ(second.body, "insufficient capacity\n");
    remove(id);
    ASSERT_TRUE(eventually([&] { return free_places() == 1; }));
    EXPECT_FALSE(new_job().empty());
}

TEST_F(runner_bridge, a_node_that_stops_ends_the_runners_stream) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "ai"}));
    const auto id = new_job();
    const auto events = listen(id + "-events");
    ASSERT_TRUE(eventually([&] { return !last_status(*events).empty(); }));
    const auto began = steady_clock::now();
    node_->stop(3s);
    EXPECT_LT(steady_clock::now() - began, 2s);
    EXPECT_TRUE(eventually([&] { return logged("ended").has_value(); }));
}

TEST_F(runner_bridge, a_runner_that_dies_ends_the_channels) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "ai"}));
    const auto id = new_job();
    const auto out = listen(id + "-out"), events = listen(id + "-events");
    publish(id, plain_clip().segments.front().whole());
    ASSERT_TRUE(eventually([&] { return !out->segments().empty(); }));
    runner_->kill(SIGKILL);
    ASSERT_TRUE(eventually([&] { return nothing_left(); }));
    EXPECT_TRUE(out->ended());
    EXPECT_TRUE(events->ended());
    EXPECT_EQ(post_job().status, http::status::service_unavailable);
    EXPECT_EQ(free_places(), 0u);
}

TEST_F(runner_bridge, a_runner_that_reports_an_error_loses_its_stream) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "ai"}));
    const auto id = new_job();
    const auto out = listen(id + "-out");
    ask(http::verb::post, runner_url_ + "/test/health", R"({"status":"ERROR"})");
    ASSERT_TRUE(eventually([&] { return nothing_left(); }));
    EXPECT_TRUE(out->ended());
    EXPECT_EQ(free_places(), 0u);
    ask(http::verb::post, runner_url_ + "/test/health", "{}");
    EXPECT_TRUE(eventually([&] { return free_places() == 1; }));
}

TEST_F(runner_bridge, the_gateway_learns_why_a_runner_refused) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "ai"}));
    const auto refuse = [&](int status) {
        ask(http::verb::post,
            runner_url_ + "/test/refuse",
            fmt::format(R"({{"status":{},"text":"width is no multiple of 64"}})", status));
        return post_job();
    };
    auto got = refuse(400);
    EXPECT_EQ(got.status, http::status::bad_request);
    EXPECT_EQ(got.body, "width is no multiple of 64\n");
    ASSERT_TRUE(eventually([&] { return nothing_left() && free_places() == 1; }));
    got = refuse(500);
    EXPECT_EQ(got.status, http::status::internal_server_error);
    EXPECT_NE(got.body.find("width is no multiple of 64"), std::string::npos) << got.body;
    ASSERT_TRUE(eventually([&] { return nothing_left() && free_places() == 1; }));
    got = refuse(503);
    EXPECT_EQ(got.status, http::status::service_unavailable);
    EXPECT_TRUE(got.body.starts_with("insufficient capacity")) << got.body;
    ASSERT_TRUE(eventually([&] { return nothing_left() && free_places() == 1; }));
}

TEST_F(runner_bridge, a_runner_that_is_not_ready_gets_nothing) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "ai"}));
    ask(http::verb::post, runner_url_ + "/test/health", R"({"status":"LOADING"})");
    ASSERT_TRUE(eventually([&] { return free_places() == 0; }));
    EXPECT_EQ(post_job().status, http::status::service_unavailable);
    EXPECT_FALSE(logged("start"));
}

TEST_F(runner_bridge, names_models_and_hardware_of_its_runners) {
    orchestrator_options options;
    options.runner_models = {"comfyui", "streamdiffusion"};
    options.runner_token = "secret";
    ASSERT_NO_FATAL_FAILURE(start_runner({"--kind", "stream", "--token", "secret"}));
    ASSERT_NO_FATAL_FAILURE(start_node(std::move(options)));
    ASSERT_TRUE(eventually([&] { return free_places() == 2; }));
    const auto offer = node_->offer();
    ASSERT_EQ(offer.models.size(), 2u);
    EXPECT_EQ(offer.models[0].model, "comfyui");
    EXPECT_EQ(offer.models[1].model, "streamdiffusion");
    EXPECT_EQ(offer.models[0].runner_version, "0.14.0");
    ASSERT_EQ(offer.hardware.size(), 1u);
    EXPECT_EQ(offer.hardware[0].gpus.at("0").name, "Test card");
    EXPECT_EQ(post_job({}, "comfyui").status, http::status::ok);
    EXPECT_EQ(post_job({}, "streamdiffusion").status, http::status::service_unavailable);
}

TEST_F(runner_bridge, batch_requests_pass_through) {
    ASSERT_NO_FATAL_FAILURE(start({"--kind", "ai", "--pipeline", "text-to-image"}));
    EXPECT_EQ(node_->offer().models[0].capability, session::capability::text_to_image);
    const auto post = [&](std::string body) {
        return ask(http::verb::post, node_->url() + "/text-to-image", std::move(body));
    };
    auto got = post(R"({"model_id":"identity","prompt":"a river"})");
    EXPECT_EQ(got.status, http::status::ok);
    EXPECT_EQ(json::parse(got.body).at("images").at(0).at("seed"), 1);
    got = post(R"({"model_id":"identity"})");
    EXPECT_EQ(got.status, http::status::bad_request);
    EXPECT_EQ(got.body, "text-to-image container returned 400: a prompt is needed\n");
    got = post(R"({"prompt":"fail"})");
    EXPECT_EQ(got.status, http::status::internal_server_error);
    EXPECT_EQ(got.body, "text-to-image container returned 500: the card is on fire\n");
    got = post(R"({"model_id":"another","prompt":"a river"})");
    EXPECT_EQ(got.status, http::status::service_unavailable);
    EXPECT_EQ(
        ask(http::verb::post, node_->url() + "/upscale", "{}").status,
        http::status::service_unavailable
    );
}

TEST_F(runner_bridge, an_address_that_is_none_stops_the_start) {
    service_options options;
    options.service_addr = "127.0.0.1:0";
    options.orchestrator.runners = {"runner:8000"};
    service node(shards_, std::move(options), logger("test"));
    const auto started = node.start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().detail.find("-runner runner:8000"), std::string::npos);
}

} // namespace rivulet::worker
