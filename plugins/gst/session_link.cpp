#include "session_link.hpp"

#include "trickle/subscriber_relay.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>

namespace rivulet::element {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t event_bytes = 128 * 1024;
constexpr std::size_t reply_bytes = 64 * 1024;
// Segments whose end the gateway has not acknowledged: it does not keep up, or is not there.
constexpr std::size_t most_ending = 5;
// The news of an end and its reason come over different channels.
constexpr duration reason_grace = 150ms;
constexpr duration update_limit = 5s;

// The gateway has taken a channel away.
bool is_end(const error_code& code) {
    return code == errc::end_of_stream || code == errc::not_found || code == errc::closed;
}

media::segmenter_options cutting() {
    media::segmenter_options options;
    // A little less than the second that encoders are asked for: with the jitter of arrival every
    // other keyframe would be too early otherwise.
    options.min_segment = 900ms;
    return options;
}

trickle::publisher_options publishing(const http::client_options& client, const char* mime) {
    trickle::publisher_options options;
    options.client = client;
    options.mime = mime;
    options.reply_timeout = client.write_timeout;
    return options;
}

trickle::subscriber_options subscribing(const http::client_options& client) {
    trickle::subscriber_options options;
    options.client = client;
    options.start = 0; // the channels are new
    return options;
}

// Asio ends a program in which a coroutine that never waited cancels itself: those that may end the
// link wait for the next turn first.
awaitable<void> next_turn() {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
}

// Only tracks about which all is known.
media::stream_format complete_part(media::stream_format format) {
    if (format.video && format.video->width == 0)
        format.video.reset();
    if (format.audio && format.audio->sample_rate == 0)
        format.audio.reset();
    return format;
}

} // namespace

session_link::session_link(
    asio::any_io_executor executor,
    open_door door,
    http::client_options client,
    http::header_list access,
    link_listener& listener,
    logger log
)
    : executor_(executor), door_(std::move(door)), client_(std::move(client)),
      access_(std::move(access)), listener_(listener), log_(std::move(log)), tasks_(executor, log_),
      input_(executor), changed_(executor),
      publisher_(
          executor, door_.publish_url, publishing(client_, "video/MP2T"), log_.with("publisher")
      ),
      segmenter_(cutting()),
      output_(executor, door_.subscribe_url, subscribing(client_), log_.with("subscriber")),
      demuxer_({nullptr, [this](media::access_unit unit) { output_unit(std::move(unit)); }}),
      control_wake_(executor) {}

void session_link::start() {
    if (auto begun = publisher_.start(); !begun) {
        lost(begun.error());
        return;
    }
    const auto self = shared_from_this();
    if (!door_.events_url.empty()) {
        events_.emplace(executor_, door_.events_url, subscribing(client_), log_.with("events"));
        tasks_.spawn("events", read_events(self));
    }
    if (!door_.control_url.empty()) {
        control_.emplace(
            executor_,
            door_.control_url,
            publishing(client_, "application/json"),
            log_.with("control")
        );
        if (!control_->start())
            control_.reset();
    }
    tasks_.spawn("control", send_control(self));
    tasks_.spawn("output", read_output(self));
    tasks_.spawn("input", send_input(self));
}

void session_link::send_params(std::string params) {
    params_ = std::move(params);
    control_wake_.notify_all();
}

void session_link::finish() {
    finishing_ = true;
    input_.notify_all();
}

void session_link::abandon() {
    if (over_)
        return;
    over_ = losing_ = true;
    publisher_.abandon();
    if (control_)
        control_->abandon();
    const failure why(errc::closed, "the session ended");
    output_.cancel(why);
    if (events_)
        events_->cancel(why);
    for (auto* each : {&input_, &changed_, &control_wake_})
        each->notify_all();
    tasks_.close();
}

awaitable<void> session_link::close() {
    // Also when somebody loses patience in the middle.
    struct abandon_on_exit {
        explicit abandon_on_exit(self_ptr l) : link(std::move(l)) {}

        abandon_on_exit(const abandon_on_exit&) = delete;

        ~abandon_on_exit() { link->abandon(); }

        const self_ptr link;
    };

    const abandon_on_exit leave(shared_from_this());
    losing_ = true; // what breaks now breaks for a reason
    if (!over_ && !std::exchange(left_, true))
        co_await publisher_.close();
}

awaitable<void> session_link::gone(duration limit) {
    const auto self = shared_from_this();
    co_await tasks_.join(limit);
}

// ---- ends --------------------------------------------------------------------------------------

void session_link::lost(const failure& why) {
    if (std::exchange(losing_, true))
        return;
    tasks_.spawn("loss", lose(shared_from_this(), why.detail, is_end(why.code)));
}

