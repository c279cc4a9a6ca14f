#include "live/web_pages.hpp"

#include "live/web_files.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace rivulet::live {

using http::verb;

namespace {

// Scripts, styles and pictures come from the gateway alone. WebSockets may be on another port.
constexpr std::string_view policy =
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self' blob:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'";

void add_page_headers(http::response& reply, std::string_view content_policy) {
    reply.headers.emplace_back("Content-Security-Policy", content_policy);
    // The address may hold a key.
    reply.headers.emplace_back("Referrer-Policy", "no-referrer");
}

// Whether a header that is a list ("br, gzip;q=0.5") has an entry, not counting one of weight 0.
bool lists(std::string_view header, std::string_view wanted) {
    while (!header.empty()) {
        const auto comma = header.find(',');
        auto entry = header.substr(0, comma);
        header = comma == header.npos ? std::string_view() : header.substr(comma + 1);
        entry.remove_prefix(std::min(entry.find_first_not_of(" \t"), entry.size()));
        const auto weight = entry.find("q=0");
        const bool refused =
            weight != entry.npos && entry.find_first_of("123456789", weight) == entry.npos;
        if (!refused && entry.substr(0, entry.find_first_of("; \t")) == wanted)
            return true;
    }
    return false;
}

http::response reply_with(const http::request& request, const web_file& file) {
    http::response reply;
    reply.headers.emplace_back("ETag", file.etag);
    // Always asked again: a new gateway brings new pages, and not to have them is confusing.
    reply.headers.emplace_back("Cache-Control", "no-cache");
    reply.headers.emplace_back("Vary", "Accept-Encoding");
    reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
    if (lists(request["If-None-Match"], file.etag)) {
        reply.status = http::status::not_modified;
        return reply;
    }
    reply.content_type = file.content_type;
    if (!file.gzipped.empty() && lists(request["Accept-Encoding"], "gzip")) {
        reply.headers.emplace_back("Content-Encoding", "gzip");
        reply.body = file.gzipped;
    } else {
        reply.body = file.text;
    }
    return reply;
}

const std::string& param(const http::request& request, std::string_view name) {
    static const std::string none;
    const auto it = request.params.find(name);
    return it == request.params.end() ? none : it->second;
}

http::response not_there(const http::request& request) {
    return http::error_response(
        http::status::not_found, fmt::format("The gateway has no file {}.", request.path)
    );
}

awaitable<http::response> asset(const http::request& request) {
    const auto& name = param(request, "file");
    const auto* file = name.ends_with(".html") ? nullptr : find_web_file(name);
    co_return file ? reply_with(request, *file) : not_there(request);
}

awaitable<http::response> player(const http::request& request) {
    co_return web_page(request, "player.html", policy); // it is made to be embedded
}

} // namespace

http::response console_page(const http::request& request, std::string_view rows) {
    const auto* file = find_web_file("index.html");
    if (!file)
        return not_there(request);
    constexpr std::string_view mark = "<!--streams-->";
    web_file page;
    page.content_type = file->content_type;
    std::string text(file->text);
    if (const auto at = text.find(mark); at != text.npos)
        text.replace(at, mark.size(), rows);
    page.text = text;
    page.etag = etag_of(text);
    auto reply = reply_with(request, page);
    add_page_headers(reply, fmt::format("{}; frame-ancestors 'none'", policy));
    return reply;
}

http::response
web_page(const http::request& request, std::string_view name, std::string_view content_policy) {
    const auto* file = find_web_file(name);
    if (!file)
        return not_there(request);
    auto reply = reply_with(request, *file);
    add_page_headers(reply, content_policy);
    return reply;
}

void add_web_pages(http::server& server) {
    server.route(verb::get, "/web/{file}", asset);
    server.route(verb::get, "/{channel}/", player);
}

} // namespace rivulet::live
