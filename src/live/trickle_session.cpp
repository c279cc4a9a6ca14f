#include "live/trickle_session.hpp"

#include "base/deadline.hpp"
#include "ingest/peer_text.hpp"
#include "live/json_object.hpp"
#include "live/routes.hpp"
#include "live/stream.hpp"
#include "live/stream_params.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace rivulet::live {
namespace {

constexpr unsigned burst = 3; // events at once; readers of a window of five keep up with it
constexpr duration look_again = std::chrono::milliseconds(20);
constexpr std::size_t detail_bytes = 300;
constexpr duration refusal_pause = std::chrono::seconds(1); // between two warnings

// PAT, or NIT and SDT before it: the sender begins anew, and may number its packets anew.
bool begins_with_tables(std::span<const std::uint8_t> data) {
    if (data.size() < 3 || data[0] != 0x47)
        return false;
    const int pid = (data[1] & 0x1f) << 8 | data[2];
    return pid == 0 || pid == 0x10 || pid == 0x11;
}

bool is_keepalive(const boost::json::object& message) {
    const auto* keep = message.if_contains("keep");
    return keep && message.size() == 1 && keep->is_string() && keep->get_string() == "alive";
}

} // namespace

trickle_session::trickle_session(
    asio::any_io_executor executor,
    const trickle_session_services& services,
    std::string stream,
    std::string id,
    const trickle_session_options& options,
    logger log
)
    : executor_(executor), services_(services), stream_(std::move(stream)), id_(std::move(id)),
      options_(options), log_(std::move(log)), event_before_(services.events->last()),
      event_came_(executor) {}

trickle_session::~trickle_session() = default;

ingest::kick trickle_session::kick() {
    return [weak = weak_from_this()](ingest::kick_cause, std::string reason) {
        if (const auto self = weak.lock())
            self->kicked(std::move(reason));
    };
}

// The live side is in the middle of something: its last event is out, the rest can wait.
void trickle_session::kicked(std::string reason) {
    if (over_ || kick_reason_)
        return;
    kick_reason_ = std::move(reason);
    last_event_ = services_.events->last();
    asio::post(executor_, [self = shared_from_this()] { self->end(*self->kick_reason_); });
}

outcome<void> trickle_session::begin(std::shared_ptr<ingest::unit_sink> sink, task_group& tasks) {
    if (kick_reason_) {
        sink->ended("ended before it began");
        return failure(errc::no_capacity, *kick_reason_);
    }
    auto made = services_.channels.open(stream_);
    if (!made) {
        sink->ended(made.error().detail);
        return made.error().code == errc::too_many ? failure(errc::no_capacity, made.error().detail)
                                                   : made.error();
    }
    channels_ = std::move(*made);
    request_id_ = sink->request_id();
    live_ = std::dynamic_pointer_cast<stream>(sink);
    sink->session_stats = [weak = weak_from_this()] {
        const auto self = weak.lock();
        return self ? self->report() : boost::json::object();
    };
    auto processed = services_.table.find(stream_ + std::string(output_suffix));
    const auto now = steady_clock::now();
    last_data_ = now;
    publisher_ = std::make_shared<ingest::ts_publisher>(
        executor_,
        std::move(sink),
        options_.publisher,
        [weak = weak_from_this()](std::string text) {
            if (const auto self = weak.lock())
                self->end(std::move(text));
        },
        now,
        log_
    );
    events_ = services_.events
                  ->begin(stream_, event_before_, [executor = executor_, weak = weak_from_this()] {
                      asio::post(executor, [weak] {
                          if (const auto self = weak.lock())
                              self->event_came_.notify_all();
                      });
                  });
    const auto self = shared_from_this();
    bool runs = processed && tasks.spawn("trickle output", relay_output(self, processed));
    runs = runs && tasks.spawn("trickle events", tell_events(self));
    runs = runs && tasks.spawn("trickle control", read_control(self));
    runs = runs && tasks.spawn("trickle input", read_input(self));
    runs = runs && tasks.spawn("trickle watch", watch_input(self));
    if (runs)
        return {};
    end("the gateway is stopping");
    close(channels_.output);
    close(channels_.events);
    return failure(errc::closed, "the gateway is stopping");
}

void trickle_session::close(trickle::channel_ptr& channel) {
    services_.channels.close(channel);
}