awaitable<void>
session_link::lose([[maybe_unused]] self_ptr self, std::string reason, bool by_gateway) {
    co_await next_turn();
    if (by_gateway) {
        const auto until = steady_clock::now() + reason_grace;
        while (!over_ && events_ && end_reason_.empty() && steady_clock::now() < until)
            co_await changed_.wait_until(until);
    }
    if (over_)
        co_return;
    if (replaced_)
        reason = "another publisher took the stream's name; give each its own (property stream)";
    else if (!end_reason_.empty())
        reason = "the gateway ended the stream: " + end_reason_;
    else if (by_gateway)
        reason = "the gateway ended the stream (" + reason + ")";
    auto& listener = listener_;
    if (finishing_)
        demuxer_.flush(); // there is no other connection that brings the last picture
    abandon();
    listener.link_lost(reason, replaced_);
}

void session_link::ended_well() {
    if (std::exchange(losing_, true))
        return;
    auto& listener = listener_;
    const auto self = shared_from_this();
    demuxer_.flush();
    // The publisher's farewell may still be on its way.
    if (!left_)
        abandon();
    listener.link_drained();
}

// ---- input -------------------------------------------------------------------------------------

awaitable<void> session_link::send_input([[maybe_unused]] self_ptr self) {
    while (!losing_) {
        auto items = listener_.take_input();
        if (items.empty()) {
            if (finishing_)
                break;
            co_await input_.wait();
            continue;
        }
        for (auto& item : items) {
            if (auto* format = std::get_if<media::stream_format>(&item)) {
                if (auto bad = muxer_.set_format(*format)) {
                    const failure why(bad, "MPEG-TS can't carry the input: " + bad.message());
                    lost(why);
                    co_return;
                }
                continue;
            }
            const bool sent = co_await send(std::get<media::access_unit>(std::move(item)));
            if (!sent)
                co_return;
        }
        const bool flushed = co_await flush();
        if (!flushed)
            co_return;
    }
    if (losing_)
        co_return;
    end_segment();
    co_await leave_when_complete();
}

awaitable<bool> session_link::send(media::access_unit unit) {
    using media::segment_action;
    const auto decided = segmenter_.step(unit, steady_clock::now()).action;
    if (decided == segment_action::drop)
        co_return true;
    if (decided == segment_action::end_then_drop) {
        const bool flushed = co_await flush();
        end_segment();
        listener_.link_wants_keyframe();
        co_return flushed;
    }
    if (decided == segment_action::cut_then_write) {
        const bool begun = co_await begin_segment();
        if (!begun)
            co_return false;
    }
    clock_.input(unit.pts);
    if (unit.kind == media::track_kind::video)
        last_video_ = std::max(last_video_.value_or(unit.pts), unit.pts);
    auto block = muxer_.write(unit);
    if (block)
        pending_.push_back(std::move(*block));
    else
        log_.debug("a unit of the input can't be sent: {}", block.error().message());
    co_return true;
}

awaitable<bool> session_link::flush() {
    if (pending_.empty() || !segment_)
        co_return !losing_;
    auto blocks = std::exchange(pending_, {});
    const auto into = segment_;
    auto written = co_await into->write(std::move(blocks));
    if (!written)
        lost(written.error());
    co_return !losing_;
}

awaitable<bool> session_link::begin_segment() {
    const bool flushed = co_await flush();
    if (!flushed)
        co_return false;
    end_segment();
    if (ending_ > most_ending) {
        const failure why(errc::timed_out, "the gateway does not take the input");
        lost(why);
        co_return false;
    }
    auto next = co_await publisher_.next_segment();
    if (!next) {
        lost(next.error());
        co_return false;
    }
    segment_ = std::move(*next);
    muxer_.begin_segment();
    co_return !losing_;
}

void session_link::end_segment() {
    if (!segment_)
        return;
    ++ending_;
    tasks_.spawn("segment", finish_segment(shared_from_this(), std::exchange(segment_, nullptr)));
}

awaitable<void> session_link::finish_segment(
    [[maybe_unused]] self_ptr self, trickle::publisher::segment_ptr segment
) {
    auto done = co_await segment->finish();
    --ending_;
    if (!done)
        lost(done.error());
    changed_.notify_all();
}

// Waits for the last picture to come back, then tells the gateway that the stream is over. The end
// of the output is read_output()'s.
awaitable<void> session_link::leave_when_complete() {
    while (!losing_ && ending_ > 0)
        co_await changed_.wait();
    drain_.input_over(last_video_, steady_clock::now());
    while (!losing_ && !drain_.complete(steady_clock::now()))
        co_await changed_.wait_until(drain_.due());
    if (losing_ || std::exchange(left_, true))
        co_return;
    co_await publisher_.close();
}

