#include "ingest/srt_connection.hpp"

#include "base/deadline.hpp"
#include "ingest/srt_library.hpp"
#include "ingest/srt_report.hpp"
#include "trickle/channel_reader.hpp"

#include <algorithm>
#include <array>

namespace rivulet::ingest {
namespace {

constexpr int largest_message = 1500;
constexpr std::size_t gather_bytes = 64u << 10; // read in one go, posted as one piece
constexpr duration beat = std::chrono::seconds(1);
constexpr duration full_pause = std::chrono::milliseconds(5);
constexpr duration shortest_connection = std::chrono::milliseconds(500);
constexpr duration drain_limit = std::chrono::seconds(2);
// A receiver's UDP buffer may hold a hundred datagrams only: the first group of pictures is not
// thrown at it in one go.
constexpr unsigned burst_messages = 32;
constexpr duration burst_pause = std::chrono::milliseconds(1);

} // namespace

// --- book and decision ---------------------------------------------------------------------------

void srt_book::put(const void* whose, const srt_session& session) {
    const std::lock_guard guard(lock_);
    sessions_[whose] = session;
}

void srt_book::remove(const void* whose) {
    const std::lock_guard guard(lock_);
    sessions_.erase(whose);
}

std::vector<srt_session> srt_book::all() const {
    const std::lock_guard guard(lock_);
    std::vector<srt_session> all;
    for (const auto& [whose, session] : sessions_)
        all.push_back(session);
    return all;
}

std::vector<srt_session> srt_book::readers_of(const std::string& name) const {
    const std::lock_guard guard(lock_);
    std::vector<srt_session> readers;
    for (const auto& [whose, session] : sessions_)
        if (session.mode == srt_mode::read && session.stream == name)
            readers.push_back(session);
    return readers;
}

bool srt_decision::give(outcome<terms> answer) {
    bool fits = true;
    {
        const std::lock_guard guard(lock_);
        if (settled_ && answer)
            fits = answer->passphrase.value_or(standard_) == *settled_;
        answer_.emplace(std::move(answer));
    }
    given_.notify_all();
    return fits;
}

std::string srt_decision::settle(std::string otherwise, const std::string& standard) {
    const std::lock_guard guard(lock_);
    const bool allowed = answer_ && *answer_;
    settled_ = allowed ? (*answer_)->passphrase.value_or(standard) : std::move(otherwise);
    standard_ = standard;
    return *settled_;
}

std::optional<outcome<srt_decision::terms>> srt_decision::wait(duration limit) {
    std::unique_lock guard(lock_);
    given_.wait_for(guard, limit, [this] { return answer_.has_value(); });
    return answer_;
}

// --- before the connection -----------------------------------------------------------------------

srt_connection::srt_connection(
    asio::any_io_executor executor,
    std::shared_ptr<const setup> given,
    srt_caller caller,
    std::shared_ptr<void> slot
)
    : executor_(executor), given_(std::move(given)), caller_(std::move(caller)),
      slot_(std::move(slot)), changed_(executor),
      log_(given_->log.with(caller_.target.stream + " " + caller_.session_id)) {
    session_.stream = caller_.target.stream;
    session_.session_id = caller_.session_id;
    session_.remote = caller_.remote;
    session_.mode = caller_.target.mode;
}

srt_connection::~srt_connection() {
    if (const int socket = socket_.exchange(-1); socket >= 0)
        srt_close(socket);
}

awaitable<void> srt_connection::decide() {
    using namespace asio::experimental::awaitable_operators;
    auto self = shared_from_this();
    auto asking = ask();
    auto either = co_await (std::move(asking) || expire_after(given_->options.admission_limit));
    if (either.index() == 1) {
        failure late(errc::timed_out, "no decision about this caller in time");
        decided_.emplace(late);
        decision_.give(std::move(late));
    } else {
        auto answer = std::get<0>(std::move(either));
        if (answer)
            decided_.emplace();
        else
            decided_.emplace(answer.error());
        const auto passphrase = answer ? answer->passphrase : std::nullopt;
        wrong_passphrase_ = !decision_.give(std::move(answer));
        if (wrong_passphrase_ && given_->passphrase_late)
            given_->passphrase_late(caller_, passphrase ? *passphrase : given_->options.passphrase);
    }
    changed_.notify_all();
}

awaitable<outcome<srt_decision::terms>> srt_connection::ask() {
    const auto& target = caller_.target;
    const auto& callbacks = given_->callbacks;
    srt_decision::terms terms;
    if (target.mode == srt_mode::publish) {
        if (!callbacks.publish)
            co_return failure(errc::unsupported, "publishing is not enabled here");
        if (callbacks.check_publish) {
            auto checking = callbacks.check_publish(caller_);
            auto allowed = co_await std::move(checking);
            if (!allowed)
                co_return allowed.error();
        }
    } else {
        if (!callbacks.find)
            co_return failure(errc::unsupported, "reading is not enabled here");
        if (callbacks.access) {
            access_request request;
            request.action = access_action::watch;
            request.protocol = "srt";
            request.stream = target.stream;
            request.key = target.key;
            request.remote = caller_.remote;
            auto checking = callbacks.access(std::move(request));
            auto allowed = co_await std::move(checking);
            if (!allowed)
                co_return allowed.error();
        }
        if (!callbacks.find(target.stream))
            co_return failure(errc::not_found, "there is no such stream");
    }
    if (callbacks.passphrase) {
        auto asking = callbacks.passphrase(caller_);
        auto passphrase = co_await std::move(asking);
        terms.passphrase = std::move(passphrase);
    }
    co_return terms;
}

// --- connected -----------------------------------------------------------------------------------

awaitable<void> srt_connection::run(int socket) {
    auto self = shared_from_this();
    socket_ = socket;
    // Also when this coroutine is cancelled.
    auto leave = std::shared_ptr<void>(nullptr, [this](void*) {
        given_->book->remove(this);
        if (const int open = socket_.exchange(-1); open >= 0) {
            given_->poller->remove(open);
            srt_close(open);
        }
    });
    int encryption = 0, size = sizeof encryption;
    if (srt_getsockflag(socket, SRTO_KMSTATE, &encryption, &size) == 0)
        session_.encrypted = encryption == SRT_KM_S_SECURED;
    const auto began = steady_clock::now();
    const auto until = began + given_->options.admission_limit;
    while (!decided_ && !end_reason_ && steady_clock::now() < until)
        co_await changed_.wait_until(until);
    std::string reason;
    if (end_reason_)
        reason = *end_reason_;
    else if (!decided_)
        reason = "no decision about this caller in time";
    else if (!*decided_)
        reason = refuse(decided_->error());
    else if (wrong_passphrase_)
        reason = "refused: the stream's passphrase was known too late, the next attempt can use it";
    else if (caller_.target.mode == srt_mode::publish)
        reason = co_await publish();
    else
        reason = co_await read();
    // A goodbye that overtakes the handshake's answer is lost, and the caller would learn of the
    // end by silence only.
    asio::steady_timer pause(executor_, began + shortest_connection);
    if (!failed_)
        co_await pause.async_wait(as_tuple);
    log_.info(
        "{} left: {} ({} bytes)",
        caller_.target.mode == srt_mode::publish ? "publisher" : "reader",
        reason,
        session_.bytes
    );
}

void srt_connection::cut(std::string reason) {
    end(std::move(reason));
}

void srt_connection::end(std::string reason) {
    if (end_reason_)
        return;
    end_reason_ = std::move(reason);
    changed_.notify_all();
}

// libsrt says nothing of a socket that broke before it was watched.
void srt_connection::look_for_break() {
    const int socket = socket_;
    if (end_reason_ || (socket >= 0 && srt_getsockstate(socket) == SRTS_CONNECTED))
        return;
    srt_readable(); // what it still holds, and that it broke
    if (++broken_beats_ > 2)
        end("the connection was closed");
}

// The handshake is over, so the caller only sees the connection end.
std::string srt_connection::refuse(const failure& why) {
    ++given_->counters->refused;
    log_.warn("{} refused: {}", caller_.remote, why.detail);
    if (given_->refused_late)
        given_->refused_late(caller_, why);
    return "refused: " + why.detail;
}

void srt_connection::note_session() {
    const int socket = socket_;
    // After the end libsrt gives garbage.
    if (socket < 0 || end_reason_ || srt_getsockstate(socket) != SRTS_CONNECTED)
        return;
    SRT_TRACEBSTATS stats;
    if (srt_bstats(socket, &stats, 0) != 0)
        return;
    const bool publishes = caller_.target.mode == srt_mode::publish;
    session_.rtt_ms = stats.msRTT;
    session_.latency_ms = publishes ? stats.msRcvTsbPdDelay : stats.msSndTsbPdDelay;
    auto count = [](auto value) {
        return static_cast<std::uint64_t>(std::max<std::int64_t>(0, std::int64_t{value}));
    };
    session_.packets = count(publishes ? stats.pktRecvTotal : stats.pktSentTotal);
    session_.packets_lost = count(publishes ? stats.pktRcvLossTotal : stats.pktSndLossTotal);
    session_.packets_retransmitted = count(publishes ? stats.pktRcvRetrans : stats.pktRetransTotal);
    session_.packets_dropped = count(publishes ? stats.pktRcvDropTotal : stats.pktSndDropTotal);
    session_.bytes_dropped = overflowed_;
    if (publisher_) {
        session_.transcoding = publisher_->transcoding();
        session_.transcoder_cpu_s = publisher_->transcoder_stats().cpu_seconds;
    }
    given_->book->put(this, session_);
}

boost::json::object srt_connection::report() {
    note_session();
    const auto cost = publisher_ ? publisher_->transcoder_stats() : media::video_transcoder_stats{};
    return srt_report(session_, publisher_ && publisher_->transcoding() ? &cost : nullptr);
}

void srt_connection::srt_readable() {
    // The thread's own, so that what is posted takes no more memory than it has bytes.
    static thread_local std::array<char, gather_bytes> gathered;
    std::size_t size = 0;
    bool lost = false;
    while (gathered.size() - size >= largest_message) {
        const int socket = socket_;
        if (socket < 0)
            return;
        const int n = srt_recvmsg(socket, gathered.data() + size, largest_message);
        if (n > 0) {
            size += static_cast<std::size_t>(n);
            continue;
        }
        lost = n == 0 || srt_getlasterror(nullptr) != SRT_EASYNCRCV;
        break;
    }
    // What a reader sends is nobody's.
    if (size > 0 && caller_.target.mode == srt_mode::publish) {
        if (queued_ + size > given_->options.queue_bytes) {
            overflowed_ += size;
        } else {
            queued_ += size;
            std::vector<std::uint8_t> data(gathered.begin(), gathered.begin() + size);
            asio::post(executor_, [self = shared_from_this(), data = std::move(data)] {
                self->queued_ -= data.size();
                self->received(data);
            });
        }
    }
    if (lost && !failed_.exchange(true)) {
        given_->poller->remove(socket_);
        asio::post(executor_, [self = shared_from_this()] {
            self->end("the connection was closed");
        });
    }
}

// --- publishing ----------------------------------------------------------------------------------

void srt_connection::received(std::span<const std::uint8_t> data) {
    if (end_reason_ || !publisher_)
        return;
    const auto now = steady_clock::now();
    last_data_ = now;
    session_.bytes += data.size();
    given_->counters->bytes_in.fetch_add(data.size(), std::memory_order_relaxed);
    if (auto refused = publisher_->take(data, now))
        end(std::move(*refused));
}

awaitable<std::string> srt_connection::publish() {
    using namespace asio::experimental::awaitable_operators;
    publish_request request;
    request.protocol = "srt";
    request.stream = caller_.target.stream;
    request.query = caller_.target.query;
    request.remote = caller_.remote;
    request.session_id = caller_.session_id;
    request.key = caller_.target.key;
    kick on_kick = [weak = weak_from_this(), executor = executor_](kick_cause, std::string reason) {
        asio::dispatch(executor, [weak, reason = std::move(reason)]() mutable {
            if (auto self = weak.lock())
                self->cut(std::move(reason));
        });
    };
    auto deciding = given_->callbacks.publish(std::move(request), std::move(on_kick));
    auto either = co_await (std::move(deciding) || expire_after(given_->options.admission_limit));
    if (either.index() == 1) {
        const failure late(errc::timed_out, "no decision about this stream in time");
        co_return refuse(late);
    }
    auto admitted = std::get<0>(std::move(either));
    if (!admitted)
        co_return refuse(admitted.error());
    auto sink = std::move(*admitted);
    sink->session_stats = [weak = weak_from_this()] {
        const auto self = weak.lock();
        return self ? self->report() : boost::json::object();
    };
    publisher_ = std::make_shared<ts_publisher>(
        executor_,
        std::move(sink),
        given_->options.publisher,
        [weak = weak_from_this()](std::string text) {
            if (auto self = weak.lock())
                self->end(std::move(text));
        },
        steady_clock::now(),
        log_
    );
    auto counters = given_->counters;
    ++counters->publishers;
    auto count = std::shared_ptr<void>(nullptr, [counters](void*) { --counters->publishers; });
    log_.info(
        "publisher {}{}", caller_.remote, session_.encrypted ? ", encrypted" : ", not encrypted"
    );
    auto reason = co_await publish_until_end();
    publisher_->finish(reason);
    publisher_.reset();
    co_return reason;
}

awaitable<std::string> srt_connection::publish_until_end() {
    last_data_ = steady_clock::now();
    if (!given_->poller->add(socket_, shared_from_this()))
        co_return "the connection was closed";
    while (!end_reason_) {
        look_for_break();
        note_session();
        co_await changed_.wait_until(steady_clock::now() + beat);
        const auto now = steady_clock::now();
        if (end_reason_)
            break;
        if (auto refused = publisher_->tick(now))
            end(std::move(*refused));
        else if (now - last_data_ >= given_->options.idle_limit)
            end("sent no data for too long");
    }
    co_return *end_reason_;
}

// --- reading -------------------------------------------------------------------------------------

awaitable<std::string> srt_connection::read() {
    using namespace asio::experimental::awaitable_operators;
    auto channel = given_->callbacks.find(caller_.target.stream);
    if (!channel) {
        const failure gone(errc::not_found, "there is no such stream");
        co_return refuse(gone);
    }
    if (!given_->poller->add(socket_, shared_from_this()))
        co_return "the connection was closed";
    auto counters = given_->counters;
    ++counters->readers;
    auto count = std::shared_ptr<void>(nullptr, [counters](void*) { --counters->readers; });
    log_.info(
        "reader {}{}", caller_.remote, session_.encrypted ? ", encrypted" : ", not encrypted"
    );
    auto sending = send_channel(std::move(channel));
    auto either = co_await (std::move(sending) || wait_for_end());
    if (either.index() == 0)
        co_return std::get<0>(std::move(either));
    co_return std::get<1>(std::move(either));
}

awaitable<std::string> srt_connection::wait_for_end() {
    while (!end_reason_) {
        look_for_break();
        note_session();
        co_await changed_.wait_until(steady_clock::now() + beat);
    }
    co_return *end_reason_;
}

awaitable<std::string> srt_connection::send_channel(trickle::channel_ptr channel) {
    trickle::channel_reader reader(executor_, std::move(channel), trickle::seq_newest);
    srt_payload payload;
    for (;;) {
        auto chunk = co_await reader.read();
        if (!chunk) {
            co_await drain();
            co_return chunk.error() == errc::end_of_stream ? "the stream ended"
                                                           : chunk.error().message();
        }
        if (chunk->segment_begins)
            payload.align();
        in_a_row_ = 0;
        for (const auto& block : chunk->blocks) {
            payload.append(block.view());
            for (auto message = payload.next(); !message.empty(); message = payload.next()) {
                auto failed = co_await send(message);
                if (!failed.empty())
                    co_return failed;
            }
        }
        const auto rest = payload.rest();
        if (rest.empty())
            continue;
        auto failed = co_await send(rest);
        if (!failed.empty())
            co_return failed;
    }
}

// "" once libsrt has it.
awaitable<std::string> srt_connection::send(std::span<const std::uint8_t> message) {
    asio::steady_timer pause(executor_);
    const auto give_up = steady_clock::now() + given_->options.stall_limit;
    for (;;) {
        const int sent = srt_sendmsg2(
            socket_,
            reinterpret_cast<const char*>(message.data()),
            static_cast<int>(message.size()),
            nullptr
        );
        if (sent >= 0)
            break;
        if (srt_getlasterror(nullptr) != SRT_EASYNCSND)
            co_return last_srt_error();
        if (steady_clock::now() >= give_up)
            co_return "took no data for too long";
        pause.expires_after(full_pause);
        co_await pause.async_wait(as_tuple);
    }
    session_.bytes += message.size();
    given_->counters->bytes_out.fetch_add(message.size(), std::memory_order_relaxed);
    if (++in_a_row_ % burst_messages == 0) {
        pause.expires_after(burst_pause);
        co_await pause.async_wait(as_tuple);
    }
    co_return std::string();
}

// Until the receiver has what was sent: closing forgets the rest.
awaitable<void> srt_connection::drain() {
    asio::steady_timer pause(executor_);
    const auto until = steady_clock::now() + drain_limit;
    std::size_t blocks = 0, octets = 0;
    while (srt_getsndbuffer(socket_, &blocks, &octets) == 0 && blocks > 0 &&
           steady_clock::now() < until) {
        pause.expires_after(full_pause);
        co_await pause.async_wait(as_tuple);
    }
}

} // namespace rivulet::ingest