void trickle_session::end(std::string reason) {
    if (std::exchange(over_, true))
        return;
    if (publisher_)
        publisher_->finish(reason);
    if (!last_event_)
        last_event_ = services_.events->last();
    close(channels_.input);
    close(channels_.control);
    if (!publisher_) { // never begun: nobody else closes these
        close(channels_.output);
        close(channels_.events);
        return;
    }
    event_came_.notify_all();
    log_.info(
        "closed: {}; {} segments and {} bytes in",
        ingest::peer_text(reason, detail_bytes),
        segments_,
        bytes_
    );
}

boost::json::object trickle_session::report() const {
    boost::json::object out{
        {"protocol", "trickle"},
        {"session", id_},
        {"segments", segments_},
        {"bytes", bytes_},
        {"updates", updates_},
        {"refused_updates", refused_updates_},
        {"output_segments", output_segments_},
        {"output_bytes", output_bytes_},
        {"events", told_}};
    if (!publisher_)
        return out;
    const auto& seen = publisher_->counters();
    out["packets"] = seen.packets;
    out["lost_sync_bytes"] = seen.lost_sync_bytes;
    out["discontinuities"] = seen.discontinuities;
    out["dropped_units"] = seen.dropped_units;
    if (publisher_->transcoding()) {
        const auto cost = publisher_->transcoder_stats();
        out["transcoder"] = {
            {"reason", "orchestrators take H.264"},
            {"frames_in", cost.frames_in},
            {"frames_out", cost.frames_out},
            {"dropped", cost.dropped},
            {"cpu_seconds", cost.cpu_seconds}};
    }
    return out;
}

// --- input ---------------------------------------------------------------------------------------

void trickle_session::take(const trickle::channel_chunk& chunk) {
    const auto now = steady_clock::now();
    if (chunk.segment_begins) {
        ++segments_;
        if (chunk.skipped || begins_with_tables(chunk.blocks.front().view()))
            publisher_->begin_segment();
    }
    for (const auto& block : chunk.blocks) {
        if (over_)
            return;
        last_data_ = now;
        bytes_ += block.size();
        if (auto refused = publisher_->take(block.view(), now))
            end(std::move(*refused));
    }
}

awaitable<void> trickle_session::read_input(self_ptr self) {
    trickle::channel_reader from(self->executor_, self->channels_.input, 0);
    while (!self->over_) {
        const auto chunk = co_await from.read();
        if (!chunk)
            break;
        self->take(*chunk);
    }
    self->end("the publisher closed its channel");
}

awaitable<void> trickle_session::watch_input(self_ptr self) {
    while (!self->over_) {
        co_await expire_after(self->options_.tick);
        if (self->over_)
            break;
        const auto now = steady_clock::now();
        self->close_long_updates();
        self->tell_refused(now);
        const auto limit = self->options_.idle_limit;
        if (auto refused = self->publisher_->tick(now))
            self->end(std::move(*refused));
        else if (now - self->last_data_ >= limit)
            self->end(fmt::format(
                "nothing came for {} s",
                std::chrono::duration_cast<std::chrono::seconds>(limit).count()
            ));
    }
}

// --- control -------------------------------------------------------------------------------------

awaitable<void> trickle_session::read_control(self_ptr self) {
    trickle::channel_reader from(self->executor_, self->channels_.control, 0);
    std::string message;
    while (!self->over_) {
        const auto chunk = co_await from.read();
        if (!chunk)
            break;
        if (chunk->segment_begins)
            message.clear();
        // One byte too many tells that it is too long; no more of it is kept.
        for (const auto& block : chunk->blocks)
            message += block.text().substr(0, update_bytes + 1 - message.size());
        if (message.size() > update_bytes && !chunk->segment_ends)
            self->channels_.control->close_segment(chunk->seq);
        if (!chunk->segment_ends || message.empty())
            continue;
        self->change(std::exchange(message, std::string()));
    }
}

// Also of the segments that were begun before the current one has ended. Their writers are told
// that the rest is dropped.
void trickle_session::close_long_updates() {
    auto& control = *channels_.control;
    const auto next = control.next();
    for (auto seq = std::max<std::int64_t>(0, next - trickle::channel::window); seq < next; ++seq) {
        const auto held = control.open_read(seq);
        if (held && !(*held)->closed() && (*held)->size() > update_bytes)
            control.close_segment(seq);
    }
}

