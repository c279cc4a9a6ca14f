#include "live/routes.hpp"

#include "live/json_object.hpp"
#include "live/json_text.hpp"

#include <boost/json/array.hpp>
#include <fmt/core.h>

namespace rivulet::live {

namespace json = boost::json;
using http::verb;

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

http::response no_content() {
    http::response reply;
    reply.status = http::status::no_content;
    return reply;
}

http::response fresh_json(const json::value& value) {
    http::response reply;
    reply.content_type = "application/json";
    reply.headers.emplace_back("Cache-Control", "no-store");
    reply.body = to_text(value);
    return reply;
}

awaitable<http::response> preflight(const http::request&) {
    co_return no_content();
}

awaitable<http::response> update(registry& streams, const http::request& request) {
    const auto& name = param(request, "stream");
    if (auto valid = parse_json_object(request.body, {update_bytes, 64}); !valid)
        co_return http::error_response(http::status::bad_request, valid.error().detail);
    const bool taken = co_await streams.update(name, request.body);
    co_return taken ? http::response() : no_stream(name);
}

awaitable<http::response> status(registry& streams, const http::request& request) {
    const auto& name = param(request, "stream");
    auto found = co_await streams.find(name);
    if (!found)
        co_return no_stream(name);
    co_return fresh_json(to_json(*found));
}

awaitable<http::response> stop(registry& streams, const http::request& request) {
    const auto& name = param(request, "stream");
    auto stopped = co_await streams.stop_stream(name);
    if (!stopped)
        co_return no_stream(name);
    json::object body;
    body["stopped"] = *stopped;
    co_return fresh_json(body);
}

awaitable<http::response> list(registry& streams, const http::request&) {
    auto all = co_await streams.list();
    json::array entries;
    for (const auto& one : all)
        entries.push_back(to_list_entry(one));
    json::object body;
    body["streams"] = std::move(entries);
    co_return fresh_json(body);
}

awaitable<http::response> health(registry& streams, const http::request&) {
    json::object body;
    body["status"] = "ok";
    body["version"] = RIVULET_VERSION;
    body["streams"] = streams.count();
    co_return fresh_json(body);
}

awaitable<http::response> first_page(registry& streams, const http::request&) {
    auto all = co_await streams.list();
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
        rows = "<tr><td colspan=\"5\">Nobody publishes yet.</td></tr>\n";
    http::response reply;
    reply.content_type = "text/html; charset=utf-8";
    reply.headers.emplace_back("Cache-Control", "no-store");
    reply.headers.emplace_back(
        "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"
    );
    reply.body = fmt::format(
        R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Rivulet</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:60rem}}
td,th{{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}}code{{white-space:nowrap}}</style>
</head><body>
<h1>Rivulet {}</h1>
<h2>Streams</h2>
<table><tr><th>name</th><th>pipeline</th><th>state</th><th>fps in → out</th><th></th></tr>
{}</table>
<h2>Use it</h2>
<table>
<tr><td>publish</td><td><code>rtmp://HOST/live/NAME?pipeline=noop</code></td></tr>
<tr><td>watch the result</td><td><code>rtmp://HOST/NAME-out</code></td></tr>
<tr><td>watch the source</td><td><code>rtmp://HOST/NAME</code></td></tr>
<tr><td>new parameters</td><td><code>POST {}/NAME/update</code></td></tr>
<tr><td>how it goes</td><td><code>GET {}/NAME/status</code></td></tr>
<tr><td>stop</td><td><code>DELETE {}/NAME</code></td></tr>
<tr><td>all streams</td><td><code>GET <a href="{}">{}</a></code></td></tr>
<tr><td>segments over HTTP</td><td><code>GET /ai/trickle/NAME-out/-2</code></td></tr>
<tr><td>health</td><td><code>GET <a href="/healthz">/healthz</a></code></td></tr>
</table>
</body></html>
)",
        RIVULET_VERSION,
        rows,
        base,
        base,
        base,
        base,
        base
    );
    co_return reply;
}

using bound = awaitable<http::response> (*)(registry&, const http::request&);

http::handler with(registry& streams, bound handle) {
    return [&streams, handle](const http::request& request) { return handle(streams, request); };
}

} // namespace

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

void add_routes(http::server& server, registry& streams) {
    const std::string all(base);
    const auto one = all + "/{stream}";
    server.route(verb::post, one + "/update", update_bytes, with(streams, update));
    server.route(verb::options, one + "/update", preflight);
    server.route(verb::get, one + "/status", with(streams, status));
    server.route(verb::options, one + "/status", preflight);
    server.route(verb::delete_, one, with(streams, stop));
    server.route(verb::get, all, with(streams, list));
    server.route(verb::get, "/healthz", with(streams, health));
    server.route(verb::get, "/", with(streams, first_page));
}

void forbid_writes(trickle::server_options& options) {
    const trickle::hook refuse = [](const http::beast_http::request_header<>&, const std::string&) {
        trickle::hook_refusal no;
        no.status = 403;
        no.message = "the channels of this gateway are read-only";
        return std::optional(std::move(no));
    };
    options.before_create = refuse;
    options.before_write = refuse;
    options.before_delete = refuse;
}

} // namespace rivulet::live
