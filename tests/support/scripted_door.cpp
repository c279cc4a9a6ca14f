#include "support/scripted_door.hpp"

#include "trickle/channel_reader.hpp"
#include "trickle/channel_writer.hpp"

#include <boost/asio/detached.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <stdexcept>

namespace rivulet::test {
namespace {

constexpr const char* base = "/ai/trickle/";

trickle::server_options mounted() {
    trickle::server_options options;
    options.base_path = base;
    return options;
}

} // namespace

scripted_door::scripted_door(std::uint16_t port, http::tls_context tls)
    : table_(shards_, {}, logger("scripted door")),
      trickle_(table_, mounted(), logger("scripted door")),
      front_(shards_, {}, logger("scripted door")), secure_(tls != nullptr) {
    trickle_.mount(front_, shards_);
    const std::string one = "/live/video-to-video/{stream}";
    front_.route(
        http::verb::post,
        one + "/trickle",
        [this](const http::request& request) -> awaitable<http::response> {
            co_return open(request);
        }
    );
    front_.route(
        http::verb::post,
        one + "/update",
        [this](const http::request& request) -> awaitable<http::response> {
            const std::lock_guard lock(mutex_);
            updates_.push_back(request.body);
            co_return http::response();
        }
    );
    port_ = front_.listen("127.0.0.1:" + std::to_string(port), std::move(tls)).value();
}

scripted_door::~scripted_door() {
    table_.stop();
    front_.stop(std::chrono::milliseconds(0));
    shards_.stop();
}

std::string scripted_door::url() const {
    return (secure_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
}

std::string scripted_door::name_of(int door, const std::string& channel) {
    return "door" + std::to_string(door) + "-" + channel;
}

http::response scripted_door::open(const http::request& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back({request.path, std::string(request["Authorization"]), request.body});
    if (!answers_.empty()) {
        auto reply = std::move(answers_.front());
        answers_.pop_front();
        return reply;
    }
    const int door = ++doors_;
    boost::json::object body;
    body["stream"] = request.params.at("stream");
    body["stream_id"] = "stream-" + std::to_string(door);
    body["request_id"] = "request-" + std::to_string(door);
    const auto address = [&](const std::string& channel) {
        return url() + base + name_of(door, channel);
    };
    for (const std::string channel : {"in", "out", "control", "events"}) {
        const auto made = table_.create(name_of(door, channel), "video/MP2T").value();
        if (channel == "out" || channel == "events")
            continue;
        auto into = recordings_[made->name()] = std::make_shared<recording>();
        asio::co_spawn(shards_.at(0), record(made, std::move(into)), asio::detached);
    }
    body["publish_url"] = address("in");
    body["subscribe_url"] = address(separate_ ? "out" : "in");
    if (control_)
        body["control_url"] = address("control");
    body["events_url"] = address("events");
    return http::json_response(body, http::status::created);
}

awaitable<void>
scripted_door::record(trickle::channel_ptr source, std::shared_ptr<recording> into) {
    trickle::channel_reader reader(co_await asio::this_coro::executor, source, 0);
    for (;;) {
        auto chunk = co_await reader.read();
        if (!chunk)
            co_return;
        for (const auto& block : chunk->blocks)
            into->open += block.text();
        if (chunk->segment_ends)
            into->whole.push_back(std::exchange(into->open, {}));
    }
}

void scripted_door::answer_next(http::response reply) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(reply));
}

void scripted_door::separate_output() {
    const std::lock_guard lock(mutex_);
    separate_ = true;
}

void scripted_door::no_control() {
    const std::lock_guard lock(mutex_);
    control_ = false;
}

std::vector<scripted_door::asked> scripted_door::requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
}

std::vector<std::string> scripted_door::updates() {
    const std::lock_guard lock(mutex_);
    return updates_;
}

void scripted_door::publish(int door, const std::string& channel, const std::string& text) {
    on_shard([this, name = name_of(door, channel), text] {
        trickle::channel_writer writer(table_.find(name));
        if (auto failed = writer.write_segment(bytes::copy_of(text)))
            throw std::runtime_error("publish: " + failed.message());
    });
}

bool scripted_door::exists(int door, const std::string& channel) {
    return on_shard([this, name = name_of(door, channel)] { return table_.find(name) != nullptr; });
}

void scripted_door::remove(int door, const std::string& channel) {
    on_shard([this, name = name_of(door, channel)] { table_.remove(name); });
}

std::vector<std::string> scripted_door::segments(int door, const std::string& channel) {
    return on_shard([this, name = name_of(door, channel)] {
        const std::lock_guard lock(mutex_);
        const auto found = recordings_.find(name);
        return found == recordings_.end() ? std::vector<std::string>() : found->second->whole;
    });
}

} // namespace rivulet::test
