#include "ingest/rtmp_pull.hpp"

#include "base/deadline.hpp"
#include "base/notifier.hpp"
#include "ingest/rtmp_client_fsm.hpp"
#include "ingest/rtmp_publisher.hpp"

#include <algorithm>

namespace rivulet::ingest {
namespace {

constexpr std::size_t read_size = 64u << 10;
constexpr duration drain_limit = std::chrono::seconds(2); // for the pipeline's last units
// As a publisher's: one message is a frame.
constexpr rtmp_chunk_limits source_limits{8u << 20, 64, 16u << 20};

} // namespace

std::string_view to_string(pull_state state) {
    switch (state) {
    case pull_state::connecting:
        return "connecting";
    case pull_state::playing:
        return "playing";
    case pull_state::backing_off:
        return "backing_off";
    case pull_state::ended:
        return "ended";
    }
    return "unknown";
}

struct rtmp_pull::state {
    explicit state(asio::any_io_executor ex) : executor(ex), changed(ex) {}

    // The sink hears of one end, however many connections there were.
    void tell_end(const std::string& reason) {
        status.state = pull_state::ended;
        if (auto told = std::exchange(sink, nullptr))
            told->ended(reason);
    }

    asio::any_io_executor executor;
    std::optional<rtmp_url> url;
    std::shared_ptr<unit_sink> sink; // null after ended()
    rtmp_pull_options options;
    logger log;
    rtmp_pull_status status;
    bool stopped = false;
    bool gone = false;                  // the server ended the stream in the regular way
    std::optional<std::string> useless; // its media can't be carried: no reason to come back
    time_point last_unit{};
    notifier changed;
};

namespace {

// What one connection's pipeline writes into: its end is not the publisher's.
template <class State>
class pull_sink final : public unit_sink {
  public:
    explicit pull_sink(std::weak_ptr<State> to) : to_(std::move(to)) {}

    void format_changed(const media::stream_format& format) override {
        if (auto to = to_.lock(); to && to->sink)
            to->sink->format_changed(format);
    }

    void unit(media::access_unit unit) override {
        auto to = to_.lock();
        if (!to || !to->sink)
            return;
        ++to->status.units;
        to->last_unit = steady_clock::now();
        to->sink->unit(std::move(unit));
    }

    void ended(const std::string&) override {}

  private:
    std::weak_ptr<State> to_;
};

// One connection to the server.
struct pull_link {
    pull_link(http::stream s, rtmp_url url, duration stall)
        : stream(std::move(s)), machine(rtmp_role::play, std::move(url), source_limits),
          stall_limit(stall), input(read_size) {}

    awaitable<error_code> flush() {
        while (machine.has_output()) {
            const auto out = machine.take_output();
            stream.expires_after(stall_limit);
            auto failed = co_await stream.write(asio::buffer(out));
            stream.expires_after(duration::max());
            if (failed)
                co_return failed;
        }
        co_return error_code{};
    }

    awaitable<error_code> receive(time_point until) {
        stream.expires_after(std::max<duration>(until - steady_clock::now(), duration(1)));
        auto got = co_await stream.read_some(asio::buffer(input));
        stream.expires_after(duration::max());
        if (!got)
            co_return got.error();
        received += *got;
        machine.receive({input.data(), *got});
        co_return error_code{};
    }

    // Until the stream begins; "" is success.
    awaitable<std::string> introduce(time_point until) {
        machine.start();
        for (;;) {
            auto failed = co_await flush();
            if (failed)
                co_return failed.message();
            while (auto event = machine.next_event()) {
                if (std::holds_alternative<rtmp_client_ready>(*event))
                    co_return std::string();
                if (const auto* end = std::get_if<rtmp_client_ended>(&*event))
                    co_return end->reason;
            }
            failed = co_await receive(until);
            if (failed)
                co_return failed == errc::timed_out ? "the server does not answer"
                                                    : failed.message();
        }
    }

