#include "ingest/rtmp_connection.hpp"

#include "base/deadline.hpp"
#include "base/ids.hpp"
#include "ingest/rtmp_publisher.hpp"
#include "ingest/rtmp_write.hpp"

#include <algorithm>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace rivulet::ingest {
namespace {

// Small until a publisher was admitted: thousands of idle connections must cost little.
constexpr std::size_t first_read_size = 4u << 10, publisher_read_size = 64u << 10;
constexpr duration drain_limit = std::chrono::seconds(2); // for the pipeline's last units
// What the kernel may hold unsent for a player; more would only add delay.
constexpr int unsent_bytes = 256 << 10;

rtmp_session_limits limits_of(const rtmp_options& options) {
    rtmp_session_limits limits;
    limits.chunks.message_bytes = options.message_bytes;
    limits.chunks.chunk_streams = options.chunk_streams;
    limits.handshake = options.handshake_limit;
    limits.idle = options.idle_limit;
    return limits;
}

} // namespace

rtmp_connection::rtmp_connection(
    tcp::socket socket, std::shared_ptr<const setup> given, std::shared_ptr<void> slot
)
    : given_(std::move(given)), slot_(std::move(slot)), stream_(std::move(socket)),
      fsm_(limits_of(given_->options), steady_clock::now()), input_(first_read_size) {
    request_.remote = stream_.remote_address();
    request_.session_id = random_hex(4);
    log_ = given_->log.with(request_.remote);
}

rtmp_connection::~rtmp_connection() = default;

awaitable<error_code> rtmp_connection::receive_some(time_point until) {
    stream_.expires_after(
        until == time_point::max() ? duration::max()
                                   : std::max<duration>(until - steady_clock::now(), duration(1))
    );
    auto got = co_await stream_.read_some(asio::buffer(input_));
    stream_.expires_after(duration::max());
    if (!got)
        co_return got.error();
    given_->counters->bytes_in.fetch_add(*got, std::memory_order_relaxed);
    fsm_.receive({input_.data(), *got}, steady_clock::now());
    co_return error_code{};
}

awaitable<error_code> rtmp_connection::flush() {
    while (fsm_.has_output()) {
        const auto out = fsm_.take_output();
        stream_.expires_after(given_->options.stall_limit);
        writing_ = true;
        auto failed = co_await stream_.write(asio::buffer(out));
        stream_.expires_after(duration::max());
        if (failed)
            co_return failed;
        writing_ = false;
        given_->counters->bytes_out.fetch_add(out.size(), std::memory_order_relaxed);
    }
    co_return error_code{};
}

awaitable<bool> rtmp_connection::introduce() {
    auto self = shared_from_this();
    if (given_->options.tls) {
        auto failed =
            co_await stream_.accept_tls(given_->options.tls, given_->options.handshake_limit);
        if (failed) {
            log_.info("closed: TLS: {}", failed.message());
            stream_.close();
            co_return false;
        }
    }
    bool anything = false;
    for (;;) {
        auto failed = co_await receive_some(fsm_.deadline());
        if (!failed)
            anything = true;
        else if (failed == errc::timed_out)
            fsm_.tick(steady_clock::now());
        if (cut_reason_) {
            stream_.close();
            co_return false;
        }
        auto event = fsm_.next_event();
        const bool ended = event && std::holds_alternative<rtmp_ended>(*event);
        if (event && !ended) {
            wants_publish_ = std::holds_alternative<rtmp_publish_asked>(*event);
            auto& target = wants_publish_ ? std::get<rtmp_publish_asked>(*event).target
                                          : std::get<rtmp_play_asked>(*event).target;
            request_.stream = target.stream;
            request_.query = std::move(target.query);
        }
        if (!failed)
            failed = co_await flush();
        if (ended) {
            const auto& end = std::get<rtmp_ended>(*event);
            if (end.how == rtmp_end::violation)
                ++given_->counters->protocol_errors;
            ++given_->counters->refused;
            log_.warn("closed: {}", end.reason);
            // Garbage gets no answer and no time; a client that was told something may read it.
            if (end.how == rtmp_end::refused)
                co_await close_politely();
            stream_.close();
            co_return false;
        }
        if (failed && failed != errc::timed_out) {
            if (anything)
                log_.info("left before it asked for a stream: {}", failed.message());
            stream_.close();
            co_return false;
        }
        if (event)
            co_return true;
    }
}

