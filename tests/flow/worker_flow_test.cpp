// A whole orchestrator node in this process: jobs over real HTTP, media through its channels.
#include "support/ts_clip.hpp"
#include "trickle/channel_reader.hpp"
#include "trickle/channel_writer.hpp"
#include "worker/service.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace rivulet::worker {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

bool eventually(const std::function<bool()>& holds, duration limit = 10s) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

// gRPC's threads come and go as they like.
std::size_t job_threads() {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream file(each.path() / "comm");
        std::string name;
        count += std::getline(file, name) && name == "worker-job";
    }
    return count;
}

struct answer {
    int status = 0;
    std::string body;
};

// One request on a connection of its own.
answer ask(std::uint16_t port, std::string method, std::string target, std::string body = {}) {
    asio::io_context context;
    tcp::socket socket(context);
    socket.connect({asio::ip::make_address("127.0.0.1"), port});
    const auto text = fmt::format(
        "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        method,
        target,
        port,
        body.size(),
        body
    );
    asio::write(socket, asio::buffer(text));
    std::string reply;
    error_code ec;
    asio::read(socket, asio::dynamic_buffer(reply), ec);
    answer got;
    if (reply.size() > 12)
        got.status = std::stoi(reply.substr(9, 3));
    if (const auto blank = reply.find("\r\n\r\n"); blank != std::string::npos)
        got.body = reply.substr(blank + 4);
    return got;
}

// Everything that a channel carried, as its segments.
class recording {
  public:
    void add(const trickle::channel_chunk& chunk) {
        const std::lock_guard lock(guard_);
        if (chunk.segment_begins)
            segments_.emplace_back();
        if (segments_.empty())
            return;
        for (const auto& block : chunk.blocks) {
            segments_.back() += block.text();
            blocks_.push_back(block.data());
        }
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
        return segments_;
    }

    std::vector<const std::uint8_t*> blocks() const {
        const std::lock_guard lock(guard_);
        return blocks_;
    }

    test::seen_clip seen() const {
        std::string all;
        for (const auto& segment : segments())
            all += segment;
        return test::look_at({reinterpret_cast<const std::uint8_t*>(all.data()), all.size()});
    }

    // Events of a type, without their wrapper.
    std::vector<json::object> events(std::string_view type) const {
        std::vector<json::object> found;
        for (const auto& segment : segments()) {
            error_code ec;
            auto whole = json::parse(segment, ec);
            if (!ec && whole.at("event").at("type").as_string() == type)
                found.push_back(whole.at("event").as_object());
        }
        return found;
    }

  private:
    mutable std::mutex guard_;
    std::vector<std::string> segments_;
    std::vector<const std::uint8_t*> blocks_;
    bool ended_ = false;
};

awaitable<void> record(trickle::channel_ptr source, std::shared_ptr<recording> into) {
    trickle::channel_reader reader(co_await asio::this_coro::executor, std::move(source), 0);
    for (;;) {
        auto chunk = co_await reader.read();
        if (!chunk)
            break;
        into->add(*chunk);
    }
    into->end();
}

class worker_flow : public testing::Test {
  protected:
    void start(service_options options = {}) {
        options.service_addr = "127.0.0.1:0";
        node_.emplace(shards_, std::move(options), logger("test"));
        auto port = node_->start();
        ASSERT_TRUE(port) << port.error().detail;
        port_ = *port;
    }

    void TearDown() override {
        if (node_)
            node_->stop(5s);
        node_.reset();
        shards_.stop();
    }

    answer post_job(std::string model, json::value params = nullptr) {
        json::object body{
            {"gateway_request_id", "r"},
            {"model_id", model},
            {"params", std::move(params)},
            {"publish_url", ""},
            {"stream_id", "s"},
            {"subscribe_url", ""},
        };
        return ask(port_, "POST", "/live-video-to-video", json::serialize(body));
    }

    // A job that must be accepted; returns its manifest id.
    std::string new_job(std::string model, json::value params = nullptr) {
        const auto got = post_job(std::move(model), std::move(params));
        EXPECT_EQ(got.status, 200) << got.body;
        if (got.status != 200)
            return {};
        return std::string(json::parse(got.body).at("manifest_id").as_string());
    }