    http::stream stream;
    rtmp_client_fsm machine;
    duration stall_limit;
    std::vector<std::uint8_t> input;
    std::uint64_t received = 0;
};

media::flv_tag_type tag_of(rtmp_type type) {
    return type == rtmp_type::video   ? media::flv_tag_type::video
           : type == rtmp_type::audio ? media::flv_tag_type::audio
                                      : media::flv_tag_type::script;
}

} // namespace

rtmp_pull::rtmp_pull(
    asio::any_io_executor executor,
    std::string url,
    std::shared_ptr<unit_sink> sink,
    rtmp_pull_options options,
    logger log
)
    : state_(std::make_shared<state>(executor)), tasks_(executor, log) {
    state_->sink = std::move(sink);
    state_->options = std::move(options);
    state_->log = std::move(log);
    state_->last_unit = steady_clock::now();
    auto parsed = parse_rtmp_url(url);
    if (parsed) {
        state_->status.source = parsed->shown;
        state_->url = std::move(*parsed);
    } else {
        state_->useless = parsed.error().detail;
    }
    tasks_.spawn("rtmp pull", run(state_));
}

rtmp_pull::~rtmp_pull() {
    stop("cancelled");
}

void rtmp_pull::stop(std::string reason) {
    if (std::exchange(state_->stopped, true))
        return;
    state_->options.ended = nullptr;
    tasks_.close();
    state_->tell_end(reason);
}

rtmp_pull_status rtmp_pull::status() const {
    return state_->status;
}

awaitable<void> rtmp_pull::run(std::shared_ptr<state> self) {
    using namespace asio::experimental::awaitable_operators;
    // Even when the first attempt fails without waiting, the owner has the object by then.
    co_await asio::post(self->executor, asio::use_awaitable);
    const auto& options = self->options;
    auto backoff = options.backoff_first;
    std::string reason;
    while (!self->stopped) {
        if (self->useless) {
            reason = *self->useless;
            break;
        }
        self->status.state = pull_state::connecting;
        const auto units_before = self->status.units;
        reason = co_await play_once(self);
        self->status.last_error = reason;
        if (self->stopped)
            co_return;
        if (self->useless)
            continue;
        if (self->gone && !options.exists)
            break;
        const auto now = steady_clock::now();
        if (now - self->last_unit >= options.give_up) {
            reason = "no media for too long: " + reason;
            break;
        }
        if (self->status.units > units_before)
            backoff = options.backoff_first;
        self->status.state = pull_state::backing_off;
        self->log.info("pull from {}: {}", self->status.source, reason);
        const auto again = now + backoff;
        while (!self->stopped && steady_clock::now() < again)
            co_await self->changed.wait_until(again);
        backoff = std::min(backoff * 2, options.backoff_last);
        if (self->stopped)
            co_return;
        if (!options.exists)
            continue;
        auto asking = options.exists();
        auto either = co_await (std::move(asking) || expire_after(options.connect_limit));
        // Who does not answer may still have the stream.
        if (either.index() == 0 && !std::get<0>(either)) {
            reason = "the source is gone: " + reason;
            break;
        }
    }
    if (self->stopped)
        co_return;
    self->stopped = true;
    self->log.info("pull from {} ended: {}", self->status.source, reason);
    self->tell_end(reason);
    // Posted, since it may destroy the owner of this coroutine.
    if (auto ended = std::exchange(self->options.ended, nullptr))
        asio::post(self->executor, [ended = std::move(ended), reason] { ended(reason); });
}

awaitable<std::string> rtmp_pull::play_once(std::shared_ptr<state> self) {
    const auto& options = self->options;
    self->gone = false;
    if (self->url->secure && !options.tls) {
        self->useless = "rtmps:// is not enabled";
        co_return *self->useless;
    }
    // Named first: g++ 12 destroys a conditional's temporary twice when the expression awaits.
    auto tls = self->url->secure ? options.tls : nullptr;
    auto connected = co_await http::stream::connect(
        self->url->host, self->url->port, tls, options.connect_limit, options.allowed
    );
    if (!connected && connected.error() == errc::unauthorized) {
        self->useless = "the source's address is not allowed";
        co_return *self->useless;
    }
    if (!connected)
        co_return "cannot connect: " + connected.error().message();
    ++self->status.connects;
    auto url = *self->url;
    auto link =
        std::make_shared<pull_link>(std::move(*connected), std::move(url), options.stall_limit);
    auto refused = co_await link->introduce(steady_clock::now() + options.handshake_limit);
    if (!refused.empty())
        co_return refused;

    self->status.state = pull_state::playing;
    self->log.info("pull from {}: playing", self->status.source);
    const auto began = steady_clock::now();
    const rtmp_media_check check(options.no_media_limit, options.audio_only_limit, began);
    auto broken = std::make_shared<std::string>();
    std::shared_ptr<unit_sink> sink = std::make_shared<pull_sink<state>>(self);
    std::weak_ptr<pull_link> weak = link;
    auto role = std::make_shared<rtmp_publisher>(
        self->executor,
        std::move(sink),
        check,
        [broken, weak](std::string text) {
            *broken = std::move(text);
            if (auto open = weak.lock())
                open->stream.cancel();
        },
        self->log
    );
    auto started = role->start();
    if (!started) {
        self->useless = started.error().detail;
        co_return *self->useless;
    }
    std::string reason;
    while (reason.empty()) {
        while (auto event = link->machine.next_event()) {
            if (auto* media = std::get_if<rtmp_client_media>(&*event)) {
                auto& message = media->message;
                const rtmp_media tag{
                    tag_of(message.type), message.timestamp, std::move(message.payload)};
                if (auto why = role->take(tag, steady_clock::now())) {
                    self->useless = *why;
                    reason = std::move(*why);
                    break;
                }
            } else if (auto* end = std::get_if<rtmp_client_ended>(&*event)) {
                self->gone = end->regular;
                reason = std::move(end->reason);
                break;
            }
        }
        if (!reason.empty())
            break;
        auto failed = co_await link->flush();
        const auto before = link->received;
        if (!failed)
            failed = co_await link->receive(
                std::min(steady_clock::now() + options.idle_limit, role->deadline())
            );
        self->status.bytes += link->received - before;
        if (!broken->empty()) {
            reason = *broken;
        } else if (failed == errc::timed_out) {
            auto why = role->tick(steady_clock::now());
            if (why)
                self->useless = *why;
            reason = why ? std::move(*why) : "the server sends nothing";
        } else if (failed) {
            reason =
                failed == asio::error::eof ? "the server closed the connection" : failed.message();
        }
    }
    co_await role->finish(reason, drain_limit);
    co_return reason;
}

} // namespace rivulet::ingest
