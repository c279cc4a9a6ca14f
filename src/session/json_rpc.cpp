#include "session/json_rpc.hpp"

#include "base/deadline.hpp"
#include "base/utf8.hpp"
#include "session/keccak.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::session {

namespace json = boost::json;

namespace {

constexpr std::size_t deepest = 32;
constexpr std::int64_t reverted_code = 3; // of Geth and its kin; others only say it in words

// The contract itself said no, which is an answer; anything else is the node's trouble.
bool is_revert(const json::object* error, const json::string* text) {
    const auto* code = error ? error->if_contains("code") : nullptr;
    if (code && code->is_int64() && code->get_int64() == reverted_code)
        return true;
    return text && boost::algorithm::icontains(std::string_view(*text), "revert");
}

} // namespace

outcome<json::value> parse_json_rpc_reply(std::string_view body, std::int64_t id) {
    error_code ec;
    json::parse_options options;
    options.max_depth = deepest;
    auto value = json::parse(body, ec, {}, options);
    auto* reply = ec ? nullptr : value.if_object();
    if (!reply)
        return failure(errc::protocol_violation, "the node's reply is not a JSON object");
    // Refusals come first: a node that could not read the request doesn't know its id.
    if (const auto* error = reply->if_contains("error"); error && !error->is_null()) {
        const auto* object = error->if_object();
        const auto* message = object ? object->if_contains("message") : nullptr;
        const auto* text = message ? message->if_string() : error->if_string();
        return failure(
            is_revert(object, text) ? errc::invalid_argument : errc::http_status,
            fmt::format(
                "the node refused: {}",
                text ? valid_utf8(std::string_view(*text), 200) : "without a reason"
            )
        );
    }
    const auto* answered = reply->if_contains("id");
    std::int64_t seen = 0;
    if (answered && answered->is_int64())
        seen = answered->get_int64();
    else if (answered && answered->is_uint64())
        seen = static_cast<std::int64_t>(answered->get_uint64());
    if (!answered || seen != id)
        return failure(errc::protocol_violation, "the node's reply is to another request");
    auto* result = reply->if_contains("result");
    if (!result)
        return failure(errc::protocol_violation, "the node's reply has no result");
    return std::move(*result);
}

