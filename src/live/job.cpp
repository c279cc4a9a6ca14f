#include "live/job.hpp"

#include "base/deadline.hpp"
#include "base/ids.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::live {
namespace {

// "next" would lose a segment whose first byte is faster than our request; "newest" is segment 0 on
// a fresh channel and waits for it.
constexpr std::int64_t from_the_first_segment = -2;

double seconds(duration d) {
    return std::chrono::duration<double>(d).count();
}

bool channel_ended(const failure& why) {
    return why.code == errc::end_of_stream || why.code == errc::not_found;
}

awaitable<void> delete_channel(http::client_options options, std::string url, duration limit) {
    http::header_list none;
    (void)co_await http::fetch(
        std::move(options),
        http::verb::delete_,
        std::move(url),
        std::move(none),
        std::string(),
        limit,
        std::size_t{4096}
    );
}

} // namespace

job::job(
    asio::any_io_executor executor,
    const job_services& services,
    trickle::channel_ptr source,
    job_request request,
    job_listener& listener,
    logger log
)
    : executor_(executor), services_(services), source_(std::move(source)),
      request_(std::move(request)), listener_(&listener), log_(std::move(log)),
      starter_(executor, log_), tasks_(executor, log_), changed_(executor),
      control_(request_.cached_params, steady_clock::now(), services.timing.keepalive),
      output_watch_(services.timing.output_silence, steady_clock::now()),
      event_watch_(steady_clock::now(), services.timing.event_silence),
      started_(steady_clock::now()) {}

job::~job() = default;

void job::start() {
    starter_.spawn("job start", run());
}

void job::update(bytes body) {
    control_.update(std::move(body));
    changed_.notify_all();
}

void job::end(job_end_cause cause, std::string text) {
    if (end_ || closing_)
        return;
    end_ = job_end{cause, std::move(text)};
    changed_.notify_all();
    asio::post(executor_, [self = shared_from_this()] {
        if (self->listener_ && !self->closing_)
            self->listener_->job_ended(*self->end_);
    });
}

awaitable<void> job::run() {
    auto self = shared_from_this();
    auto channels = co_await choose_orchestrator();
    if (!channels)
        co_return;
    if (closing_ || end_) {
        // Somebody just took a job that nobody wants any more: give the place back.
        const auto limit = services_.timing.goodbye;
        co_await delete_channel(services_.http, channels->publish_url, limit);
        co_await delete_channel(services_.http, channels->control_url, limit);
        co_return;
    }
    connect(std::move(*channels));
}

awaitable<std::optional<session::live_channels>> job::choose_orchestrator() {
    const auto& timing = services_.timing;
    const auto until = steady_clock::now() + timing.selection_budget;
    std::string last_refusal;
    for (;;) {
        const auto begun = steady_clock::now();
        session::selection_fsm pick(
            services_.orchestrators, request_.orchestrator_filter, timing.selection_budget, begun
        );
        bool full = false;
        for (auto candidate = pick.next(begun); candidate && !closing_;
             candidate = pick.next(steady_clock::now())) {
            orchestrator_ = *candidate;
            auto credentials = session::live_credentials::off_chain(random_hex(4));
            auto answer = co_await services_.client.start_live(
                orchestrator_, request_.offer, std::move(credentials)
            );
            if (answer)
                co_return std::move(*answer);
            const auto said = answer.error().detail;
            full = full || said.find("insufficient capacity") != std::string::npos;
            if (orchestrator_ + said != last_refusal)
                log_.info("orchestrator {} did not take the job: {}", orchestrator_, said);
            last_refusal = orchestrator_ + said;
            pick.refused(said);
        }
        orchestrator_.clear();
        if (closing_)
            co_return std::nullopt;
        // A place is often about to be free: the publisher that just left still has it.
        if (!full || pick.bad_request() || steady_clock::now() + timing.capacity_pause >= until) {
            end(pick.bad_request() ? job_end_cause::bad_request : job_end_cause::no_orchestrator,
                pick.end_reason());
            co_return std::nullopt;
        }
        co_await expire_after(timing.capacity_pause);
    }
}