    template <class Call>
    auto on_home(const std::string& name, Call call) {
        std::packaged_task<decltype(call())()> task(std::move(call));
        auto done = task.get_future();
        asio::post(node_->channels().home(name), std::move(task));
        return done.get();
    }

    bool exists(const std::string& name) {
        return on_home(name, [&] { return node_->channels().find(name) != nullptr; });
    }

    std::shared_ptr<recording> listen(const std::string& name) {
        auto made = std::make_shared<recording>();
        on_home(name, [&] {
            auto source = node_->channels().find(name);
            EXPECT_TRUE(source) << name;
            if (source)
                asio::co_spawn(node_->channels().home(name), record(source, made), asio::detached);
        });
        return made;
    }

    void publish(const std::string& name, const test::clip::segment& segment) {
        on_home(name, [&] {
            trickle::channel_writer writer(node_->channels().find(name));
            EXPECT_FALSE(writer.begin_segment());
            for (const auto& block : segment.blocks)
                EXPECT_FALSE(writer.append(block));
            writer.end_segment();
        });
    }

    void publish_text(const std::string& name, std::string_view text) {
        on_home(name, [&] {
            trickle::channel_writer writer(node_->channels().find(name));
            EXPECT_FALSE(writer.write_segment(bytes::copy_of(text)));
        });
    }

    void remove(const std::string& name) {
        on_home(name, [&] { return node_->channels().remove(name); });
    }

    bool all_gone(const std::string& id) {
        return !exists(id) && !exists(id + "-out") && !exists(id + "-control") &&
               !exists(id + "-events");
    }

    shards shards_{2};
    std::optional<service> node_;
    std::uint16_t port_ = 0;
};

const test::clip& plain_clip() {
    static const auto made = test::make_clip();
    return made;
}

std::size_t pictures_until(const test::clip& clip, std::size_t segments) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < segments; ++i)
        count += clip.segments[i].video_pts.size();
    return count;
}

} // namespace

TEST_F(worker_flow, negates_a_stream_and_keeps_its_times_and_its_sound) {
    start();
    const auto id = new_job("avfilter", {{"graph", "negate"}});
    const auto out = listen(id + "-out");
    for (const auto& segment : plain_clip().segments)
        publish(id, segment);
    remove(id); // what a gateway's DELETE does
    ASSERT_TRUE(eventually([&] { return out->ended(); }));

    const auto seen = out->seen();
    EXPECT_EQ(seen.errors, 0);
    EXPECT_EQ(seen.video_pts(), plain_clip().video_pts);
    for (const auto& picture : seen.pictures)
        EXPECT_NEAR(picture.left, 215, 8);
    EXPECT_EQ(seen.audio_codec, "aac");
    EXPECT_GE(seen.audio_pts.size() + 3, plain_clip().audio_pts.size());
    for (const auto& segment : out->segments()) {
        const auto alone =
            test::look_at({reinterpret_cast<const std::uint8_t*>(segment.data()), segment.size()});
        EXPECT_EQ(alone.errors, 0);
        EXPECT_GE(alone.pictures.size(), 20u);
    }
}

TEST_F(worker_flow, passthrough_shares_the_very_blocks_and_keeps_the_segments) {
    start();
    const auto id = new_job("passthrough");
    const auto in = listen(id), out = listen(id + "-out");
    for (const auto& segment : plain_clip().segments) {
        publish(id, segment);
        ASSERT_TRUE(eventually([&] { return out->blocks().size() == in->blocks().size(); }));
    }
    remove(id);
    ASSERT_TRUE(eventually([&] { return out->ended(); }));
    EXPECT_EQ(out->blocks(), in->blocks());
    EXPECT_EQ(out->segments(), in->segments());
    EXPECT_EQ(out->segments().size(), plain_clip().segments.size());
}