std::optional<std::uint64_t> parse_quantity(std::string_view text) {
    if (!text.starts_with("0x") || text.size() < 3 || text.size() > 18)
        return std::nullopt;
    std::uint64_t out = 0;
    for (const char c : text.substr(2)) {
        unsigned digit = 0;
        if (c >= '0' && c <= '9')
            digit = static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = static_cast<unsigned>(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            digit = static_cast<unsigned>(c - 'A' + 10);
        else
            return std::nullopt;
        out = out << 4 | digit;
    }
    return out;
}

outcome<std::shared_ptr<json_rpc>> json_rpc::create(const std::string& url, options options) {
    auto peer = http::parse_http_url(url);
    // The parser's text may quote the URL, and with it a key.
    if (!peer)
        return failure(
            errc::invalid_argument,
            "the node's URL can't be used: http(s)://host[:port]/… is wanted"
        );
    return std::make_shared<json_rpc>(std::move(*peer), std::move(options));
}

http::connection_ptr json_rpc::take(const asio::any_io_executor& executor) {
    const std::lock_guard lock(guard_);
    const auto found =
        std::ranges::find_if(idle_, [&](const idle& one) { return one.executor == executor; });
    if (found == idle_.end())
        return nullptr;
    auto connection = std::move(found->connection);
    idle_.erase(found);
    return connection;
}

void json_rpc::keep(const asio::any_io_executor& executor, http::connection_ptr connection) {
    const std::lock_guard lock(guard_);
    if (!stopped_ && connection->reusable() && idle_.size() < options_.kept)
        idle_.push_back({executor, std::move(connection)});
}

void json_rpc::stop() {
    const std::lock_guard lock(guard_);
    stopped_ = true;
    idle_.clear();
}

// One exchange; a kept connection that the node has closed meanwhile is replaced by a new one.
awaitable<outcome<std::string>> json_rpc::exchange(std::string body, unsigned& status) {
    const auto executor = co_await asio::this_coro::executor;
    const auto until = steady_clock::now() + options_.limit;
    for (;;) {
        auto connection = take(executor);
        const bool kept = connection != nullptr;
        if (!kept) {
            auto client = options_.client;
            client.connect_timeout = std::min<duration>(client.connect_timeout, options_.limit);
            auto opened = co_await http::client_connection::open(peer_, client);
            if (!opened)
                co_return opened.error();
            connection = std::move(*opened);
        }
        http::client_request request(http::verb::post, peer_.target());
        request.headers.emplace_back("Content-Type", "application/json");
        request.body = body;
        auto ec = co_await connection->send(std::move(request));
        const auto left = [&until] {
            return std::max<duration>(until - steady_clock::now(), std::chrono::milliseconds(1));
        };
        if (!ec)
            ec = co_await connection->read_head(left());
        if (ec) {
            // Reading does no harm twice.
            if (kept && !connection->reply_begun() && ec != errc::timed_out)
                continue;
            co_return http::describe_failure(ec, peer_, "asking");
        }
        status = connection->head().status;
        auto text = co_await connection->read_text(options_.most_bytes, left());
        if (!text)
            co_return http::describe_failure(text.error(), peer_, "reading the reply");
        keep(executor, std::move(connection));
        co_return std::move(*text);
    }
}

awaitable<outcome<json::value>> json_rpc::call(std::string method, json::array params) {
    const auto id = next_id_.fetch_add(1);
    json::object request;
    request["jsonrpc"] = "2.0";
    request["id"] = id;
    request["method"] = method;
    request["params"] = std::move(params);
    unsigned status = 0;
    auto body = co_await exchange(json::serialize(request), status);
    if (!body)
        co_return body.error();
    auto result = parse_json_rpc_reply(*body, id);
    // Nodes tell what they dislike in the body whatever the status, or say nothing useful.
    if (!result && (status < 200 || status > 299) &&
        result.error().code == errc::protocol_violation)
        co_return failure(errc::http_status, fmt::format("{} answered {}", endpoint(), status));
    if (!result)
        co_return failure(
            result.error().code, fmt::format("{}: {}", endpoint(), result.error().detail)
        );
    co_return result;
}

awaitable<outcome<std::string>> json_rpc::eth_call(std::string contract, std::string data) {
    json::object transaction;
    transaction["to"] = "0x" + to_hex(contract);
    transaction["data"] = "0x" + to_hex(data);
    json::array params;
    params.push_back(std::move(transaction));
    params.push_back("latest");
    auto result = co_await call("eth_call", std::move(params));
    if (!result)
        co_return result.error();
    const auto* text = result->if_string();
    auto bytes = text && text->starts_with("0x") ? from_hex(std::string_view(*text)) : std::nullopt;
    if (!bytes)
        co_return failure(
            errc::protocol_violation, fmt::format("{}: the call's result is no data", endpoint())
        );
    co_return std::move(*bytes);
}

awaitable<outcome<std::uint64_t>> json_rpc::block_number() {
    json::array none;
    auto result = co_await call("eth_blockNumber", std::move(none));
    if (!result)
        co_return result.error();
    const auto* text = result->if_string();
    const auto number = text ? parse_quantity(std::string_view(*text)) : std::nullopt;
    if (!number)
        co_return failure(
            errc::protocol_violation, fmt::format("{}: the block is no number", endpoint())
        );
    co_return *number;
}

awaitable<outcome<std::uint64_t>> json_rpc::chain_id() {
    json::array none;
    auto result = co_await call("eth_chainId", std::move(none));
    if (!result)
        co_return result.error();
    const auto* text = result->if_string();
    const auto number = text ? parse_quantity(std::string_view(*text)) : std::nullopt;
    if (!number)
        co_return failure(
            errc::protocol_violation, fmt::format("{}: the chain's id is no number", endpoint())
        );
    co_return *number;
}

} // namespace rivulet::session