void job::connect(session::live_channels channels) {
    channels_ = std::move(channels);
    identity_ = {request_.offer.stream_id, request_.offer.request_id, "", "", orchestrator_};
    const auto now = steady_clock::now();
    output_watch_ = output_watchdog(services_.timing.output_silence, now);
    event_watch_ = event_watchdog(now, services_.timing.event_silence);
    log_.info(
        "orchestrator {} took the job{}",
        orchestrator_,
        channels_->manifest_id.empty() ? "" : " " + channels_->manifest_id
    );

    trickle::subscriber_options reading;
    reading.client = services_.http;
    reading.start = from_the_first_segment;
    output_ = std::make_unique<trickle::subscriber>(
        executor_, channels_->subscribe_url, reading, log_.with("output")
    );
    event_source_ = std::make_unique<trickle::subscriber>(
        executor_, channels_->events_url, reading, log_.with("events")
    );
    trickle::publisher_options writing;
    writing.client = services_.http;
    trickle::relay_listener& self = *this;
    relay_ = std::make_unique<trickle::publisher_relay>(
        executor_, source_, channels_->publish_url, writing, self, log_.with("publisher")
    );
    writing.mime = "application/json";
    control_channel_ = std::make_unique<trickle::publisher>(
        executor_, channels_->control_url, writing, log_.with("control")
    );

    output_open_ = events_open_ = true;
    tasks_.spawn("output", run_output());
    tasks_.spawn("events", run_events());
    tasks_.spawn("control", run_control());
    tasks_.spawn("watch", watch());
    if (auto started = relay_->start(); !started) {
        end(job_end_cause::input_channel_gone, started.error().detail);
        return;
    }
    relay_open_ = true;
    listener_->job_connected(orchestrator_);
}

awaitable<void> job::run_output() {
    auto self = shared_from_this();
    trickle::item_sink items = [this](trickle::subscriber_item item) {
        if (!item.blocks.empty()) {
            last_output_ = steady_clock::now();
            output_watch_.output_seen(last_output_);
        }
        if (listener_)
            listener_->job_output(std::move(item));
    };
    trickle::trouble_sink trouble = [this](const failure& why) { retried("output", why); };
    const auto why = co_await trickle::follow(*output_, std::move(items), std::move(trouble));
    output_open_ = false;
    changed_.notify_all();
    if (channel_ended(why))
        end(job_end_cause::output_ended,
            fmt::format("the orchestrator {} ended the output: {}", orchestrator_, why.detail));
    else
        unreachable("output", why);
}

awaitable<void> job::run_events() {
    auto self = shared_from_this();
    trickle::message_sink messages = [this](trickle::subscriber_message message) {
        take_event(message.body);
    };
    trickle::trouble_sink trouble = [this](const failure& why) { retried("events", why); };
    const auto why = co_await trickle::follow_messages(
        *event_source_, event_merge::body_bytes, std::move(messages), std::move(trouble)
    );
    // The end of the events is not the end of the job; it only takes the sign of life away.
    events_open_ = false;
    if (!channel_ended(why))
        unreachable("events", why);
}

void job::retried(std::string_view doing, const failure& why) {
    last_trouble_ = why.detail;
    if (listener_)
        listener_->job_trouble(
            job_listener::trouble::retried, fmt::format("reading the {}: {}", doing, why.detail)
        );
}

void job::unreachable(std::string_view doing, const failure& why) {
    end(job_end_cause::orchestrator_unreachable,
        fmt::format(
            "reading the {} of {} failed: {}{}",
            doing,
            orchestrator_,
            why.detail,
            last_trouble_.empty() ? "" : ", the last one: " + last_trouble_
        ));
}

void job::take_event(const std::string& body) {
    auto event = events_.take(body, identity_);
    if (!event) {
        if (listener_)
            listener_->job_trouble(
                job_listener::trouble::lost, "an event was skipped: " + event.error().detail
            );
        return;
    }
    ++event_count_;
    event_watch_.event_seen(steady_clock::now());
    if (listener_)
        listener_->job_event(*event);
}

awaitable<void> job::run_control() {
    auto self = shared_from_this();
    if (auto started = control_channel_->start(); !started) {
        end(job_end_cause::control_gone, started.error().detail);
        co_return;
    }
    for (;;) {
        const auto step = control_.next(steady_clock::now());
        switch (step.what) {
        case control_fsm::step::kind::send: {
            auto sent = co_await control_channel_->publish_message(step.message);
            if (!sent && listener_)
                listener_->job_trouble(
                    job_listener::trouble::retried,
                    "writing to the control channel: " + sent.error().detail
                );
            control_.sent(sent ? error_code() : sent.error().code, steady_clock::now());
            break;
        }
        case control_fsm::step::kind::wait:
            co_await changed_.wait_until(step.until);
            break;
        case control_fsm::step::kind::gone:
            end(job_end_cause::control_gone,
                fmt::format("the control channel does not exist at {}", orchestrator_));
            co_return;
        case control_fsm::step::kind::undelivered:
            end(job_end_cause::params_undelivered,
                fmt::format("the parameters could not be sent to {}", orchestrator_));
            co_return;
        }
        if (end_)
            co_return;
    }
}

time_point job::last_input() const {
    const auto tried = relay_ ? relay_->count().last_input : time_point{};
    return tried == time_point{} ? tried : std::max(tried, source_->last_activity());
}