void trickle_session::change(std::string message) {
    auto valid = parse_update(message);
    if (!valid)
        return refuse_update(ingest::peer_text(valid.error().detail, detail_bytes));
    // As subscribers of control channels know them.
    if (is_keepalive(*valid))
        return;
    // Not by name: that may be a newer publisher's by now.
    const auto live = live_.lock();
    if (over_ || kick_reason_ || !live || !live->has_publisher()) {
        log_.debug("parameters came after the end");
        return;
    }
    ++updates_;
    live->update(std::move(message));
}

void trickle_session::refuse_update(std::string why) {
    ++refused_updates_;
    ++untold_refusals_;
    refused_why_ = std::move(why);
    tell_refused(steady_clock::now());
}

// Whoever sends bad ones without end must not fill the log, nor push others' events out of the hub.
void trickle_session::tell_refused(time_point now) {
    if (untold_refusals_ == 0 || over_ || kick_reason_)
        return;
    if (told_refused_ && now - *told_refused_ < refusal_pause)
        return;
    told_refused_ = now;
    auto text = "parameters were refused: " + refused_why_;
    if (const auto more = std::exchange(untold_refusals_, 0) - 1; more > 0)
        text += fmt::format(" ({} more like it)", more);
    log_.warn("{}", text);
    services_.events->publish(stream_, "warning", {{"message", text}});
}

// --- output --------------------------------------------------------------------------------------

// The same blocks in a channel of the publisher's own; it outlives changes of the orchestrator, as
// its source does.
awaitable<void> trickle_session::relay_output(self_ptr self, trickle::channel_ptr source) {
    {
        trickle::channel_reader from(self->executor_, std::move(source), 0);
        trickle::channel_writer to(self->channels_.output);
        for (;;) {
            auto chunk = co_await from.read();
            if (!chunk)
                break;
            error_code failed;
            if (chunk->segment_begins) {
                failed = to.begin_segment();
                ++self->output_segments_;
            }
            for (auto& block : chunk->blocks) {
                self->output_bytes_ += block.size();
                if (!failed)
                    failed = to.append(std::move(block));
            }
            if (chunk->segment_ends)
                to.end_segment();
            if (failed == errc::closed)
                break;
        }
    }
    co_await until_read(self, self->channels_.output);
    self->close(self->channels_.output);
}

// A reader that waits for the segment after the last one has got all; who has not may need a
// moment.
awaitable<void> trickle_session::until_read(self_ptr self, trickle::channel_ptr channel) {
    const auto limit = self->kick_reason_ ? self->options_.cut_short : self->options_.last_words;
    const auto until = steady_clock::now() + limit;
    while (!channel->closed() && channel->next() > 0 && steady_clock::now() < until) {
        const auto awaited = channel->open_read(trickle::seq_next);
        if (awaited && (*awaited)->watchers() > 0)
            break;
        co_await expire_after(look_again);
    }
}

// --- events --------------------------------------------------------------------------------------

// Those of an older publisher of the name come first when this one took over.
bool trickle_session::is_ours(const std::string& event) {
    if (own_events_)
        return true;
    const bool started = event.find("\"type\":\"stream_started\"") != std::string::npos;
    const bool gap = event.find("\"type\":\"gap\"") != std::string::npos;
    own_events_ = gap || (started && event.find("\"" + request_id_ + "\"") != std::string::npos);
    return own_events_;
}

awaitable<void> trickle_session::tell_events(self_ptr self) {
    trickle::channel_writer to(self->channels_.events);
    unsigned in_a_row = 0;
    for (;;) {
        const auto text = self->events_->next();
        if (self->last_event_ && self->events_->cursor() > *self->last_event_)
            break;
        if (!text) {
            if (self->over_)
                break;
            in_a_row = 0;
            co_await self->event_came_.wait();
            continue;
        }
        if (!self->is_ours(*text))
            continue;
        const std::span view(reinterpret_cast<const std::uint8_t*>(text->data()), text->size());
        const auto failed = to.write_segment(bytes(text, view));
        if (failed)
            break;
        ++self->told_;
        if (++in_a_row >= burst)
            co_await expire_after(self->options_.event_pause);
    }
    self->events_.reset();
    co_await until_read(self, self->channels_.events);
    self->close(self->channels_.events);
}

} // namespace rivulet::live
