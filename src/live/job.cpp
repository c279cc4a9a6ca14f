#include "live/job.hpp"

#include "base/deadline.hpp"
#include "session/keccak.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::live {
namespace {

// "next" would lose a segment whose first byte is faster than our request; "newest" is segment 0 on
// a fresh channel and waits for it.
constexpr std::int64_t from_the_first_segment = -2;

constexpr std::size_t fault_bytes = 300;
// Output that rests for longer is no sign of life.
constexpr duration output_pause = std::chrono::seconds(2);

double seconds(duration d) {
    return std::chrono::duration<double>(d).count();
}

bool channel_ended(const failure& why) {
    return why.code == errc::end_of_stream || why.code == errc::not_found;
}

// A runner's status while it loads a model; there may be no output meanwhile.
bool is_loading(const boost::json::object& event) {
    const auto* state = event.if_contains("state");
    const auto* text = state ? state->if_string() : nullptr;
    return text && *text == "LOADING";
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
      search_(services, request_, log_), starter_(executor, log_), tasks_(executor, log_),
      last_(executor, log_), changed_(executor),
      control_(request_.cached_params, steady_clock::now(), services.timing.keepalive),
      output_watch_(output_limits(), steady_clock::now()),
      event_watch_(steady_clock::now(), services.timing.event_silence),
      started_(steady_clock::now()) {}

job::~job() = default;

void job::start() {
    starter_.spawn("job start", run());
}

void job::update(bytes body) {
    control_.update(std::move(body));
    output_watch_.disturbed(steady_clock::now());
    changed_.notify_all();
}

void job::video(int width, int height, double fps) {
    if (payer_)
        payer_->video(width, height, fps);
}

void job::end(job_end_cause cause, std::string text) {
    if (end_ || closing_)
        return;
    end_ = job_end{cause, std::move(text)};
    // At once: the search for the next one must know it.
    if (place_ && calls_for_swap(cause))
        place_->at->failed(session::fault(fault_of(cause), end_->text.substr(0, fault_bytes)));
    changed_.notify_all();
    asio::post(executor_, [self = shared_from_this()] {
        if (self->listener_ && !self->closing_)
            self->listener_->job_ended(*self->end_);
    });
}

awaitable<void> job::run() {
    auto self = shared_from_this();
    auto found = co_await search_.run();
    retry_after_ = found.retry_after;
    if (!found.place) {
        end(found.why.cause, std::move(found.why.text));
        co_return;
    }
    if (closing_ || end_)
        // Somebody just took a job that nobody wants any more.
        co_await give_back(std::move(*found.place));
    else
        connect(std::move(*found.place));
}

awaitable<void> job::give_back(job_place place) {
    const auto limit = services_.timing.goodbye;
    co_await delete_channel(services_.http, place.channels.publish_url, limit);
    co_await delete_channel(services_.http, place.channels.control_url, limit);
}

void job::connect(job_place place) {
    place_ = std::move(place);
    orchestrator_ = place_->at->url();
    const auto& channels = place_->channels;
    const auto info = place_->at->info();
    orchestrator_name name(orchestrator_);
    if (info) {
        name.address = session::checksum_address(info->address);
        if (info->capabilities)
            name.version = info->capabilities->version;
    }
    identity_ = {request_.offer.stream_id, request_.offer.request_id, "", name.address, name.url};
    const auto now = steady_clock::now();
    const output_limits limits(services_.timing.first_output, services_.timing.output_silence);
    output_watch_ = output_watchdog(limits, now);
    event_watch_ = event_watchdog(now, services_.timing.event_silence);
    log_.info(
        "orchestrator {} took the job{}",
        orchestrator_,
        channels.manifest_id.empty() ? "" : " " + channels.manifest_id
    );

    trickle::subscriber_options reading;
    reading.client = services_.http;
    reading.start = from_the_first_segment;
    output_ = std::make_unique<trickle::subscriber>(
        executor_, channels.subscribe_url, reading, log_.with("output")
    );
    event_source_ = std::make_unique<trickle::subscriber>(
        executor_, channels.events_url, reading, log_.with("events")
    );
    trickle::publisher_options writing;
    writing.client = services_.http;
    trickle::relay_listener& self = *this;
    relay_ = std::make_unique<trickle::publisher_relay>(
        executor_, source_, channels.publish_url, writing, self, log_.with("publisher")
    );
    writing.mime = "application/json";
    control_channel_ = std::make_unique<trickle::publisher>(
        executor_, channels.control_url, writing, log_.with("control")
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
    start_paying();
    think_of_standby();
    listener_->job_connected(name);
}

void job::start_paying() {
    if (!place_->account->is_paid())
        return;
    payment::live_payer::listener told;
    told.trouble = [this](const std::string& text) {
        if (listener_ && !closing_)
            listener_->job_trouble(job_listener::trouble::retried, text);
    };
    told.refused = [this](const std::string& text) { end(job_end_cause::payment_refused, text); };
    payer_ = std::make_unique<payment::live_payer>(
        executor_,
        *place_->account,
        place_->channels.manifest_id,
        services_.paying,
        std::move(told),
        log_.with("payment")
    );
}

// Known in advance, so that a swap has nobody to look for.
void job::think_of_standby() {
    const session::job_need need(
        session::capability::live_video_to_video,
        request_.offer.model_id,
        request_.orchestrator_filter
    );
    standby_ = services_.sessions.standby(need, orchestrator_);
}

awaitable<void> job::run_output() {
    auto self = shared_from_this();
    trickle::subscribe_policy_fsm patience;
    for (;;) {
        auto item = co_await output_->read();
        if (item) {
            patience.succeeded();
            connections_.worked(channel::output);
            // What comes after its end is nobody's: the next one may be at work already.
            if (listener_ && !end_)
                take_output(std::move(*item));
            continue;
        }
        const auto pause = after_failure(channel::output, item.error(), patience, *output_);
        if (!pause)
            break;
        co_await output_->rest(*pause);
    }
    output_open_ = false;
    changed_.notify_all();
}

void job::take_output(trickle::subscriber_item item) {
    const auto now = steady_clock::now();
    std::uint64_t size = 0;
    for (const auto& block : item.blocks)
        size += block.size();
    if (size > 0)
        last_output_ = now;
    const auto what = listener_->job_output(std::move(item));
    if (what == output_proof::content::video) {
        last_video_ = now;
        if (first_video_ == time_point{})
            first_video_ = now;
        output_watch_.output_seen(now);
    }
    if (const auto why = proof_.seen(what, size, now))
        end(job_end_cause::output_unusable,
            fmt::format("the output of {} is no video: {}", orchestrator_, *why));
}

awaitable<void> job::run_events() {
    auto self = shared_from_this();
    trickle::subscribe_policy_fsm patience;
    for (;;) {
        auto message = co_await event_source_->read_message(event_merge::body_bytes);
        const bool too_long = !message && message.error().code == errc::too_large;
        if (message || too_long) {
            // The channel works, even if its author wrote too much.
            patience.succeeded();
            connections_.worked(channel::events);
            if (message)
                take_event(message->body);
            else if (listener_)
                listener_->job_trouble(job_listener::trouble::lost, message.error().detail);
            continue;
        }
        const auto pause =
            after_failure(channel::events, message.error(), patience, *event_source_);
        if (!pause)
            break;
        co_await event_source_->rest(*pause);
    }
    // The end of the events is not the end of the job; it only takes the sign of life away.
    events_open_ = false;
}

std::optional<duration> job::after_failure(
    channel which,
    const failure& why,
    trickle::subscribe_policy_fsm& patience,
    trickle::subscriber& source
) {
    if (source.cancelled())
        return std::nullopt;
    const std::string_view doing = which == channel::output ? "output" : "events";
    const auto verdict = patience.failed(why.code, source.latest());
    if (channel_ended(why)) {
        if (which == channel::output)
            end(job_end_cause::output_ended,
                fmt::format("the orchestrator {} ended the output: {}", orchestrator_, why.detail));
        return std::nullopt;
    }
    connection_failed(which, why);
    if (end_)
        return std::nullopt;
    if (verdict.stop) {
        end(job_end_cause::orchestrator_unreachable,
            fmt::format(
                "reading the {} of {} failed: {}{}",
                doing,
                orchestrator_,
                why.detail,
                last_trouble_.empty() ? "" : ", the last one: " + last_trouble_
            ));
        return std::nullopt;
    }
    last_trouble_ = why.detail;
    if (listener_)
        listener_->job_trouble(
            job_listener::trouble::retried, fmt::format("reading the {}: {}", doing, why.detail)
        );
    if (verdict.jump_to)
        source.set_seq(*verdict.jump_to);
    return is_connection_loss(why.code) ? duration{} : verdict.pause;
}

// Any of the four channels may be the first to notice.
void job::connection_failed(channel which, const failure& why) {
    if (end_ || closing_ ||
        connections_.failed(which, why.code, steady_clock::now()) !=
            connection_watch::verdict::gone)
        return;
    end(job_end_cause::connection_lost,
        fmt::format("the connection to {} is lost: {}", orchestrator_, why.detail));
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
    const auto now = steady_clock::now();
    if (event->type == "status")
        event_watch_.status_seen(now);
    else
        event_watch_.event_seen(now);
    if (is_loading(event->event))
        output_watch_.disturbed(now);
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
            if (sent)
                connections_.worked(channel::control);
            else
                connection_failed(channel::control, sent.error());
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
    auto next_standby = steady_clock::now() + services_.timing.standby;
    while (!end_ && !closing_) {
        auto next = std::min(output_watch_.next_check(), next_standby);
        // The watchdogs learn meanwhile: what they ask for changes.
        const auto soon = std::min(output_watchdog::look_every, event_watch_.interval());
        next = std::min<time_point>(next, steady_clock::now() + soon);
        co_await changed_.wait_until(next);
        const auto now = steady_clock::now();
        if (now >= next_standby) {
            think_of_standby();
            next_standby = now + services_.timing.standby;
        }
        // The limits of the wait that is over: stalled() may begin a new one.
        const auto silence = now - output_watch_.waiting_since();
        const bool output_flows = last_video_ != time_point{} && now - last_video_ < output_pause;
        if (output_watch_.stalled(now, last_input()))
            end(job_end_cause::output_stalled,
                fmt::format(
                    "timeout waiting for segments: {} sent no video for {:.1f} s although video "
                    "goes in",
                    orchestrator_,
                    seconds(silence)
                ));
        else if (events_open_ && event_watch_.silent(now, output_flows))
            end(job_end_cause::events_silent,
                fmt::format(
                    "timeout waiting for events: none from {} for {:.1f} s",
                    orchestrator_,
                    seconds(now - event_watch_.last())
                ));
    }
}

void job::segment_begun(std::int64_t) {
    if (payer_)
        payer_->segment_begun(steady_clock::now());
}

void job::segment_sent(std::int64_t, std::uint64_t) {
    connections_.worked(channel::input);
    if (listener_ && !closing_)
        listener_->job_segment_sent();
}

void job::attempt_failed(std::int64_t, const failure& why) {
    connection_failed(channel::input, why);
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
    search_.stop();
    changed_.notify_all();
    if (how == ending::finish && place_ && !end_)
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
    payer_.reset();
    over_ = true;
}

void job::abandon() {
    if (std::exchange(over_, true))
        return;
    closing_ = true;
    listener_ = nullptr;
    search_.stop();
    starter_.close();
    tasks_.close();
    const failure why(errc::cancelled, "the job is over");
    if (output_)
        output_->cancel(why);
    if (event_source_)
        event_source_->cancel(why);
    if (relay_)
        relay_->abandon();
    if (control_channel_)
        control_channel_->abandon();
    hurry();
    // A payment under way refers to the account.
    if (payer_)
        last_.spawn("last payment", pay_last(shared_from_this()));
}

awaitable<void> job::pay_last(std::shared_ptr<job> self) {
    co_await self->stop_paying();
    self->payer_.reset();
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

awaitable<void> job::delete_control() {
    using namespace asio::experimental::awaitable_operators;
    if (!control_channel_)
        co_return;
    auto deleted = control_channel_->close();
    auto limit = expire_after(services_.timing.goodbye);
    const auto told = co_await (std::move(deleted) || std::move(limit));
    if (told.index() == 1)
        control_channel_->abandon();
}

awaitable<void> job::stop_paying() {
    if (payer_)
        co_await payer_->close(services_.timing.goodbye);
}

// All at the same time: an orchestrator that answers nothing costs one wait. The two channels that
// it writes are deleted too, so that nothing waits there for a reader.
awaitable<void> job::say_goodbye() {
    using namespace asio::experimental::awaitable_operators;
    auto input = delete_input();
    auto control = delete_control();
    auto money = stop_paying();
    if (!place_) {
        co_await (std::move(input) && std::move(control) && std::move(money));
        co_return;
    }
    const auto limit = services_.timing.goodbye;
    auto output = delete_channel(services_.http, place_->channels.subscribe_url, limit);
    auto events = delete_channel(services_.http, place_->channels.events_url, limit);
    co_await (
        std::move(input) && std::move(control) && std::move(money) && std::move(output) &&
        std::move(events)
    );
}

std::optional<orchestrator_status> job::status(time_point now) const {
    if (!place_)
        return std::nullopt;
    orchestrator_status out;
    out.url = orchestrator_;
    out.manifest_id = place_->channels.manifest_id;
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
    if (standby_)
        out.standby = *standby_;
    out.payment = place_->account->status();
    return out;
}

} // namespace rivulet::live
