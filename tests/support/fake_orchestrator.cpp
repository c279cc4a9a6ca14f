#include "support/fake_orchestrator.hpp"

#include "trickle/channel_reader.hpp"
#include "trickle/channel_writer.hpp"

#include <boost/asio/detached.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>

namespace rivulet::test {
namespace {

constexpr const char* base = "/ai/trickle/";

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

trickle::server_options mounted() {
    trickle::server_options options;
    options.base_path = base;
    return options;
}

} // namespace

fake_orchestrator::fake_orchestrator()
    : table_(shards_, {}, logger("fake orchestrator")),
      trickle_(table_, mounted(), logger("fake orchestrator")),
      front_(shards_, {}, logger("fake orchestrator")) {
    trickle_.mount(front_, shards_);
    front_.route(http::verb::post, "/live-video-to-video", [this](const http::request& request) {
        return handle(request);
    });
    port_ = front_.listen("127.0.0.1:0").value();
    url_ = "http://127.0.0.1:" + std::to_string(port_);
}

fake_orchestrator::~fake_orchestrator() {
    table_.stop();
    front_.stop(std::chrono::milliseconds(100));
    shards_.stop();
}

void fake_orchestrator::answer_with(answer a) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(a);
}

void fake_orchestrator::echo() {
    const std::lock_guard lock(mutex_);
    echo_ = true;
}

http::response fake_orchestrator::take_job() {
    return take_job({});
}

http::response fake_orchestrator::take_job(const std::map<std::string, std::string>& replaced) {
    std::string id;
    {
        const std::lock_guard lock(mutex_);
        id = "job" + std::to_string(++last_id_);
        jobs_.back().id = id;
    }
    boost::json::object body;
    body["publish_url"] = base + id;
    body["subscribe_url"] = base + id + "-out";
    body["control_url"] = base + id + "-control";
    body["events_url"] = base + id + "-events";
    body["manifest_id"] = id;
    for (const auto& [key, value] : replaced)
        body[key] = value;
    return http::json_response(body);
}

awaitable<http::response> fake_orchestrator::handle(const http::request& request) {
    received_job job;
    for (const auto& field : request.header)
        job.headers[lower(field.name_string())] = std::string(field.value());
    job.body = request.body;
    answer chosen;
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
        chosen = answer_;
    }
    auto reply = chosen ? chosen(*this, request) : take_job();
    std::string id;
    {
        const std::lock_guard lock(mutex_);
        id = jobs_.back().id;
    }
    if (!id.empty())
        co_await create(id);
    co_return reply;
}

awaitable<void> fake_orchestrator::create(std::string job) {
    bool echoing = false;
    {
        const std::lock_guard lock(mutex_);
        echoing = echo_;
    }
    std::map<std::string, trickle::channel_ptr> made;
    for (const std::string channel : {"", "out", "control", "events"})
        made[channel] = table_.create(name_of(job, channel), "video/MP2T").value();
    for (const std::string channel : {"", "control"}) {
        auto into = recordings_[name_of(job, channel)] = std::make_shared<recording>();
        auto target = echoing && channel.empty() ? made["out"] : nullptr;
        asio::co_spawn(
            table_.home(job),
            record(made[channel], std::move(into), std::move(target)),
            asio::detached
        );
    }
    co_return;
}

awaitable<void> fake_orchestrator::record(
    trickle::channel_ptr source, std::shared_ptr<recording> into, trickle::channel_ptr echo
) {
    trickle::channel_reader reader(co_await asio::this_coro::executor, source, 0);
    std::optional<trickle::channel_writer> writer;
    if (echo)
        writer.emplace(echo);
    for (;;) {
        auto chunk = co_await reader.read();
        if (!chunk)
            break;
        for (const auto& block : chunk->blocks) {
            into->open += block.text();
            into->bytes += block.size();
        }
        if (chunk->segment_ends)
            into->segments.push_back(std::exchange(into->open, {}));
        if (echo && !into->muted) {
            if (chunk->segment_begins)
                (void)writer->begin_segment();
            for (const auto& block : chunk->blocks)
                (void)writer->append(block);
            if (chunk->segment_ends)
                writer->end_segment();
        }
    }
    if (echo)
        echo->close();
}

std::vector<fake_orchestrator::received_job> fake_orchestrator::jobs() {
    const std::lock_guard lock(mutex_);
    return jobs_;
}

std::string fake_orchestrator::last_job() {
    for (int i = 0; i < 500; ++i) {
        for (auto all = jobs(); !all.empty(); all.pop_back())
            if (!all.back().id.empty() && exists(all.back().id, "control"))
                return all.back().id;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw std::runtime_error("no job came");
}

std::vector<std::string>
fake_orchestrator::segments(const std::string& job, const std::string& channel) {
    const auto name = name_of(job, channel);
    return at_home(name, [this, name] {
        const auto it = recordings_.find(name);
        return it == recordings_.end() ? std::vector<std::string>() : it->second->segments;
    });
}

std::size_t fake_orchestrator::bytes(const std::string& job, const std::string& channel) {
    const auto name = name_of(job, channel);
    return at_home(name, [this, name] {
        const auto it = recordings_.find(name);
        return it == recordings_.end() ? std::size_t{0} : it->second->bytes;
    });
}

bool fake_orchestrator::exists(const std::string& job, const std::string& channel) {
    const auto name = name_of(job, channel);
    return at_home(name, [this, name] { return table_.find(name) != nullptr; });
}

void fake_orchestrator::mute(const std::string& job) {
    at_home(job, [this, job] { recordings_.at(job)->muted = true; });
}

void fake_orchestrator::publish(
    const std::string& job, const std::string& channel, const std::string& text
) {
    const auto name = name_of(job, channel);
    at_home(name, [this, name, text] {
        trickle::channel_writer writer(table_.find(name));
        if (auto ec = writer.write_segment(rivulet::bytes::copy_of(text)))
            throw std::runtime_error("publish: " + ec.message());
    });
}

void fake_orchestrator::remove(const std::string& job, const std::string& channel) {
    const auto name = name_of(job, channel);
    at_home(name, [this, name] { table_.remove(name); });
}

} // namespace rivulet::test
