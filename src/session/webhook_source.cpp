#include "session/webhook_source.hpp"

#include "base/utf8.hpp"
#include "session/orchestrator_address.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <boost/json/parse.hpp>
#include <fmt/core.h>

#include <cmath>
#include <set>

namespace rivulet::session {

namespace json = boost::json;

namespace {

constexpr std::size_t most_bytes = 1024 * 1024;
constexpr std::size_t most_entries = 4'096;
constexpr std::size_t deepest = 32;

bool has_scheme(std::string_view url) {
    return boost::algorithm::istarts_with(url, "http://") ||
           boost::algorithm::istarts_with(url, "https://");
}

outcome<candidate> read_entry(const json::value& entry, double no_score) {
    const auto* object = entry.if_object();
    if (!object)
        return failure(errc::protocol_violation, "an entry is not an object");
    const auto* address = object->if_contains("address");
    const auto* text = address ? address->if_string() : nullptr;
    if (!text || text->empty())
        return failure(errc::protocol_violation, "an entry has no address");
    if (!has_scheme(std::string_view(*text)))
        return failure(
            errc::protocol_violation,
            fmt::format("'{}' has no scheme", valid_utf8(std::string_view(*text), 100))
        );
    auto base = orchestrator_base(std::string_view(*text));
    if (!base)
        return failure(errc::protocol_violation, valid_utf8(base.error().detail, 300));
    candidate one(std::move(*base), no_score);
    if (const auto* score = object->if_contains("score"); score && !score->is_null()) {
        if (!score->is_number())
            return failure(errc::protocol_violation, "a score is not a number");
        one.score = score->to_number<double>();
        if (!std::isfinite(one.score))
            return failure(errc::protocol_violation, "a score is not a number");
    }
    return one;
}

struct webhook_fetch {
    explicit webhook_fetch(webhook_source_options o, http::http_url p, logger l)
        : options(std::move(o)), peer(std::move(p)), log(std::move(l)) {}

    webhook_source_options options;
    http::http_url peer;
    logger log;
    std::string complaint; // the last one about single entries; it is not repeated

    awaitable<outcome<std::vector<candidate>>> get() {
        auto reply = co_await http::fetch(
            options.client,
            http::verb::get,
            options.url,
            options.headers,
            std::string(),
            options.limit,
            most_bytes
        );
        if (!reply)
            co_return failure(
                reply.error().code, fmt::format("{}: {}", options.name, reply.error().detail)
            );
        const auto status = static_cast<unsigned>(reply->status);
        if (status < 200 || status > 299)
            co_return failure(
                errc::http_status,
                fmt::format("{}: {} answered {}", options.name, peer.endpoint(), status)
            );
        auto list = parse_webhook_list(reply->body, options.no_score);
        if (!list)
            co_return failure(
                list.error().code,
                fmt::format("{}: {}: {}", options.name, peer.endpoint(), list.error().detail)
            );
        if (list->first_skipped != complaint && list->skipped > 0)
            log.warn(
                "{}: entries skipped: {}, the first because {}",
                options.name,
                list->skipped,
                list->first_skipped
            );
        complaint = list->first_skipped;
        co_return std::move(list->candidates);
    }
};

} // namespace

outcome<webhook_list> parse_webhook_list(std::string_view body, double no_score) {
    error_code ec;
    json::parse_options options;
    options.max_depth = deepest;
    const auto value = json::parse(body, ec, {}, options);
    const auto* rows = ec ? nullptr : value.if_array();
    if (!rows)
        return failure(errc::protocol_violation, "the answer is not a JSON array");
    webhook_list out;
    std::set<std::string> seen;
    for (const auto& row : *rows) {
        if (out.candidates.size() >= most_entries) {
            if (out.skipped++ == 0)
                out.first_skipped = fmt::format("more than {} entries", most_entries);
            continue;
        }
        auto one = read_entry(row, no_score);
        if (!one) {
            if (out.skipped++ == 0)
                out.first_skipped = one.error().detail;
            continue;
        }
        if (seen.insert(one->address).second)
            out.candidates.push_back(std::move(*one));
    }
    return out;
}

outcome<std::shared_ptr<candidate_source>>
make_webhook_source(asio::any_io_executor executor, webhook_source_options options, logger log) {
    auto peer = http::parse_http_url(options.url);
    if (!peer)
        return failure(errc::invalid_argument, "its URL can't be used: http(s)://… is wanted");
    const auto rules = options.refresh;
    auto fetch = std::make_shared<webhook_fetch>(std::move(options), std::move(*peer), log);
    return std::make_shared<refreshed_source>(
        std::move(executor), [fetch] { return fetch->get(); }, rules, std::move(log)
    );
}

} // namespace rivulet::session
