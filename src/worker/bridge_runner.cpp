#include "worker/bridge_runner.hpp"

#include "base/ids.hpp"
#include "base/task_group.hpp"
#include "trickle/channel_reader.hpp"
#include "trickle/channel_writer.hpp"
#include "worker/ts_frame_counter.hpp"

#include <boost/asio/detached.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

namespace rivulet::worker {

namespace {

// ai-runner tries its own process for ten seconds; a gateway has gone elsewhere by then.
constexpr duration start_limit = std::chrono::seconds(12);
constexpr duration ask_limit = std::chrono::seconds(5);
constexpr duration keepalive = std::chrono::seconds(10);
constexpr duration look = std::chrono::seconds(1);
constexpr std::size_t reply_limit = 64 * 1024;
constexpr std::size_t event_limit = 1u << 20;
constexpr std::string_view json_mime = "application/json";

failure refusal_of(const http::response& reply) {
    const auto text = complaint_of(reply.body);
    switch (static_cast<unsigned>(reply.status)) {
    case 503:
        return failure(errc::no_capacity, "insufficient capacity: " + text);
    case 400:
    case 422:
        return failure(errc::invalid_argument, text);
    default:
        return failure(
            errc::http_status,
            "the runner answered " + std::to_string(static_cast<unsigned>(reply.status)) + ": " +
                text
        );
    }
}

} // namespace

struct bridge_runner::state : std::enable_shared_from_this<bridge_runner::state> {
    state(
        asio::any_io_executor executor,
        std::weak_ptr<runner_host> h,
        trickle::channel_table& c,
        runner_lease l,
        bridge_options o,
        logger lg
    )
        : home(executor), host(std::move(h)), channels(c), lease(std::move(l)),
          options(std::move(o)), log(std::move(lg)), tasks(home, log) {}

    // given
    asio::any_io_executor home;
    std::weak_ptr<runner_host> host;
    trickle::channel_table& channels;
    runner_lease lease;
    bridge_options options;
    logger log;

    // state
    runner_kind kind = runner_kind::ai;
    std::string private_name; // of the runner's own channels
    std::unique_ptr<trickle::channel_writer> control;
    trickle::channel_ptr events;
    boost::json::object params; // of the start
    ts_frame_counter in, out;
    bool started = false; // the runner took the job
    bool finishing = false;
    bool over = false;
    task_group tasks;

    void end(std::string cause) {
        if (std::exchange(over, true))
            return;
        tasks.close();
        forget_channels();
        lease.release();
        if (auto told = host.lock())
            told->ended(std::move(cause));
    }

    void forget_channels() {
        if (control) {
            control->close();
            channels.remove(control->target());
        }
        if (events)
            channels.remove(events);
        control.reset();
        events.reset();
    }

    error_code make_channels() {
        do
            private_name = random_hex(16);
        while (&channels.home(private_name) != &channels.home(options.job));
        auto made_control = channels.create(private_name + "-control", std::string(json_mime));
        auto made_events = channels.create(private_name + "-events", std::string(json_mime));
        if (made_control)
            control = std::make_unique<trickle::channel_writer>(*made_control);
        if (made_events)
            events = *made_events;
        if (!made_control || !made_events) {
            const auto failed = made_control ? made_events.error() : made_control.error();
            forget_channels();
            return failed;
        }
        control->target()->keep();
        events->keep();
        return {};
    }

    void write_control(const boost::json::object& message) {
        if (control)
            control->write_segment(bytes::copy_of(boost::json::serialize(message)));
    }

    static awaitable<void> keep_control(std::shared_ptr<state> self) {
        asio::steady_timer timer(self->home);
        auto next = steady_clock::now() + keepalive;
        for (;;) {
            timer.expires_after(look);
            co_await timer.async_wait(as_tuple);
            if (self->over)
                co_return;
            if (self->lease && self->lease->lost()) {
                self->end("the runner does not answer any more");
                co_return;
            }
            if (steady_clock::now() >= next) {
                self->write_control({{"keep", "alive"}});
                next = steady_clock::now() + keepalive;
            }
        }
    }

    static awaitable<void> relay_events(std::shared_ptr<state> self) {
        trickle::channel_reader reader(self->home, self->events, 0);
        std::string text;
        for (;;) {
            auto chunk = co_await reader.read();
            if (!chunk)
                co_return;
            if (chunk->segment_begins)
                text.clear();
            for (const auto& block : chunk->blocks)
                if (text.size() <= event_limit)
                    text.append(block.text());
            if (!chunk->segment_ends || text.empty())
                continue;
            if (auto told = self->host.lock(); told && text.size() <= event_limit)
                told->relay_event(bytes::copy_of(text));
            else
                self->log.warn("an event of more than 1 MiB was left out");
            text.clear();
        }
    }

    static awaitable<void> watch_output(std::shared_ptr<state> self) {
        auto source = self->channels.find(self->options.job + "-out");
        if (!source)
            co_return;
        trickle::channel_reader reader(self->home, std::move(source), 0);
        bool seen = false;
        for (;;) {
            auto chunk = co_await reader.read();
            if (!chunk)
                break;
            if (chunk->segment_begins)
                self->out.restart();
            for (const auto& block : chunk->blocks)
                self->out.push(block.view());
            if (auto told = self->host.lock(); told && !std::exchange(seen, true))
                told->output_begins();
        }
        self->end(self->finishing ? "" : "the runner ended the stream");
    }

