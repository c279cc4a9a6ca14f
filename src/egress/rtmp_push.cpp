#include "egress/rtmp_push.hpp"

#include "base/deadline.hpp"
#include "egress/rtmp_units.hpp"
#include "http/stream.hpp"
#include "ingest/rtmp_client_fsm.hpp"
#include "ingest/rtmp_session_fsm.hpp"
#include "ingest/rtmp_write.hpp"

#include <algorithm>

namespace rivulet::egress {
namespace {

constexpr std::size_t read_size = 16u << 10;
constexpr std::size_t write_size = 256u << 10;
constexpr duration look_again = std::chrono::milliseconds(200); // for a feed that is not there
constexpr duration wake = std::chrono::seconds(1);
constexpr duration linger = std::chrono::seconds(1);
constexpr duration steady_after = std::chrono::seconds(30); // a push that held so long starts anew
// Servers answer a publisher with a few short commands.
constexpr ingest::rtmp_chunk_limits server_limits{64u << 10, 16, 64u << 10};

} // namespace

std::string_view to_string(push_state state) {
    switch (state) {
    case push_state::waiting_for_feed:
        return "waiting_for_feed";
    case push_state::connecting:
        return "connecting";
    case push_state::publishing:
        return "publishing";
    case push_state::backing_off:
        return "backing_off";
    case push_state::ended:
        return "ended";
    }
    return "unknown";
}

outcome<void> check_push_url(const std::string& url) {
    auto parsed = ingest::parse_rtmp_url(url);
    if (!parsed)
        return parsed.error();
    return {};
}

struct rtmp_push::state {
    explicit state(asio::any_io_executor executor) : changed(executor) {}

    // No other channel may be sent to this target.
    bool is_ours(const std::shared_ptr<channel_feed>& feed) const {
        return feed && !feed->ended() && (!options.source || feed->source() == options.source);
    }

    // Nothing more is to be begun.
    bool over() const {
        return stopped || finishing || (options.source && options.source->closed());
    }

    std::string url, name;
    find_feed find;
    rtmp_push_options options;
    logger log;
    rtmp_push_status status;
    bool stopped = false;
    bool finishing = false;
    notifier changed; // ends pauses
};

namespace {

// One connection to the server.
struct push_link {
    push_link(http::stream s, ingest::rtmp_url url, duration stall)
        : stream(std::move(s)), machine(ingest::rtmp_role::publish, std::move(url), server_limits),
          stall_limit(stall) {}

    http::stream stream;
    ingest::rtmp_client_fsm machine;
    ingest::rtmp_chunk_writer writer{ingest::rtmp_our_chunk_size};
    duration stall_limit;
    std::uint64_t bytes = 0;

    awaitable<error_code> flush() {
        while (machine.has_output()) {
            const auto out = machine.take_output();
            auto failed = co_await stream.write(asio::buffer(out));
            if (failed)
                co_return failed;
            bytes += out.size();
        }
        co_return error_code{};
    }

    // Until the server takes or refuses us; "" is success.
    awaitable<result<std::string>> introduce() {
        machine.start();
        std::vector<std::uint8_t> input(read_size);
        for (;;) {
            auto failed = co_await flush();
            if (failed)
                co_return failed;
            while (auto event = machine.next_event()) {
                if (std::holds_alternative<ingest::rtmp_client_ready>(*event))
                    co_return std::string();
                if (const auto* end = std::get_if<ingest::rtmp_client_ended>(&*event))
                    co_return end->reason;
            }
            auto got = co_await stream.read_some(asio::buffer(input));
            if (!got)
                co_return got.error();
            machine.receive({input.data(), *got});
        }
    }

    // What the server says while we publish; its replies go out with the next write.
    awaitable<std::string> listen() {
        std::vector<std::uint8_t> input(read_size);
        for (;;) {
            auto got = co_await stream.read_some(asio::buffer(input));
            if (!got)
                co_return got.error() == asio::error::eof ? "the server closed the connection"
                                                          : got.error().message();
            machine.receive({input.data(), *got});
            while (auto event = machine.next_event())
                if (const auto* end = std::get_if<ingest::rtmp_client_ended>(&*event))
                    co_return end->reason;
        }
    }

