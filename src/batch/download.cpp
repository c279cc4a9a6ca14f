#include "batch/download.hpp"

#include "base/deadline.hpp"
#include "base/private_address.hpp"

#include <fmt/core.h>

#include <charconv>
#include <optional>

namespace rivulet::batch {
namespace {

// What was taken from the room until it is the caller's.
class taken_room {
  public:
    explicit taken_room(std::shared_ptr<download_room> room) : room_(std::move(room)) {}

    ~taken_room() { room_->held.give_back(taken_); }

    taken_room(const taken_room&) = delete;
    taken_room& operator=(const taken_room&) = delete;

    error_code take(std::uint64_t size) {
        if (size > room_->most - room_->held.held())
            return make_error_code(errc::too_large);
        if (!room_->held.take(size))
            return make_error_code(errc::no_capacity);
        taken_ += size;
        return {};
    }

    void hand_over() { taken_ = 0; }

  private:
    std::shared_ptr<download_room> room_;
    std::uint64_t taken_ = 0;
};

std::optional<std::uint64_t> announced_length(const http::reply_head& head) {
    const std::string_view text = head["Content-Length"];
    std::uint64_t value = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || bad != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

awaitable<outcome<std::string>> fetch_bytes(
    http::client_options options,
    http::http_url url,
    std::uint64_t most,
    std::shared_ptr<download_room> room
) {
    const failure too_large(
        errc::too_large, fmt::format("the result at {} is longer than {} bytes", url.host, most)
    );
    auto opened = co_await http::client_connection::open(url, std::move(options));
    if (!opened)
        co_return opened.error();
    const auto connection = std::move(*opened);
    http::client_request wanted(http::verb::get, url.target());
    wanted.headers.emplace_back("Accept", "*/*");
    wanted.headers.emplace_back("Connection", "close");
    auto failed = co_await connection->send(std::move(wanted));
    if (!failed)
        failed = co_await connection->read_head();
    if (failed)
        co_return http::describe_failure(failed, url, "request to");
    const auto& head = connection->head();
    if (head.status != 200)
        co_return failure(
            errc::http_status,
            fmt::format("the result's host {} answered {}", url.host, int(head.status))
        );
    taken_room held(std::move(room));
    std::string content;
    if (const auto length = announced_length(head)) {
        if (*length > most)
            co_return too_large;
        content.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*length, 1u << 24)));
    }
    for (;;) {
        auto pieces = co_await connection->read_body();
        if (!pieces)
            co_return http::describe_failure(pieces.error(), url, "download from");
        if (pieces->empty())
            break;
        for (const auto& piece : *pieces) {
            if (piece.size() > most - content.size())
                co_return too_large;
            const auto no_room = held.take(piece.size());
            if (no_room)
                co_return failure(
                    no_room, "the results of this answer are more than is held at once"
                );
            content += piece.text();
        }
    }
    held.hand_over();
    co_return std::move(content);
}

} // namespace

awaitable<outcome<std::string>> download(
    http::client_options options,
    result_source from,
    std::uint64_t most,
    std::shared_ptr<download_room> room,
    duration limit
) {
    using namespace asio::experimental::awaitable_operators;
    if (!from.own)
        options.tls = {}; // orchestrators sign their own certificates, others don't
    if (from.public_only)
        options.allowed = [](const asio::ip::address& each) { return !is_private_address(each); };
    auto work = fetch_bytes(std::move(options), from.url, most, std::move(room));
    auto either = co_await (std::move(work) || expire_after(limit));
    if (either.index() == 1)
        co_return http::describe_failure(
            make_error_code(errc::timed_out), from.url, "download from"
        );
    co_return std::move(std::get<0>(either));
}

bool is_worth_another_try(const failure& why) {
    return why.code != errc::unauthorized && why.code != errc::too_large &&
           why.code != errc::too_many && why.code != errc::invalid_argument &&
           why.code != errc::no_capacity;
}

} // namespace rivulet::batch
