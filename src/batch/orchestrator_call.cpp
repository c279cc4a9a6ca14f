#include "batch/orchestrator_call.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <algorithm>

namespace rivulet::batch {
namespace {

// Beyond it a body is written in pieces, so that a slow line is no reason to give up.
constexpr std::size_t whole_body = 64 * 1024;
constexpr std::size_t file_piece = 128 * 1024;
// A connection that was closed while it lay idle fails at once. Later, the orchestrator may have
// begun to work on the request, and is as good as dead.
constexpr auto stale_within = std::chrono::seconds(1);
// What an orchestrator that stopped reading the request has to say about it.
constexpr auto refusal_limit = std::chrono::seconds(2);

// Says what the network's orchestrators need to see to answer with files of their own.
constexpr std::string_view protocol_mark = "Livepeer-AI-Worker-1.0";

} // namespace

orchestrator_call::orchestrator_call(
    http::connection_pool& connections,
    blocking_threads& disk,
    byte_budget_ptr memory,
    const forwarded_body& body
)
    : connections_(connections), disk_(disk), body_(body), held_(std::move(memory)) {}

orchestrator_call::~orchestrator_call() {
    // The next user has limits of its own.
    if (connection_ && connection_->reusable())
        connection_->transport().expires_after(duration::max());
}

unsigned orchestrator_call::status() const {
    return connection_->head().status;
}

std::string_view orchestrator_call::content_type() const {
    return connection_->head()["Content-Type"];
}

void orchestrator_call::limit(duration most) {
    const auto left = std::max<duration>(until_ - steady_clock::now(), duration(1));
    connection_->transport().expires_after(std::min(most, left));
}

failure orchestrator_call::described(error_code code, std::string_view during) const {
    return http::describe_failure(code, peer_, during);
}

awaitable<outcome<void>>
orchestrator_call::send(std::string url, payment::job_headers headers, time_point until) {
    auto peer = http::parse_http_url(url);
    if (!peer)
        co_return failure(errc::protocol_violation, std::move(peer.error().detail));
    peer_ = std::move(*peer);
    until_ = until;
    auto done = co_await send_once(peer_, headers, false);
    if (done && !*done)
        done = co_await send_once(peer_, headers, true);
    if (!done)
        co_return done.error();
    co_return outcome<void>();
}

// False: the connection had been closed before, nothing was lost.
awaitable<outcome<bool>> orchestrator_call::send_once(
    const http::http_url& peer, const payment::job_headers& headers, bool fresh
) {
    auto taken = co_await connections_.take(peer, fresh);
    if (!taken)
        co_return taken.error();
    connection_ = std::move(*taken);
    if (steady_clock::now() >= until_)
        co_return described(make_error_code(errc::timed_out), "request to");
    limit(duration::max());
    http::client_request request(http::verb::post, peer.target());
    request.headers.reserve(5);
    request.headers.emplace_back("Authorization", protocol_mark);
    request.headers.emplace_back("Livepeer-Segment", headers.segment);
    request.headers.emplace_back("Livepeer-Payment", headers.payment);
    request.headers.emplace_back("Content-Type", body_.content_type);
    const bool whole = !body_.file && body_.before.size() <= whole_body;
    if (whole)
        request.body = body_.before;
    else
        request.length = body_.size();
    const auto begun = steady_clock::now();
    sent_ = true;
    auto failed = co_await connection_->send(std::move(request));
    if (failed == errc::invalid_argument)
        co_return failure(errc::protocol_violation, "its token contains a line break");
    if (!failed && !whole)
        failed = co_await send_body();
    if (disk_failed_)
        co_return failure(disk_failed_, "can't read the upload: " + disk_failed_.message());
    // Whoever refuses a body answers early and stops reading: its answer counts more. No other one
    // can follow half a request.
    if (failed)
        limit(refusal_limit);
    const auto unread = co_await connection_->read_head();
    if (!unread) {
        limit(duration::max());
        co_return true;
    }
    const bool stale = connection_.used_before() && !fresh && !connection_->reply_begun() &&
                       unread != errc::timed_out && unread != asio::error::operation_aborted &&
                       steady_clock::now() - begun < stale_within;
    if (!stale)
        co_return described(failed ? failed : unread, "request to");
    connection_ = {};
    co_return false;
}

awaitable<error_code> orchestrator_call::send_body() {
    using namespace asio::experimental::awaitable_operators;
    // The reply's head may come at any time; what was read of it stays.
    auto either = co_await (upload() || connection_->read_head());
    if (either.index() == 0)
        co_return std::get<0>(either);
    co_return error_code();
}

awaitable<error_code> orchestrator_call::upload() {
    for (std::size_t at = 0; at < body_.before.size(); at += file_piece) {
        const auto piece = std::string_view(body_.before).substr(at, file_piece);
        std::vector<bytes> blocks{
            bytes(nullptr, {reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()})};
        const auto failed = co_await connection_->write_body(std::move(blocks));
        if (failed)
            co_return failed;
    }
    const auto size = body_.file ? body_.file->size() : 0;
    for (std::uint64_t at = 0; at < size;) {
        auto piece = co_await read_file(at);
        if (!piece) {
            disk_failed_ = piece.error().code;
            co_return disk_failed_;
        }
        at += piece->size();
        std::vector<bytes> blocks{std::move(*piece)};
        const auto failed = co_await connection_->write_body(std::move(blocks));
        if (failed)
            co_return failed;
    }
    std::vector<bytes> last{bytes(
        nullptr, {reinterpret_cast<const std::uint8_t*>(body_.after.data()), body_.after.size()}
    )};
    co_return co_await connection_->write_body(std::move(last));
}

awaitable<outcome<bytes>> orchestrator_call::read_file(std::uint64_t offset) {
    if (const auto all = body_.file->view()) {
        const auto piece = all->substr(offset, file_piece);
        co_return bytes(
            body_.file, {reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()}
        );
    }
    auto read = [file = body_.file, offset]() -> outcome<bytes> {
        auto block = std::make_shared_for_overwrite<std::uint8_t[]>(file_piece);
        const auto got = file->read(offset, {block.get(), file_piece});
        if (!got)
            return failure(got.error(), "can't read the upload");
        if (*got == 0)
            return failure(errc::end_of_stream, "the upload is shorter than it was");
        std::span<const std::uint8_t> view(block.get(), *got);
        return bytes(std::move(block), view);
    };
    co_return co_await disk_.run(std::move(read));
}

awaitable<outcome<std::string>> orchestrator_call::text(std::size_t most) {
    std::string text;
    for (;;) {
        auto pieces = co_await connection_->read_body();
        if (!pieces)
            co_return described(pieces.error(), "answer of");
        if (pieces->empty())
            co_return std::move(text);
        for (const auto& piece : *pieces) {
            if (piece.size() > most - text.size())
                co_return failure(
                    errc::too_large, "its answer is longer than " + std::to_string(most) + " bytes"
                );
            if (!held_.take(piece.size())) {
                memory_full_ = true;
                co_return failure(errc::no_capacity, "there is no memory for its answer");
            }
            text += piece.text();
        }
    }
}

awaitable<outcome<std::vector<bytes>>> orchestrator_call::pieces(duration silence) {
    limit(silence);
    auto got = co_await connection_->read_body();
    if (got)
        co_return std::move(*got);
    co_return described(got.error(), "answer of");
}

} // namespace rivulet::batch
