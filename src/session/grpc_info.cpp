#include "session/grpc_info.hpp"

#include "session/grpc_channels.hpp"
#include "session/rpc_failure.hpp"

#include <algorithm>
#include <condition_variable>
#include <grpc/support/log.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <set>
#include <utility>

namespace rivulet::session {
namespace {

constexpr auto method = "/net.Orchestrator/GetOrchestrator";

// gRPC ends a call at its deadline by itself; this is for the day it does not.
constexpr auto slack = std::chrono::milliseconds(500);

// One exchange. Shared by the waiting coroutine and gRPC's thread.
struct rpc {
    explicit rpc(asio::any_io_executor home) : wake(std::move(home)) {}

    grpc_line_ptr line;
    grpc::ClientContext context;
    grpc::ByteBuffer request, reply;
    grpc::Status status; // once done
    asio::steady_timer wake;
    bool done = false; // the caller's thread only
};

using rpc_ptr = std::shared_ptr<rpc>;

// The calls whose end gRPC has not reported yet: its threads must not find a dead shard.
class open_calls {
  public:
    // False after finish().
    bool add(rpc_ptr call) {
        const std::lock_guard lock(mutex_);
        if (finished_)
            return false;
        calls_.insert(std::move(call));
        ++running_;
        return true;
    }

    // An end is told in two steps: first the call is let go, and once it was handed over, nobody
    // waits for it any more. So the last reference to it, and with it perhaps the last one to
    // gRPC's own threads, never goes on such a thread, which would wait for itself.
    void let_go(const rpc_ptr& call) {
        const std::lock_guard lock(mutex_);
        calls_.erase(call);
    }

    void ended() {
        const std::lock_guard lock(mutex_);
        --running_;
        none_.notify_all();
    }

    // Cancels all and waits for their ends.
    void finish() {
        std::unique_lock lock(mutex_);
        finished_ = true;
        const auto all = calls_;
        lock.unlock(); // a call may end on this thread
        for (const auto& call : all)
            call->context.TryCancel();
        lock.lock();
        none_.wait(lock, [&] { return running_ == 0; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable none_;
    std::set<rpc_ptr> calls_;
    std::size_t running_ = 0;
    bool finished_ = false;
};

grpc::ByteBuffer to_buffer(const std::string& text) {
    const grpc::Slice slice(text);
    return {&slice, 1};
}

std::optional<std::string> to_text(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    if (!buffer.Valid() || buffer.Length() > max_info_bytes || !buffer.Dump(&slices).ok())
        return {};
    std::string text;
    text.reserve(buffer.Length());
    for (const auto& slice : slices)
        text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return text;
}

// gRPC writes to stderr on its own otherwise.
void log_quietly() {
    static std::once_flag once;
    std::call_once(once, [] {
        gpr_set_log_function([](gpr_log_func_args* line) {
            const std::string_view message(line->message);
            if (message.starts_with("assertion failed"))
                logger("grpc").error("{}:{}: {}", line->file, line->line, message);
            else if (line->severity == GPR_LOG_SEVERITY_ERROR)
                logger("grpc").debug("{}", message);
        });
    });
}

// Jobs may go to another name of the same program: it was started anew, so its certificate is new
// under that name too.
void forget_transcoder(const orchestrator_info& info, const std::string& asked) {
    const auto peer = http::parse_http_url(info.transcoder);
    if (!peer || !peer->secure)
        return;
    const auto authority = peer->host + ":" + std::to_string(peer->port);
    if (authority != asked)
        http::forget_pin(authority);
}

awaitable<grpc::Status> finished(
    grpc_line_ptr line,
    std::string request,
    duration limit,
    std::shared_ptr<open_calls> open,
    rpc_ptr call
) {
    call->line = std::move(line);
    call->request = to_buffer(request);
    call->context.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(limit)
    );
    call->wake.expires_after(limit + slack);
    if (!open->add(call))
        co_return grpc::Status(grpc::StatusCode::CANCELLED, "");
    call->line->stub->UnaryCall(
        &call->context,
        method,
        grpc::StubOptions(),
        &call->request,
        &call->reply,
        [call, open](grpc::Status status) mutable {
            call->status = std::move(status);
            open->let_go(call);
            auto home = call->wake.get_executor();
            asio::post(home, [call = std::move(call)] {
                call->done = true;
                call->wake.cancel();
            });
            open->ended();
        }
    );
    co_await call->wake.async_wait(as_tuple);
    if (call->done)
        co_return call->status;
    call->context.TryCancel();
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    co_return cancelled.cancelled() == asio::cancellation_type::none
        ? grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "")
        : grpc::Status(grpc::StatusCode::CANCELLED, "");
}

} // namespace

struct grpc_info::impl {
    std::unique_ptr<grpc_channels> channels;
    logger log;
    std::shared_ptr<open_calls> open = std::make_shared<open_calls>();
    std::mutex mutex;
    caller_identity caller;