awaitable<void> rtmp_connection::serve() {
    auto self = shared_from_this();
    log_ = given_->log.with(request_.stream + " " + request_.session_id);
    if (wants_publish_)
        co_await serve_publisher();
    else
        co_await serve_player();
    stream_.close();
}

void rtmp_connection::cut(kick_cause cause, std::string reason) {
    if (cut_reason_)
        return;
    cut_cause_ = cause;
    cut_reason_ = std::move(reason);
    stream_.cancel();
}

// Encoders show the text of an error; the code tells them whether to come back: a taken name is no
// reason to.
void rtmp_connection::tell_cut() {
    switch (cut_cause_) {
    case kick_cause::replaced:
        return fsm_.refuse("NetStream.Publish.BadName", *cut_reason_);
    case kick_cause::stopped:
        fsm_.status("status", "NetStream.Unpublish.Success", *cut_reason_);
        return fsm_.refuse("NetConnection.Connect.Closed", *cut_reason_);
    case kick_cause::bad_media:
        return fsm_.refuse("NetStream.Failed", *cut_reason_);
    }
}

std::string rtmp_connection::describe() const {
    return fsm_.client().empty() ? request_.remote : request_.remote + " (" + fsm_.client() + ")";
}

awaitable<void> rtmp_connection::close_politely() {
    if (!writing_) {
        auto failed = co_await flush();
        if (!failed)
            co_await stream_.linger_close(given_->options.linger);
    }
    stream_.close();
}

// --- publishing --------------------------------------------------------------------------------

awaitable<void> rtmp_connection::serve_publisher() {
    using namespace asio::experimental::awaitable_operators;
    publish_request request;
    request.protocol = given_->options.tls ? "rtmps" : "rtmp";
    request.stream = request_.stream;
    request.query = request_.query;
    request.remote = request_.remote;
    request.session_id = request_.session_id;
    auto executor = stream_.executor();
    kick on_kick = [weak = weak_from_this(), executor](kick_cause cause, std::string reason) {
        asio::dispatch(executor, [weak, cause, reason = std::move(reason)]() mutable {
            if (auto self = weak.lock())
                self->cut(cause, std::move(reason));
        });
    };
    std::optional<outcome<std::shared_ptr<unit_sink>>> answer;
    if (!given_->callbacks.publish) {
        answer.emplace(failure(errc::unsupported, "publishing is not enabled here"));
    } else {
        auto deciding = given_->callbacks.publish(std::move(request), std::move(on_kick));
        auto either =
            co_await (std::move(deciding) || expire_after(given_->options.admission_limit));
        if (either.index() == 0)
            answer.emplace(std::get<0>(std::move(either)));
        else
            answer.emplace(failure(errc::timed_out, "no decision about this stream in time"));
    }
    auto& admitted = *answer;
    if (!admitted) {
        ++given_->counters->refused;
        const auto& why = admitted.error();
        log_.warn("publisher {} refused: {}", describe(), why.detail);
        fsm_.refuse(
            why.code == errc::already_exists ? "NetStream.Publish.BadName"
                                             : "NetStream.Publish.Rejected",
            why.detail
        );
        co_await close_politely();
        co_return;
    }
    const auto now = steady_clock::now();
    rtmp_media_check check(given_->options.no_media_limit, given_->options.audio_only_limit, now);
    auto role = std::make_shared<rtmp_publisher>(
        executor,
        std::move(*admitted),
        check,
        [weak = weak_from_this()](std::string text) {
            if (auto self = weak.lock())
                self->cut(kick_cause::bad_media, std::move(text));
        },
        log_
    );
    auto started = role->start();
    if (!started) {
        log_.error("publisher {} refused: {}", describe(), started.error().detail);
        fsm_.refuse("NetStream.Publish.Rejected", started.error().detail);
        co_await role->finish(started.error().detail, drain_limit);
        co_await close_politely();
        co_return;
    }
    ++given_->counters->publishers;
    auto count = std::shared_ptr<void>(nullptr, [counters = given_->counters](void*) {
        --counters->publishers;
    });
    fsm_.accept_publish(now);
    input_.resize(publisher_read_size);
    log_.info("publisher {}", describe());
    auto reason = co_await publish_until_end(role);
    co_await role->finish(reason, drain_limit);
    log_.info("publisher left: {} ({} units)", reason, role->units());
    co_await close_politely();
}

