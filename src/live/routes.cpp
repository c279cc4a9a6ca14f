#include "live/routes.hpp"

#include "live/http_access.hpp"
#include "live/json_object.hpp"
#include "live/json_text.hpp"
#include "live/web_pages.hpp"

#include <boost/json/array.hpp>
#include <fmt/core.h>

namespace rivulet::live {

namespace json = boost::json;
using http::verb;
using ingest::access_action;

namespace {

constexpr std::string_view base = "/live/video-to-video";

const std::string& param(const http::request& request, std::string_view name) {
    static const std::string none;
    const auto it = request.params.find(name);
    return it == request.params.end() ? none : it->second;
}

http::response no_stream(std::string_view name) {
    return http::error_response(
        http::status::not_found,
        fmt::format(
            "Stream not found: nobody publishes '{}'. GET {} lists the streams.", name, base
        )
    );
}

http::response fresh_json(const json::value& value) {
    http::response reply;
    reply.content_type = "application/json";
    reply.headers.emplace_back("Cache-Control", "no-store");
    reply.body = to_text(value);
    return reply;
}

// What the handlers work with.
struct live_api {
    registry& streams;
    ingest::check_access check;
};

awaitable<http::response> update(const live_api& api, const http::request& request) {
    const auto& name = param(request, "stream");
    auto refused = co_await ask_access(api.check, access_action::control, request, name);
    if (refused)
        co_return *refused;
    if (auto valid = parse_update(request.body); !valid)
        co_return http::error_response(http::status::bad_request, valid.error().detail);
    const bool taken = co_await api.streams.update(name, request.body);
    co_return taken ? http::response() : no_stream(name);
}

awaitable<http::response> status(const live_api& api, const http::request& request) {
    const auto& name = param(request, "stream");
    auto found = co_await api.streams.find(name);
    // Keys are for names; a stranger does not learn which names and ids there are.
    const auto whose = found ? found->name : name;
    auto refused = co_await ask_access(api.check, access_action::control, request, whose);
    if (refused)
        co_return *refused;
    if (!found)
        co_return no_stream(name);
    co_return fresh_json(to_json(*found));
}

awaitable<http::response> stop(const live_api& api, const http::request& request) {
    const auto& name_or_id = param(request, "stream");
    const auto found = co_await api.streams.name_of(name_or_id);
    const auto name = found.value_or(name_or_id);
    auto refused = co_await ask_access(api.check, access_action::control, request, name);
    if (refused)
        co_return *refused;
    const bool stopped = co_await api.streams.stop_stream(name);
    if (!stopped)
        co_return no_stream(name_or_id);
    json::object body;
    body["stopped"] = name;
    co_return fresh_json(body);
}

awaitable<http::response> list(const live_api& api, const http::request& request) {
    auto refused = co_await ask_access(api.check, access_action::control, request, {});
    if (refused)
        co_return *refused;
    auto all = co_await api.streams.list();
    json::array entries;
    for (const auto& one : all)
        entries.push_back(to_list_entry(one));
    json::object body;
    body["streams"] = std::move(entries);
    co_return fresh_json(body);
}

awaitable<http::response> health(const live_api& api, const http::request&) {
    json::object body;
    body["status"] = "ok";
    body["version"] = RIVULET_VERSION;
    body["streams"] = api.streams.count();
    co_return fresh_json(body);
}

awaitable<http::response> first_page(const live_api& api, const http::request& request) {
    const auto refused = co_await ask_access(api.check, access_action::control, request, {});
    std::vector<stream_snapshot> all;
    if (!refused)
        all = co_await api.streams.list();
    std::string rows;
    for (const auto& one : all)
        rows += fmt::format(
            "<tr><td><a href=\"{0}/{1}/status\">{1}</a></td><td>{2}</td><td>{3}</td>"
            "<td>{4:.1f} → {5:.1f}</td><td>{6}</td></tr>\n",
            base,
            html_text(one.name),
            html_text(one.pipeline),
            to_string(one.state),
            one.ingest.video_fps,
            one.output.fps,
            html_text(summary(one))
        );
    if (rows.empty())
        rows = fmt::format(
            "<tr><td colspan=\"5\">{}</td></tr>\n",
            refused ? "The list needs a key." : "Nobody publishes yet."
        );
    co_return console_page(request, rows);
}

using bound = awaitable<http::response> (*)(const live_api&, const http::request&);

http::handler with(std::shared_ptr<const live_api> api, bound handle) {
    return [api = std::move(api), handle](const http::request& request) {
        return handle(*api, request);
    };
}

} // namespace

outcome<json::object> parse_update(std::string_view body) {
    return parse_json_object(body, {update_bytes, 64});
}

std::string html_text(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

void add_routes(http::server& server, registry& streams, ingest::check_access check) {
    const std::shared_ptr<const live_api> api(new live_api{streams, std::move(check)});
    const std::string all(base);
    const auto one = all + "/{stream}";
    server.route(verb::post, one + "/update", update_bytes, with(api, update));
    server.route(verb::get, one + "/status", with(api, status));
    server.route(verb::delete_, one, with(api, stop));
    server.route(verb::get, all, with(api, list));
    server.route(verb::get, "/healthz", with(api, health));
    server.route(verb::get, "/", with(api, first_page));
    add_web_pages(server);
}

namespace {

trickle::hook_refusal forbidden(std::string why) {
    trickle::hook_refusal no;
    no.status = 403;
    no.message = std::move(why);
    return no;
}

} // namespace

void forbid_writes(trickle::server_options& options, const door_channels* doors) {
    using answer = std::optional<trickle::hook_refusal>;
    const auto hook = [doors](bool deletes) -> trickle::hook {
        return
            [doors, deletes](const http::beast_http::request_header<>&, const std::string& name) {
                const auto use = doors ? doors->use_of(name) : std::nullopt;
                // Who comes late is told that it is gone.
                if (!use && doors && doors->is_gone(name))
                    return answer();
                if (!use)
                    return answer(forbidden("the channels of this gateway are read-only"));
                if (use == door_channel::input || (use == door_channel::control && !deletes))
                    return answer();
                if (deletes)
                    return answer(forbidden("DELETE ends a stream at its publish_url only"));
                return answer(forbidden("this channel is for reading"));
            };
    };
    options.before_create = hook(false);
    options.before_write = hook(false);
    options.before_delete = hook(true);
}

} // namespace rivulet::live