TEST_F(worker_flow, noop_decodes_and_encodes_every_picture) {
    start();
    const auto id = new_job("noop");
    const auto out = listen(id + "-out");
    for (const auto& segment : plain_clip().segments)
        publish(id, segment);
    remove(id);
    ASSERT_TRUE(eventually([&] { return out->ended(); }));
    const auto seen = out->seen();
    EXPECT_EQ(seen.video_pts(), plain_clip().video_pts);
    EXPECT_NEAR(seen.pictures.at(5).left, 40, 8);
}

TEST_F(worker_flow, changes_the_graph_while_running_without_a_gap) {
    start();
    const auto id = new_job("avfilter", {{"graph", "negate"}});
    const auto out = listen(id + "-out"), events = listen(id + "-events");
    publish(id, plain_clip().segments[0]);
    ASSERT_TRUE(eventually([&] { return !out->segments().empty(); }));
    // The update reaches the runner on another channel than the media: let it arrive first.
    publish_text(id + "-control", R"({"graph":"hflip"})");
    ASSERT_TRUE(eventually([&] {
        for (const auto& event : events->events("status"))
            if (json::serialize(event).find("hflip") != std::string::npos)
                return true;
        return false;
    }));
    publish(id, plain_clip().segments[1]);
    publish(id, plain_clip().segments[2]);
    remove(id);
    ASSERT_TRUE(eventually([&] { return out->ended(); }));
    const auto seen = out->seen();
    EXPECT_EQ(seen.video_pts(), plain_clip().video_pts);
    EXPECT_NEAR(seen.pictures.front().left, 215, 8);
    EXPECT_NEAR(seen.pictures.back().left, 100, 8);
    EXPECT_NEAR(seen.pictures.back().right, 40, 8);
}

TEST_F(worker_flow, a_bad_graph_is_reported_and_the_last_good_one_goes_on) {
    start();
    const auto id = new_job("avfilter", {{"graph", "negate"}});
    const auto out = listen(id + "-out"), events = listen(id + "-events");
    publish(id, plain_clip().segments[0]);
    ASSERT_TRUE(eventually([&] { return !out->segments().empty(); }));
    publish_text(id + "-control", R"({"graph":"movie=/etc/passwd"})");
    ASSERT_TRUE(eventually([&] { return !events->events("error").empty(); }));
    publish(id, plain_clip().segments[1]);
    remove(id);
    ASSERT_TRUE(eventually([&] { return out->ended() && events->ended(); }));

    EXPECT_NEAR(out->seen().pictures.back().left, 215, 8);
    const auto last = events->events("status").back();
    const std::string error(last.at("inference_status").at("last_error").as_string());
    EXPECT_NE(error.find("movie"), std::string::npos);
    EXPECT_EQ(last.at("state"), "OFFLINE");
}

TEST_F(worker_flow, a_bad_first_graph_starts_the_job_all_the_same) {
    start();
    const auto id = new_job("avfilter", {{"graph", "subtitles=/etc/passwd"}});
    const auto out = listen(id + "-out"), events = listen(id + "-events");
    publish(id, plain_clip().segments[0]);
    remove(id);
    ASSERT_TRUE(eventually([&] { return out->ended(); }));
    EXPECT_NEAR(out->seen().pictures.at(0).left, 40, 8);
    EXPECT_FALSE(events->events("error").empty());
}

TEST_F(worker_flow, answers_503_with_the_networks_words_when_it_is_full) {
    service_options options;
    options.orchestrator.capacity = 1;
    start(options);
    const auto id = new_job("noop");
    const auto refused = post_job("avfilter");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.body, "insufficient capacity\n");
    new_job("passthrough"); // has an allowance of its own
    remove(id);
    ASSERT_TRUE(eventually([&] { return all_gone(id); }));
    new_job("noop");
}

TEST_F(worker_flow, refuses_what_it_cannot_run) {
    start();
    EXPECT_EQ(ask(port_, "POST", "/live-video-to-video", "{").status, 400);
    const auto unknown = post_job("streamdiffusion");
    EXPECT_EQ(unknown.status, 503);
    EXPECT_NE(unknown.body.find("insufficient capacity"), std::string::npos);
    EXPECT_EQ(post_job("noop", "text").status, 400);
    EXPECT_EQ(node_->jobs(), 0u);
    EXPECT_EQ(node_->channels().size(), 0u);
}