    awaitable<error_code> send(std::vector<ingest::rtmp_message> messages) {
        ingest::rtmp_gather gather;
        if (machine.has_output()) {
            auto control = std::make_shared<std::vector<std::uint8_t>>(machine.take_output());
            const std::span<const std::uint8_t> view(*control);
            gather.add_raw(rivulet::bytes(std::move(control), view));
        }
        for (auto& message : messages) {
            message.stream = machine.stream();
            message.chunk_stream = message.type == ingest::rtmp_type::video   ? 6
                                   : message.type == ingest::rtmp_type::audio ? 4
                                                                              : 5;
            if (message.type == ingest::rtmp_type::data_amf0) {
                // To a server, metadata is a request to set it.
                auto raw =
                    std::make_shared<std::vector<std::uint8_t>>(ingest::to_amf0({"@setDataFrame"}));
                raw->insert(
                    raw->end(),
                    message.payload.data(),
                    message.payload.data() + message.payload.size()
                );
                const std::span<const std::uint8_t> view(*raw);
                message.payload = rivulet::bytes(std::move(raw), view);
            }
            writer.append(gather, message);
        }
        if (gather.size() == 0)
            co_return error_code{};
        auto failed = co_await ingest::write_in_pieces(stream, gather, stall_limit);
        if (!failed)
            bytes += gather.size();
        co_return failed;
    }
};

} // namespace

rtmp_push::rtmp_push(
    asio::any_io_executor executor,
    std::string url,
    std::string name,
    find_feed find,
    rtmp_push_options options,
    logger log
)
    : state_(std::make_shared<state>(executor)), tasks_(executor, log) {
    state_->url = std::move(url);
    state_->name = std::move(name);
    state_->find = std::move(find);
    state_->options = std::move(options);
    state_->log = std::move(log);
    auto parsed = ingest::parse_rtmp_url(state_->url);
    if (!parsed) {
        state_->status.state = push_state::ended;
        state_->status.last_error = parsed.error().detail;
        return;
    }
    state_->status.target = parsed->shown;
    tasks_.spawn("rtmp push", run(state_));
}

rtmp_push::~rtmp_push() {
    stop();
}

void rtmp_push::stop() {
    state_->stopped = true;
    state_->status.state = push_state::ended;
    tasks_.close();
}

awaitable<void> rtmp_push::finish(duration limit) {
    state_->finishing = true;
    state_->changed.notify_all();
    co_await tasks_.join(limit);
    stop();
}

rtmp_push_status rtmp_push::status() const {
    return state_->status;
}

awaitable<void> rtmp_push::run(std::shared_ptr<state> self) {
    auto& status = self->status;
    const auto& options = self->options;
    auto backoff = options.backoff_first;
    while (!self->over()) {
        status.state = push_state::waiting_for_feed;
        auto feed = co_await self->find(self->name);
        if (!self->is_ours(feed)) {
            co_await self->changed.wait_until(steady_clock::now() + look_again);
            continue;
        }
        const auto began = steady_clock::now();
        auto reason = co_await publish_from(self, feed);
        status.watching = false;
        if (self->stopped)
            co_return;
        if (feed->ended())
            continue;
        if (reason != status.last_error)
            self->log.warn("push to {}: {}", status.target, reason);
        status.last_error = std::move(reason);
        status.state = push_state::backing_off;
        ++status.reconnects;
        if (steady_clock::now() - began > steady_after)
            backoff = options.backoff_first;
        const auto again = steady_clock::now() + backoff;
        while (!self->over() && steady_clock::now() < again)
            co_await self->changed.wait_until(again);
        backoff = std::min(backoff * 2, options.backoff_last);
    }
    status.state = push_state::ended;
}

// Servers drop a publisher that sends nothing, so it waits for the first keyframe before it
// connects.
awaitable<std::string>
rtmp_push::publish_from(std::shared_ptr<state> self, std::shared_ptr<channel_feed> feed) {
    std::shared_ptr<feed_subscription> waiting = feed->subscribe(feed_audio::aac);
    self->status.watching = true;
    for (;;) {
        const auto step = waiting->next();
        if (step.unit)
            break;
        if (waiting->ended() || self->stopped)
            co_return "the stream ended";
        co_await waiting->wait_until(steady_clock::now() + wake);
    }
    self->status.state = push_state::connecting;
    co_return co_await publish_once(self, feed, waiting);
}

namespace {

awaitable<std::string> write_units(
    std::shared_ptr<push_link> link,
    std::shared_ptr<feed_subscription> viewing,
    rtmp_push_status* status // of the push's shared state, which outlives this
) {
    rtmp_units units(rtmp_times::from_zero);
    const auto dropped_before = status->dropped_units;
    for (;;) {
        std::vector<ingest::rtmp_message> batch;
        std::size_t size = 0;
        while (size < write_size) {
            const auto step = viewing->next();
            if (!step.unit)
                break;
            if (!units.append(step, batch))
                continue;
            size += step.unit->unit.data.size();
            ++(step.unit->unit.kind == media::track_kind::video ? status->video_units
                                                                : status->audio_units);
        }
        status->dropped_units = dropped_before + viewing->dropped();
        const bool idle = batch.empty();
        const auto before = link->bytes;
        auto failed = co_await link->send(std::move(batch));
        status->bytes += link->bytes - before;
        if (failed)
            co_return failed == errc::timed_out ? "the server takes no data" : failed.message();
        if (!idle)
            continue;
        if (viewing->ended())
            co_return std::string();
        co_await viewing->wait_until(steady_clock::now() + wake);
    }
}

} // namespace

awaitable<std::string> rtmp_push::publish_once(
    std::shared_ptr<state> self,
    std::shared_ptr<channel_feed> feed,
    std::shared_ptr<feed_subscription> waiting
) {
    using namespace asio::experimental::awaitable_operators;
    const auto& options = self->options;
    auto target = ingest::parse_rtmp_url(self->url);
    if (!target)
        co_return target.error().detail;
    if (target->secure && !options.tls)
        co_return "rtmps:// is not enabled";
    // Named first: g++ 12 destroys a conditional's temporary twice when the expression awaits.
    auto tls = target->secure ? options.tls : nullptr;
    auto connected = co_await http::stream::connect(
        target->host, target->port, tls, options.connect_limit, options.allowed
    );
    if (!connected && connected.error() == errc::unauthorized)
        co_return "cannot connect: the name means a host of this machine or of a private network "
                  "now, which is not allowed";
    if (!connected)
        co_return "cannot connect: " + connected.error().message();
    auto link =
        std::make_shared<push_link>(std::move(*connected), std::move(*target), options.stall_limit);
    auto greeted = co_await with_deadline(link->introduce(), options.handshake_limit);
    if (!greeted)
        co_return "handshake: " + greeted.error().message();
    if (!greeted->empty())
        co_return *greeted;
    self->status.state = push_state::publishing;
    self->log.info("push to {}: publishing", self->status.target);
    // From the newest keyframe on: what came while we connected would only add delay.
    std::shared_ptr<feed_subscription> viewing = feed->subscribe(feed_audio::aac);
    waiting.reset();
    auto either = co_await (write_units(link, std::move(viewing), &self->status) || link->listen());
    if (either.index() == 1)
        co_return std::get<1>(std::move(either));
    auto reason = std::get<0>(std::move(either));
    if (reason.empty()) {
        link->machine.finish();
        link->stream.expires_after(linger);
        auto failed = co_await link->flush();
        if (!failed)
            co_await link->stream.linger_close(linger);
        reason = "the stream ended";
    }
    co_return reason;
}

} // namespace rivulet::egress
