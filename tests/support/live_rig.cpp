#include "support/live_rig.hpp"

#include "base/bytes.hpp"
#include "live/http_access.hpp"
#include "live/routes.hpp"
#include "media/access_unit.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>

#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

namespace rivulet::test {

using namespace std::chrono_literals;

namespace {

// A real SPS and PPS (320x240, baseline); nobody decodes the pictures.
const std::vector<std::uint8_t> sps{0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07,
                                    0xe8, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40,
                                    0x00, 0x00, 0x0f, 0x23, 0xc5, 0x0a, 0xa8};
const std::vector<std::uint8_t> pps{0x68, 0xce, 0x3c, 0x80};

void add_nal(std::vector<std::uint8_t>& out, const std::vector<std::uint8_t>& nal) {
    out.insert(out.end(), {0, 0, 0, 1});
    out.insert(out.end(), nal.begin(), nal.end());
}

} // namespace

void fake_publisher::start() {
    asio::co_spawn(home_, send_frames(play_, ++play_->run), asio::detached);
}

void fake_publisher::pause() {
    ++play_->run;
}

awaitable<void> fake_publisher::send_frames(std::shared_ptr<play> state, int run) {
    auto target = state->sink;
    if (state->frame == 0) {
        const auto announced = format();
        target->format_changed(announced);
    }
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto next = steady_clock::now();
    while (state->run == run) {
        media::access_unit unit;
        unit.keyframe = state->frame % 10 == 0;
        unit.pts = unit.dts = 1'000'000 + state->frame * 1800;
        std::vector<std::uint8_t> data;
        add_nal(data, {0x09, 0xf0});
        if (unit.keyframe) {
            add_nal(data, sps);
            add_nal(data, pps);
        }
        std::vector<std::uint8_t> slice(state->frame_bytes, 0xab);
        slice[0] = unit.keyframe ? 0x65 : 0x41;
        add_nal(data, slice);
        unit.data = bytes::copy_of(data);
        target->unit(std::move(unit));
        ++state->frame;
        next += 20ms;
        timer.expires_at(next);
        co_await timer.async_wait(as_tuple);
    }
}

media::stream_format fake_publisher::format() {
    media::stream_format made;
    made.video = media::video_format{media::codec::h264, 320, 240, sps, pps};
    return made;
}

void fake_publisher::announce(const media::stream_format& format) {
    std::promise<void> done;
    asio::post(home_, [&] {
        play_->sink->format_changed(format);
        done.set_value();
    });
    done.get_future().wait();
}

void fake_publisher::leave(const std::string& reason) {
    pause();
    std::promise<void> done;
    asio::post(home_, [&] {
        play_->sink->ended(reason);
        done.set_value();
    });
    done.get_future().wait();
}

std::string fake_publisher::kicked() {
    const std::lock_guard lock(kicks_->mutex);
    return kicks_->reason;
}

std::optional<ingest::kick_cause> fake_publisher::kick_cause() {
    const std::lock_guard lock(kicks_->mutex);
    return kicks_->cause;
}

ingest::kick fake_publisher::kick() {
    return [kicks = kicks_](ingest::kick_cause cause, std::string reason) {
        const std::lock_guard lock(kicks->mutex);
        kicks->reason = std::move(reason);
        kicks->cause = cause;
    };
}

live::job_timing quick_timing() {
    live::job_timing timing;
    timing.selection_budget = 500ms;
    timing.capacity_pause = 50ms;
    timing.last_output = 300ms;
    timing.last_output_total = 1s;
    timing.last_segment = 1s;
    timing.goodbye = 1s;
    timing.first_output = 30s;
    timing.retry_first = 100ms;
    timing.retry_last = 200ms;
    return timing;
}

namespace {

live::registry_options quick(live::registry_options options) {
    options.segments.min_segment = 150ms;
    return options;
}

live::job_services
services(known_orchestrators& known, live::job_timing timing, live::swap_limits swaps) {
    return {
        session::orchestrator_client(http::client_options(), session::channel_hosts::own),
        http::client_options(),
        known.sessions(),
        known.payments(),
        timing,
        swaps,
        {}};
}

trickle::server_options readable(live::gate& gate, const live::door_channels& doors) {
    trickle::server_options options;
    options.base_path = "/ai/trickle/";
    live::forbid_writes(options, &doors);
    live::guard_reads(options, gate.access(), &doors);
    return options;
}

} // namespace

live_rig::live_rig(
    std::vector<std::string> orchestrators,
    live::job_timing timing,
    live::registry_options options,
    live::gate_options access,
    live::swap_limits swaps
)
    : known_(shards_, orchestrators), table_(shards_, {}, logger("rig")),
      feeds_(shards_, table_, {}, logger("rig")), registry_(std::make_unique<live::registry>(
                                                      shards_,
                                                      table_,
                                                      feeds_,
                                                      services(known_, timing, swaps),
                                                      quick(std::move(options)),
                                                      logger("rig")
                                                  )),
      gate_(*registry_, std::move(access), logger("rig")), front_(shards_, {}, logger("rig")),
      trickle_(table_, readable(gate_, door_channels_), logger("rig")) {
    trickle_.mount(front_, shards_);
    live::add_routes(front_, *registry_, gate_.access());
    port_ = front_.listen("127.0.0.1:0").value();
    gate_.set_base("http://127.0.0.1:" + std::to_string(port_));
}

live_rig::~live_rig() {
    stop();
}

void live_rig::stop() {
    registry_->stop(3s);
    known_.stop();
    feeds_.stop();
    table_.stop();
    front_.stop(100ms);
    shards_.stop();
}

std::unique_ptr<fake_publisher> live_rig::publish(const std::string& name, query_list query) {
    auto& home = shards_.of(name);
    auto made = std::make_unique<fake_publisher>(home.get_executor(), name);
    ingest::publish_request request;
    request.protocol = "test";
    request.stream = name;
    request.query = std::move(query);
    request.remote = "127.0.0.1:1";
    request.session_id = "t";
    auto admitted = asio::co_spawn(
        home.get_executor(), gate_.publish(std::move(request), made->kick()), asio::use_future
    );
    auto sink = admitted.get();
    if (!sink)
        throw std::runtime_error(sink.error().detail);
    made->use(*sink);
    return made;
}

boost::json::value live_rig::status(const std::string& id_or_name) {
    const auto reply = get("/live/video-to-video/" + id_or_name + "/status");
    if (reply.status != 200)
        throw std::runtime_error("status " + std::to_string(reply.status) + ": " + reply.body);
    return boost::json::parse(reply.body);
}

std::string live_rig::state(const std::string& id_or_name) {
    return std::string(status(id_or_name).at("gateway_status").at("state").as_string());
}

bool live_rig::channel_exists(const std::string& name) {
    return get("/ai/trickle/" + name + "/next").status == 200;
}

bool live_rig::channel_kept(const std::string& name) {
    std::promise<bool> kept;
    asio::post(shards_.of(name), [&] {
        const auto channel = table_.find(name);
        kept.set_value(channel && channel->kept());
    });
    return kept.get_future().get();
}

std::vector<std::string> live_rig::segments_of(const std::string& name) {
    std::packaged_task<std::vector<std::string>()> task([this, name] {
        std::vector<std::string> out;
        const auto channel = table_.find(name);
        if (!channel)
            return out;
        const auto last = channel->next();
        for (auto seq = std::max<std::int64_t>(0, last - trickle::channel::window); seq < last;
             ++seq) {
            const auto segment = channel->open_read(seq);
            if (!segment || !(*segment)->closed())
                continue;
            std::string whole;
            for (const auto& block : (*segment)->blocks())
                whole += block.text();
            out.push_back(std::move(whole));
        }
        return out;
    });
    auto done = task.get_future();
    // In a lambda: Asio treats a bare packaged_task in a way that depends on what is included.
    asio::post(shards_.of(name), [&task] { task(); });
    return done.get();
}

bool eventually(const std::function<bool()>& condition, milliseconds limit) {
    const auto until = steady_clock::now() + limit;
    while (steady_clock::now() < until) {
        if (condition())
            return true;
        std::this_thread::sleep_for(10ms);
    }
    return condition();
}

} // namespace rivulet::test