    caller_identity who() {
        const std::lock_guard lock(mutex);
        return caller;
    }

    // True when another try on a new connection makes sense.
    bool worth_another(const grpc_line_ptr& line, const grpc::Status& status) {
        auto& peer = *line->peer;
        if (!peer.certificate_changed)
            // The kept connection may have died while nobody used it.
            return status.error_code() == grpc::StatusCode::UNAVAILABLE && peer.answered;
        if (!peer.change_told.exchange(true)) {
            const auto before = http::forget_pin(peer.authority);
            const std::lock_guard lock(peer.mutex);
            log.warn(
                "{} has another certificate than before: SHA-256 {} instead of {}; it is taken, as "
                "orchestrators make a new one at every start",
                peer.authority,
                peer.new_fingerprint,
                before
            );
        }
        return true;
    }
};

outcome<std::unique_ptr<grpc_info>> grpc_info::create(grpc_info_options options, logger log) {
    log_quietly();
    auto channels = grpc_channels::create(options);
    if (!channels)
        return channels.error();
    auto made = std::make_shared<impl>();
    made->channels = std::move(*channels);
    made->log = std::move(log);
    return std::unique_ptr<grpc_info>(new grpc_info(std::move(made)));
}

grpc_info::grpc_info(std::shared_ptr<impl> made) : impl_(std::move(made)) {}

grpc_info::~grpc_info() {
    stop();
}

void grpc_info::stop() {
    impl_->open->finish();
}

void grpc_info::identify(caller_identity caller) {
    const std::lock_guard lock(impl_->mutex);
    impl_->caller = std::move(caller);
}

std::size_t grpc_info::kept() const {
    return impl_->channels->size();
}

awaitable<outcome<info_answer>>
grpc_info::ask(std::string address, info_question question, duration limit) {
    const auto mine = impl_;
    auto peer = http::parse_http_url(address);
    if (!peer)
        co_return failure(errc::invalid_argument, address + ": " + peer.error().detail);
    const auto name = (peer->secure ? "https://" : "http://") + peer->endpoint();
    const auto request = info_request(mine->who(), question.capabilities, question.ignore_capacity);
    const auto until = steady_clock::now() + limit;
    std::string renewed; // the peer whose new certificate is taken
    for (bool again = true;; again = false) {
        const auto began = steady_clock::now();
        auto line = mine->channels->line_to(*peer, began);
        auto call = std::make_shared<rpc>(co_await asio::this_coro::executor);
        auto status = co_await finished(
            line, request, std::max<duration>(until - began, duration::zero()), mine->open, call
        );
        const auto now = steady_clock::now();
        if (status.ok()) {
            line->peer->answered = true;
            auto text = to_text(call->reply);
            if (!text)
                co_return failure(
                    errc::protocol_violation, "the answer of " + name + " can't be read"
                );
            auto info = parse_orchestrator_info(*text);
            if (!info)
                co_return failure(info.error().code, name + ": " + info.error().detail);
            if (!again && line->peer->authority == renewed)
                forget_transcoder(**info, renewed);
            info_answer answer;
            answer.info = std::move(*info);
            answer.latency = now - began;
            co_return std::move(answer);
        }
        auto why = rpc_failure(status.error_code(), status.error_message(), name);
        if (why.code == errc::http_status)
            line->peer->answered = true;
        else if (why.code != errc::cancelled)
            mine->channels->drop(line);
        if (!again || now >= until || !mine->worth_another(line, status))
            co_return why;
        if (line->peer->certificate_changed)
            renewed = line->peer->authority;
    }
}

} // namespace rivulet::session