// ---- output ------------------------------------------------------------------------------------

awaitable<void> session_link::read_output([[maybe_unused]] self_ptr self) {
    co_await next_turn();
    trickle::item_sink items = [this](trickle::subscriber_item item) {
        output_arrived(std::move(item));
    };
    trickle::trouble_sink trouble = [this](const failure& why) {
        log_.debug("output: {}", why.detail);
    };
    const auto why = co_await trickle::follow(output_, std::move(items), std::move(trouble));
    if (over_)
        co_return;
    if (left_)
        ended_well();
    else
        lost(why);
}

void session_link::output_arrived(trickle::subscriber_item item) {
    if (item.segment_begins)
        demuxer_.reset_continuity();
    for (const auto& block : item.blocks)
        if (!over_)
            demuxer_.push(block.view());
}

void session_link::output_unit(media::access_unit unit) {
    if (over_)
        return;
    auto format = complete_part(demuxer_.format());
    if (format != told_) {
        told_ = format;
        listener_.link_format(told_);
    }
    clock_.place(unit);
    drain_.output(unit, steady_clock::now());
    listener_.link_unit(std::move(unit));
    if (finishing_)
        changed_.notify_all();
}

// ---- events and parameters ---------------------------------------------------------------------

awaitable<void> session_link::read_events([[maybe_unused]] self_ptr self) {
    trickle::message_sink messages = [this](trickle::subscriber_message message) {
        event_arrived(message.body);
    };
    trickle::trouble_sink trouble = [this](const failure& why) {
        log_.debug("events: {}", why.detail);
    };
    // Their end is no loss: the media's is.
    co_await trickle::follow_messages(
        *events_, event_bytes, std::move(messages), std::move(trouble)
    );
}

void session_link::event_arrived(const std::string& text) {
    if (over_)
        return;
    boost::system::error_code bad;
    const auto value = json::parse(text, bad);
    const auto* event = bad ? nullptr : value.if_object();
    const auto* type = event ? event->if_contains("type") : nullptr;
    const auto* data = event ? event->if_contains("data") : nullptr;
    if (!type || !type->is_string())
        return;
    static const json::object nothing;
    const auto& details = data && data->is_object() ? data->get_object() : nothing;
    if (type->as_string() == "stream_ended") {
        const auto* reason = details.if_contains("reason");
        const auto* cause = details.if_contains("cause");
        if (reason && reason->is_string() && !reason->as_string().empty())
            end_reason_ = std::string(reason->as_string());
        else if (cause && cause->is_string())
            end_reason_ = std::string(cause->as_string());
        replaced_ = cause && cause->is_string() && cause->as_string() == "replaced";
        changed_.notify_all();
    }
    listener_.link_event(std::string(type->as_string()), details);
}

awaitable<void> session_link::send_control([[maybe_unused]] self_ptr self) {
    while (!over_) {
        if (!params_) {
            co_await control_wake_.wait();
            continue;
        }
        auto params = *std::exchange(params_, std::nullopt);
        // What follows begins with the newest. The address of updates has the stream's name alone,
        // which may be another publisher's by now.
        if (losing_ || left_)
            continue;
        if (control_) {
            auto sent = co_await control_->publish_message(bytes::copy_of(params));
            if (sent || over_)
                continue;
            log_.debug("control: {}", sent.error().detail);
            if (losing_ || left_)
                continue;
            if (sent.error().code == errc::closed) { // they alone: too large, say
                params_not_taken(sent.error().detail);
                continue;
            }
            if (is_end(sent.error().code)) {
                lost(sent.error());
                continue;
            }
            control_->abandon();
            control_.reset();
            if (params_)
                continue; // newer ones
        }
        co_await post_params(std::move(params));
    }
}

awaitable<void> session_link::post_params(std::string params) {
    auto reply = co_await http::fetch(
        client_,
        http::verb::post,
        door_.update_url,
        access_,
        std::move(params),
        update_limit,
        reply_bytes
    );
    if (over_ || (reply && http::beast_http::to_status_class(reply->status) ==
                               http::beast_http::status_class::successful))
        co_return;
    params_not_taken(
        reply ? "the gateway answered " + std::to_string(unsigned(reply->status)) +
                    (reply->body.empty() ? "" : ": " + reply->body.substr(0, 200))
              : reply.error().detail
    );
}

void session_link::params_not_taken(const std::string& why) {
    json::object data;
    data["message"] = "the parameters were not taken: " + why;
    listener_.link_event("warning", data);
}

} // namespace rivulet::element