TEST_F(worker_flow, hands_out_urls_that_answer) {
    start();
    const auto reply = json::parse(post_job("noop").body);
    const std::string id(reply.at("manifest_id").as_string());
    const auto base = fmt::format("http://127.0.0.1:{}/ai/trickle/{}", port_, id);
    EXPECT_EQ(reply.at("publish_url").as_string(), base);
    EXPECT_EQ(reply.at("subscribe_url").as_string(), base + "-out");
    EXPECT_EQ(reply.at("control_url").as_string(), base + "-control");
    EXPECT_EQ(reply.at("events_url").as_string(), base + "-events");
    for (const char* suffix : {"", "-out", "-control", "-events"})
        EXPECT_EQ(ask(port_, "GET", "/ai/trickle/" + id + suffix + "/next").status, 200);
}

TEST_F(worker_flow, a_delete_of_the_input_ends_the_job_with_its_channels_and_its_thread) {
    start();
    const auto before = job_threads();
    std::vector<std::string> ids;
    const auto first = new_job("noop"), second = new_job("avfilter", {{"graph", "hflip"}});
    EXPECT_TRUE(eventually([&] { return job_threads() == before + 2; }));
    publish(first, plain_clip().segments[0]);
    EXPECT_EQ(ask(port_, "DELETE", "/ai/trickle/" + first).status, 200);
    EXPECT_EQ(ask(port_, "DELETE", "/ai/trickle/" + second).status, 200);
    EXPECT_TRUE(eventually([&] { return all_gone(first) && all_gone(second); }));
    EXPECT_TRUE(eventually([&] { return node_->jobs() == 0; }));
    EXPECT_TRUE(eventually([&] { return job_threads() == before; }));
    EXPECT_EQ(node_->channels().size(), 0u);
}

TEST_F(worker_flow, a_job_without_input_ends) {
    service_options options;
    options.orchestrator.input_timeout = 500ms;
    start(options);
    const auto id = new_job("noop");
    EXPECT_TRUE(eventually([&] { return all_gone(id) && node_->jobs() == 0; }));
}

TEST_F(worker_flow, a_deleted_output_ends_the_job) {
    start();
    const auto id = new_job("passthrough");
    remove(id + "-out");
    publish(id, plain_clip().segments[0]);
    EXPECT_TRUE(eventually([&] { return all_gone(id); }));
}

TEST_F(worker_flow, stops_with_jobs_running) {
    start();
    for (const char* model : {"noop", "passthrough"}) {
        const auto id = new_job(model);
        publish(id, plain_clip().segments[0]);
    }
    const auto before = steady_clock::now();
    node_->stop(5s);
    EXPECT_LT(steady_clock::now() - before, 4s);
    EXPECT_EQ(node_->jobs(), 0u);
    EXPECT_EQ(node_->channels().size(), 0u);
}

TEST_F(worker_flow, does_not_wait_for_a_backlog_when_it_must_stop_now) {
    start();
    const auto before = job_threads();
    const auto id =
        new_job("avfilter", {{"graph", "scale=1280:720,geq=lum='mod(X*Y+hypot(X,Y),255)'"}});
    for (const auto& segment : plain_clip().segments)
        publish(id, segment);
    const auto began = steady_clock::now();
    node_->stop(1ms);
    EXPECT_LT(steady_clock::now() - began, 5s);
    EXPECT_TRUE(eventually([&] { return job_threads() == before; }));
    EXPECT_EQ(node_->jobs(), 0u);
}

TEST_F(worker_flow, keeps_the_names_of_the_channels_out_of_its_log) {
    testing::internal::CaptureStderr();
    start();
    const auto id = new_job("noop");
    publish(id, plain_clip().segments[0]);
    publish_text(id + "-control", "no JSON");
    remove(id);
    const bool gone = eventually([&] { return all_gone(id) && node_->jobs() == 0; });
    const auto log = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(gone);
    EXPECT_NE(log.find("begins: noop"), std::string::npos) << log;
    EXPECT_EQ(log.find(id), std::string::npos) << log;
}