awaitable<std::string> rtmp_connection::publish_until_end(std::shared_ptr<rtmp_publisher> role) {
    for (;;) {
        while (auto event = fsm_.next_event()) {
            if (const auto* media = std::get_if<rtmp_media>(&*event)) {
                if (auto refused = role->take(*media, steady_clock::now())) {
                    ++given_->counters->refused;
                    fsm_.refuse("NetStream.Publish.Rejected", *refused);
                    co_return *refused;
                }
            } else if (const auto* end = std::get_if<rtmp_ended>(&*event)) {
                if (end->how == rtmp_end::violation)
                    ++given_->counters->protocol_errors;
                co_return end->reason;
            }
        }
        auto failed = co_await flush();
        if (!failed && !cut_reason_)
            failed = co_await receive_some(std::min(fsm_.deadline(), role->deadline()));
        if (cut_reason_) {
            tell_cut();
            co_return *cut_reason_;
        }
        if (failed == errc::timed_out && !writing_) {
            const auto now = steady_clock::now();
            if (auto refused = role->tick(now)) {
                ++given_->counters->refused;
                fsm_.refuse("NetStream.Publish.Rejected", *refused);
                co_return *refused;
            }
            fsm_.tick(now);
            continue;
        }
        if (failed)
            co_return failed == asio::error::eof ? "the connection was closed without unpublish"
                                                 : "the connection broke: " + failed.message();
    }
}

// --- playing -----------------------------------------------------------------------------------

awaitable<void> rtmp_connection::serve_player() {
    using namespace asio::experimental::awaitable_operators;
    if (!given_->callbacks.play) {
        ++given_->counters->refused;
        fsm_.refuse("NetStream.Play.StreamNotFound", "playing is not enabled here");
        co_await close_politely();
        co_return;
    }
    ++given_->counters->players;
    auto count = std::shared_ptr<void>(nullptr, [counters = given_->counters](void*) {
        --counters->players;
    });
    ::setsockopt(
        stream_.socket().native_handle(),
        IPPROTO_TCP,
        TCP_NOTSENT_LOWAT,
        &unsent_bytes,
        sizeof unsent_bytes
    );
    log_.info("player {}", describe());
    auto viewer = std::static_pointer_cast<rtmp_viewer>(shared_from_this());
    auto playing = given_->callbacks.play(std::move(viewer));
    auto either = co_await (std::move(playing) || read_player());
    const auto reason =
        either.index() == 0 ? std::get<0>(std::move(either)) : std::get<1>(std::move(either));
    log_.info("player left: {}", reason);
    if (cut_reason_)
        fsm_.status("status", "NetStream.Play.UnpublishNotify", *cut_reason_);
    if (either.index() == 0 || cut_reason_)
        co_await close_politely();
}

// Replies wait for the next send(): the player's loop wakes at least once a second.
awaitable<std::string> rtmp_connection::read_player() {
    for (;;) {
        while (auto event = fsm_.next_event())
            if (const auto* end = std::get_if<rtmp_ended>(&*event))
                co_return end->reason;
        auto got = co_await stream_.read_some(asio::buffer(input_));
        if (cut_reason_)
            co_return *cut_reason_;
        if (!got && got.error() == errc::timed_out)
            co_return "took no data for too long";
        if (!got)
            co_return got.error() == asio::error::eof ? "closed by the player"
                                                      : got.error().message();
        given_->counters->bytes_in.fetch_add(*got, std::memory_order_relaxed);
        fsm_.receive({input_.data(), *got}, steady_clock::now());
    }
}

awaitable<error_code> rtmp_connection::send(std::vector<rtmp_message> messages) {
    auto self = shared_from_this();
    rtmp_gather gather;
    if (fsm_.has_output()) {
        auto control = std::make_shared<std::vector<std::uint8_t>>(fsm_.take_output());
        const std::span<const std::uint8_t> view(*control);
        gather.add_raw(bytes(std::move(control), view));
    }
    for (auto& message : messages) {
        message.stream = fsm_.stream();
        message.chunk_stream = message.type == rtmp_type::video   ? 6
                               : message.type == rtmp_type::audio ? 4
                                                                  : 5;
        writer_.append(gather, message);
    }
    if (gather.size() == 0)
        co_return error_code{};
    writing_ = true;
    auto failed = co_await write_in_pieces(stream_, gather, given_->options.stall_limit);
    if (failed)
        co_return failed == errc::timed_out ? make_error_code(errc::lagged) : failed;
    writing_ = false;
    given_->counters->bytes_out.fetch_add(gather.size(), std::memory_order_relaxed);
    co_return error_code{};
}

void rtmp_connection::status(std::string level, std::string code, std::string description) {
    fsm_.status(level, code, description);
}

} // namespace rivulet::ingest
