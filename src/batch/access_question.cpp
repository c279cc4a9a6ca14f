#include "batch/access_question.hpp"

#include "live/http_access.hpp"

#include <sstream>

namespace rivulet::batch {
namespace {

std::string text_of(const tcp::endpoint& remote) {
    std::ostringstream out;
    out << remote;
    return out.str();
}

} // namespace

awaitable<std::optional<api_error>>
ask_access(const ingest::check_access& check, const http::request& head) {
    if (!check)
        co_return std::nullopt;
    ingest::access_request asked;
    asked.action = ingest::access_action::control;
    asked.protocol = "http";
    asked.key = live::key_of(head);
    asked.remote = text_of(head.remote);
    auto allowed = co_await check(std::move(asked));
    if (allowed)
        co_return std::nullopt;
    const bool unauthorized = allowed.error().code == errc::unauthorized;
    api_error no(
        unauthorized ? http::status::unauthorized : http::status::service_unavailable,
        allowed.error().detail
    );
    if (!unauthorized)
        no.retry_after = std::chrono::seconds(2);
    co_return no;
}

} // namespace rivulet::batch
