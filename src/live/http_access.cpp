#include "live/http_access.hpp"

#include "http/target.hpp"

#include <algorithm>
#include <cctype>

namespace rivulet::live {
namespace {

unsigned refused_status(const failure& why, bool had_key) {
    if (why.code != errc::unauthorized)
        return 503;
    return had_key ? 403 : 401;
}

std::string remote_text(const tcp::endpoint& remote) {
    const auto address = remote.address().to_string();
    return (remote.address().is_v6() ? "[" + address + "]" : address) + ":" +
           std::to_string(remote.port());
}

} // namespace

std::string bearer_of(std::string_view authorization) {
    static constexpr std::string_view scheme = "bearer ";
    const bool bearer =
        authorization.size() > scheme.size() &&
        std::ranges::equal(authorization.substr(0, scheme.size()), scheme, [](char a, char b) {
            return std::tolower(static_cast<unsigned char>(a)) == b;
        });
    if (!bearer)
        return {};
    authorization.remove_prefix(scheme.size());
    while (authorization.starts_with(' '))
        authorization.remove_prefix(1);
    while (authorization.ends_with(' '))
        authorization.remove_suffix(1);
    return std::string(authorization);
}

std::string key_of(
    std::string_view authorization, const std::vector<std::pair<std::string, std::string>>& query
) {
    auto bearer = bearer_of(authorization);
    return bearer.empty() ? ingest::key_of(query) : bearer;
}

std::string key_of(const http::request& request) {
    return key_of(request["Authorization"], request.query);
}

http::response access_refused(const failure& why, bool had_key) {
    const auto status = refused_status(why, had_key);
    auto reply = http::error_response(static_cast<http::status>(status), why.detail);
    if (status == 401)
        reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"rivulet\"");
    if (status == 503)
        reply.headers.emplace_back("Retry-After", "2");
    return reply;
}

awaitable<std::optional<http::response>> ask_access(
    const ingest::check_access& check,
    ingest::access_action action,
    const http::request& request,
    std::string stream
) {
    if (!check)
        co_return std::nullopt;
    ingest::access_request asked;
    asked.action = action;
    asked.protocol = "http";
    asked.stream = std::move(stream);
    asked.key = key_of(request);
    asked.remote = remote_text(request.remote);
    const bool had_key = !asked.key.empty();
    auto allowed = co_await check(std::move(asked));
    if (allowed)
        co_return std::nullopt;
    co_return access_refused(allowed.error(), had_key);
}

namespace {

// Publishers that come back ask how far they were, also where they only write.
bool may_read(door_channel use, std::string_view path) {
    return use == door_channel::output || use == door_channel::events || path.ends_with("/next");
}

awaitable<std::optional<trickle::hook_refusal>> ask_read(
    ingest::check_access check, const door_channels* doors, http::exchange& now, std::string name
) {
    if (const auto use = doors ? doors->use_of(name) : std::nullopt) {
        if (may_read(*use, now.path()))
            co_return std::nullopt;
        trickle::hook_refusal no;
        no.status = 403;
        no.message = "this channel is for writing";
        co_return no;
    }
    if (!check || (doors && doors->is_gone(name)))
        co_return std::nullopt;
    ingest::access_request asked;
    asked.action = ingest::access_action::watch;
    asked.protocol = "trickle";
    asked.stream = std::move(name);
    const auto query = http::parse_query(http::split(now.header().target()).query);
    asked.key = key_of(now["Authorization"], query);
    asked.remote = now.connection().remote_address();
    const bool had_key = !asked.key.empty();
    auto allowed = co_await check(std::move(asked));
    if (allowed)
        co_return std::nullopt;
    const auto status = refused_status(allowed.error(), had_key);
    trickle::hook_refusal no;
    no.request_error = status < 500;
    no.status = static_cast<int>(status);
    no.message = allowed.error().detail;
    co_return no;
}

} // namespace

void guard_reads(
    trickle::server_options& options, ingest::check_access check, const door_channels* doors
) {
    if (!check && !doors)
        return;
    options.before_read = [check = std::move(check),
                           doors](http::exchange& now, const std::string& name) {
        return ask_read(check, doors, now, name);
    };
}

} // namespace rivulet::live
