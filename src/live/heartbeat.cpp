#include "live/heartbeat.hpp"

#include "base/deadline.hpp"
#include "ingest/peer_text.hpp"
#include "live/json_object.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <future>

namespace rivulet::live {

namespace json = boost::json;

namespace {

constexpr std::string_view termination = "stream terminated: credit_exhaustion";
constexpr std::size_t most_answer_bytes = 1024 * 1024;
constexpr duration goodbye = std::chrono::seconds(1);

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' '))
        text.remove_prefix(1);
    while (text.ends_with(' '))
        text.remove_suffix(1);
    return text;
}

bool is_header_name(std::string_view text) {
    return !text.empty() &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "!#$%&'*+-.^_`|~") == std::string_view::npos;
}

} // namespace

outcome<http::header_list> parse_headers(std::string_view text) {
    http::header_list headers;
    while (!text.empty()) {
        const auto entry = text.substr(0, text.find(','));
        text.remove_prefix(std::min(entry.size() + 1, text.size()));
        if (trimmed(entry).empty())
            continue;
        const auto colon = entry.find(':');
        const auto name = trimmed(entry.substr(0, colon));
        if (colon == std::string_view::npos || !is_header_name(name) ||
            entry.find_first_of("\r\n") != std::string_view::npos)
            return failure(
                errc::invalid_argument,
                fmt::format("header {}: NAME:VALUE is wanted, commas between", headers.size() + 1)
            );
        headers.emplace_back(name, trimmed(entry.substr(colon + 1)));
    }
    return headers;
}

std::string heartbeat_body(const std::vector<std::string>& ids) {
    json::object body;
    if (ids.empty())
        body["ids"] = nullptr;
    else
        body["ids"] = json::array(ids.begin(), ids.end());
    return json::serialize(body);
}

outcome<std::vector<std::string>> parse_heartbeat_answer(std::string_view body) {
    std::vector<std::string> ids;
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return ids;
    auto object = parse_json_object(body, {most_answer_bytes, 32});
    if (!object)
        return failure(errc::protocol_violation, object.error().detail);
    const auto* named = object->if_contains("terminatedStreamIds");
    if (!named || named->is_null())
        return ids;
    if (!named->is_array())
        return failure(errc::protocol_violation, "terminatedStreamIds is not an array");
    for (const auto& id : named->get_array()) {
        if (!id.is_string())
            return failure(errc::protocol_violation, "terminatedStreamIds has a non-string");
        // An empty id names no stream.
        if (!id.get_string().empty())
            ids.emplace_back(id.get_string());
    }
    return ids;
}

heartbeat::heartbeat(shards& shards, registry& streams, heartbeat_options options, logger log)
    : home_(shards.at(0)), streams_(streams), options_(std::move(options)), log_(std::move(log)),
      tasks_(home_.get_executor(), log_) {}

heartbeat::~heartbeat() {
    stop();
}

outcome<void> heartbeat::start() {
    auto url = http::parse_http_url(options_.url);
    if (!url)
        return url.error();
    log_.info("every {} s to {}", options_.interval / std::chrono::seconds(1), url->endpoint());
    asio::post(home_, [this] { tasks_.spawn("heartbeat", run()); });
    return {};
}

void heartbeat::stop() {
    if (std::exchange(stopped_, true))
        return;
    auto close = [](task_group& tasks) -> awaitable<void> {
        tasks.close();
        co_await tasks.join(goodbye);
    };
    asio::co_spawn(home_.get_executor(), close(tasks_), asio::use_future).wait();
}

awaitable<void> heartbeat::run() {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto next = steady_clock::now();
    for (;;) {
        co_await beat();
        // A slow answer costs beats; it does not cause a burst of them.
        next = std::max(next + options_.interval, steady_clock::now());
        timer.expires_at(next);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

awaitable<void> heartbeat::beat() {
    const auto all = co_await streams_.list();
    std::vector<std::string> ids;
    for (const auto& one : all)
        ids.push_back(one.stream_id);
    auto headers = options_.headers;
    headers.emplace_back("Content-Type", "application/json");
    auto reply = co_await http::fetch(
        options_.client,
        http::verb::post,
        options_.url,
        std::move(headers),
        heartbeat_body(ids),
        options_.limit,
        most_answer_bytes
    );
    outcome<std::vector<std::string>> named = std::vector<std::string>();
    if (!reply)
        named = reply.error();
    else if (const auto status = static_cast<unsigned>(reply->status); status < 200 || status > 299)
        named = failure(errc::http_status, fmt::format("it answered {}", status));
    else
        named = parse_heartbeat_answer(reply->body);
    if (!named) {
        const auto text = ingest::peer_text(named.error().detail);
        if (complaint_ != text)
            log_.warn("{}", text);
        complaint_ = text;
        co_return;
    }
    if (!complaint_.empty())
        log_.info("it answers again");
    complaint_.clear();
    for (const auto& id : *named) {
        const auto ended = co_await streams_.terminate(id, std::string(termination));
        log_.info("id {}: {} streams ended: {}", ingest::peer_text(id), ended, termination);
    }
}

} // namespace rivulet::live