TEST_F(worker_flow, shows_its_jobs) {
    start();
    EXPECT_EQ(json::parse(ask(port_, "GET", "/health").body).at("status"), "IDLE");
    const auto id = new_job("avfilter", {{"graph", "negate"}});
    const auto out = listen(id + "-out");
    publish(id, plain_clip().segments[0]);
    ASSERT_TRUE(eventually([&] { return !out->segments().empty(); }));
    EXPECT_EQ(json::parse(ask(port_, "GET", "/health").body).at("status"), "OK");
    const auto page = ask(port_, "GET", "/status").body;
    EXPECT_EQ(page.find(id), std::string::npos) << "the name of the channels is a secret";
    const auto status = json::parse(page);
    const auto& job = status.at("jobs").at(0);
    EXPECT_EQ(job.at("job").as_string().size(), 8u);
    EXPECT_EQ(job.at("model_id"), "avfilter");
    EXPECT_EQ(job.at("status").at("inference_status").at("last_params").at("graph"), "negate");
    const auto capabilities = json::parse(ask(port_, "GET", "/capabilities").body);
    EXPECT_EQ(capabilities.at("models").as_array().size(), 3u);
    EXPECT_EQ(capabilities.at("capacity_in_use"), 1);
}

TEST_F(worker_flow, tells_the_first_segment_in_and_out) {
    start();
    const auto id = new_job("noop");
    const auto events = listen(id + "-events");
    publish(id, plain_clip().segments[0]);
    EXPECT_TRUE(eventually([&] {
        return events->events("runner_receive_first_ingest_segment").size() == 1 &&
               events->events("runner_send_first_processed_segment").size() == 1;
    }));
}

class trickle_conformance : public worker_flow {};

TEST_F(trickle_conformance, s71_emits_events_and_output_segments_while_input_flows) {
    EXPECT_LE(orchestrator_options{}.status_interval, 10s);
    service_options options;
    options.orchestrator.status_interval = 1s;
    start(options);
    const auto id = new_job("noop");
    const auto out = listen(id + "-out"), events = listen(id + "-events");
    // Seven seconds of media with a single keyframe, in one input segment.
    const auto clip = test::make_clip({.frames = 210, .gop = 1000, .audio = false});
    publish(id, clip.segments.at(0));
    ASSERT_TRUE(eventually([&] { return events->events("status").size() >= 4; }));
    ASSERT_TRUE(eventually([&] { return out->segments().size() >= 4; }));
}

TEST_F(trickle_conformance, s72_ignores_keepalives_and_applies_other_control_objects) {
    start();
    const auto id = new_job("avfilter", {{"graph", "negate"}});
    const auto out = listen(id + "-out"), events = listen(id + "-events");
    publish(id, plain_clip().segments[0]);
    const auto params_seen = [&] {
        std::vector<std::string> found;
        for (const auto& event : events->events("status")) {
            const auto& params = event.at("inference_status").at("last_params");
            if (params.is_object())
                found.push_back(json::serialize(params));
        }
        return found;
    };
    ASSERT_TRUE(eventually([&] { return params_seen().size() == 1; }));
    publish_text(id + "-control", R"({"keep":"alive"})");
    publish_text(id + "-control", "no JSON");
    publish_text(id + "-control", R"({"graph":"vflip","more":1})");
    ASSERT_TRUE(eventually([&] { return params_seen().size() == 2; }));
    EXPECT_EQ(
        params_seen(),
        (std::vector<std::string>{R"({"graph":"negate"})", R"({"graph":"vflip","more":1})"})
    );
    publish(id, plain_clip().segments[1]);
    remove(id);
    ASSERT_TRUE(eventually([&] { return out->ended(); }));
    EXPECT_EQ(out->seen().pictures.size(), pictures_until(plain_clip(), 2));
    EXPECT_NEAR(out->seen().pictures.back().left, 40, 8);
}

} // namespace rivulet::worker