    static awaitable<void> stop_runner(std::shared_ptr<state> self) {
        if (!self->lease)
            co_return;
        auto link = self->lease.link();
        auto reply = co_await link->ask(
            http::verb::post, "/stream/stop", std::string(json_mime), "{}", ask_limit, reply_limit
        );
        // With its channels it ends as well: nothing else is to be done about a failure.
        if (!reply && !self->over)
            self->log.warn("does not stop: {}", reply.error().detail);
        self->end({});
    }

    static awaitable<void> show_loading(std::shared_ptr<state> self, boost::json::object wish) {
        auto link = self->lease.link();
        if (!link)
            co_return;
        auto reply = co_await link->ask(
            http::verb::post,
            "/stream/params",
            std::string(json_mime),
            boost::json::serialize(wish),
            ask_limit,
            reply_limit
        );
        auto told = self->host.lock();
        if (told && (!reply || !is_success(*reply)))
            told->failed("the runner did not take show_loading");
    }
};

bridge_runner::bridge_runner(
    asio::any_io_executor home,
    std::weak_ptr<runner_host> host,
    trickle::channel_table& channels,
    runner_lease lease,
    bridge_options options,
    logger log
)
    : state_(std::make_shared<state>(
          home, std::move(host), channels, std::move(lease), std::move(options), std::move(log)
      )) {}

bridge_runner::~bridge_runner() {
    // After the last call of the host's; the channel table may be gone by now.
    state_->over = true;
    state_->tasks.close();
    state_->lease.release();
}

awaitable<outcome<void>> bridge_runner::start(std::shared_ptr<state> begun) {
    auto& own = *begun;
    const auto facts = own.lease ? own.lease->known() : std::nullopt;
    if (!facts)
        co_return failure(errc::no_capacity, "insufficient capacity: the runner is gone");
    own.kind = facts->kind;
    if (const auto failed = own.make_channels())
        co_return failure(errc::no_capacity, "insufficient capacity: " + failed.message());

    runner_start wish;
    const auto& base = own.options.channel_base;
    wish.subscribe_url = base + own.options.job;
    wish.publish_url = base + own.options.job + "-out";
    wish.control_url = base + own.private_name + "-control";
    wish.events_url = base + own.private_name + "-events";
    wish.model = facts->own_model.empty() ? own.options.model : facts->own_model;
    wish.request_id = own.options.request_id;
    wish.manifest_id = own.options.job;
    wish.stream_id = own.options.stream_id;
    wish.params = own.params;

    // Before the runner's first event.
    own.tasks.spawn("runner's events", state::relay_events(begun));
    own.tasks.spawn("output", state::watch_output(begun));
    auto link = own.lease.link();
    auto reply = co_await link->ask(
        http::verb::post,
        std::string(start_path(own.kind)),
        std::string(json_mime),
        start_body(own.kind, wish),
        start_limit,
        reply_limit
    );
    if (!reply)
        co_return failure(errc::no_capacity, "insufficient capacity: " + reply.error().detail);
    if (!is_success(*reply))
        co_return refusal_of(*reply);
    if (own.over)
        co_return failure(errc::closed, "the job ended while it began");
    own.started = true;
    own.tasks.spawn("runner's control", state::keep_control(begun));
    if (auto told = own.host.lock())
        told->params_applied(own.params);
    co_return outcome<void>{};
}

void bridge_runner::input(const trickle::channel_chunk& chunk, time_point) {
    if (chunk.segment_begins)
        state_->in.restart();
    for (const auto& block : chunk.blocks)
        state_->in.push(block.view());
}

void bridge_runner::set_params(boost::json::object params) {
    auto& own = *state_;
    if (!own.started) {
        own.params = std::move(params);
        return;
    }
    auto update = update_for(own.kind, std::move(params));
    if (const auto* wish = update.if_contains("show_loading");
        wish && own.kind == runner_kind::stream) {
        boost::json::object only{{"show_loading", *wish}};
        own.tasks.spawn("show_loading", state::show_loading(state_, std::move(only)));
    }
    own.write_control(update);
    if (auto told = own.host.lock())
        told->params_applied(std::move(update));
}

// ai-runner ends when its input or its control channel does; the stream family is told as well.
void bridge_runner::finish() {
    auto& own = *state_;
    if (own.over || std::exchange(own.finishing, true))
        return;
    if (!own.started)
        return own.end({});
    // Gone, not only closed: also for a runner that has not come to read them yet.
    if (own.control)
        own.channels.remove(own.control->target());
    own.channels.remove(own.options.job);
    if (own.kind == runner_kind::stream)
        own.tasks.spawn("stopping", state::stop_runner(state_));
}

void bridge_runner::cancel() {
    state_->finishing = true;
    state_->end({});
}

bool bridge_runner::idle() const {
    return true;
}

frame_counters bridge_runner::counters() const {
    return {state_->in.frames(), state_->out.frames()};
}

} // namespace rivulet::worker