awaitable<void> job::watch() {
    auto self = shared_from_this();
    while (!end_ && !closing_) {
        const auto next =
            std::min(output_watch_.next_check(), steady_clock::now() + event_watch_.interval());
        co_await changed_.wait_until(next);
        const auto now = steady_clock::now();
        if (output_watch_.stalled(now, last_input()))
            end(job_end_cause::output_stalled,
                fmt::format(
                    "timeout waiting for segments: {} sent nothing for {:.0f} s although video "
                    "goes in",
                    orchestrator_,
                    seconds(output_watch_.limit())
                ));
        else if (events_open_ && event_watch_.silent(now))
            end(job_end_cause::events_silent,
                fmt::format(
                    "timeout waiting for events: none from {} for {:.0f} s",
                    orchestrator_,
                    seconds(now - event_watch_.last())
                ));
    }
}

void job::segment_dropped(std::int64_t seq, const std::string& why) {
    if (listener_ && !closing_)
        listener_->job_trouble(
            job_listener::trouble::lost, fmt::format("segment {} was dropped: {}", seq, why)
        );
}

void job::segment_retried(std::int64_t seq, const failure& why) {
    if (listener_ && !closing_)
        listener_->job_trouble(
            job_listener::trouble::retried,
            fmt::format("segment {} is sent again: {}", seq, why.detail)
        );
}

void job::relay_ended(const failure& why) {
    relay_open_ = false;
    changed_.notify_all();
    if (why.code == errc::no_capacity)
        end(job_end_cause::orchestrator_slow,
            fmt::format("the orchestrator {} is slow: {}", orchestrator_, why.detail));
    else if (why.code == errc::closed)
        end(job_end_cause::input_ended, "the source channel was closed");
    else
        end(job_end_cause::input_channel_gone,
            fmt::format("the stream no longer exists on {}: {}", orchestrator_, why.detail));
}

awaitable<void> job::close(ending how) {
    auto self = shared_from_this();
    if (closing_)
        co_return;
    closing_ = true;
    changed_.notify_all();
    if (how == ending::finish && channels_ && !end_)
        co_await finish();
    listener_ = nullptr;
    tasks_.close();
    const failure over(errc::cancelled, "the job is over");
    if (output_)
        output_->cancel(over);
    if (event_source_)
        event_source_->cancel(over);
    co_await say_goodbye();
    co_await starter_.join(session::orchestrator_client::start_limit + services_.timing.goodbye);
    starter_.close();
    co_await tasks_.join(services_.timing.goodbye);
    if (output_)
        co_await output_->close();
    if (event_source_)
        co_await event_source_->close();
}

void job::hurry() {
    hurry_ = true;
    changed_.notify_all();
}

// The source has ended: its last segment is sent, the input channel deleted, and the output read
// until the orchestrator ends it or falls silent.
awaitable<void> job::finish() {
    const auto& timing = services_.timing;
    const auto sent_until = steady_clock::now() + timing.last_segment;
    while (relay_open_ && !hurry_ && steady_clock::now() < sent_until)
        co_await changed_.wait_until(sent_until);
    co_await delete_input();
    const auto begun = steady_clock::now();
    while (output_open_ && !hurry_) {
        const auto until = std::min(
            std::max(last_output_, begun) + timing.last_output, begun + timing.last_output_total
        );
        if (steady_clock::now() >= until)
            break;
        co_await changed_.wait_until(until);
    }
}

awaitable<void> job::delete_input() {
    using namespace asio::experimental::awaitable_operators;
    if (!relay_ || std::exchange(input_deleted_, true))
        co_return;
    auto deleted = relay_->close();
    auto limit = expire_after(services_.timing.goodbye);
    const auto told = co_await (std::move(deleted) || std::move(limit));
    if (told.index() == 1)
        relay_->abandon();
}

awaitable<void> job::say_goodbye() {
    using namespace asio::experimental::awaitable_operators;
    co_await delete_input();
    if (control_channel_) {
        auto deleted = control_channel_->close();
        auto limit = expire_after(services_.timing.goodbye);
        const auto told = co_await (std::move(deleted) || std::move(limit));
        if (told.index() == 1)
            control_channel_->abandon();
    }
}

std::optional<orchestrator_status> job::status(time_point now) const {
    if (!channels_)
        return std::nullopt;
    orchestrator_status out;
    out.url = orchestrator_;
    out.manifest_id = channels_->manifest_id;
    if (relay_) {
        const auto sent = relay_->count();
        out.segments_sent = sent.sent;
        out.segments_dropped = sent.dropped;
        out.segments_in_flight = sent.in_flight;
        out.bytes_sent = sent.bytes;
    }
    out.events = event_count_;
    if (event_count_ > 0)
        out.last_event_s = seconds(now - event_watch_.last());
    out.control_waiting = control_.waiting();
    return out;
}

} // namespace rivulet::live
