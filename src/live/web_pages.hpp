// The gateway's pages over HTTP: the files of the console at /web/, and the player page of every
// channel at /{channel}/, made to be embedded by other sites. The console itself, at /, is one of
// live/routes, because it lists the streams for browsers without scripts.
// Thread: add before the server listens; handlers run on the connection's shard.
#pragma once

#include "http/server.hpp"

#include <string_view>

namespace rivulet::live {

void add_web_pages(http::server& server);

// The console page; `rows` are the table rows (HTML) of the streams.
http::response console_page(const http::request& request, std::string_view rows);

// Another page of web/ ("docs.html"), under a Content-Security-Policy of its own.
http::response
web_page(const http::request& request, std::string_view name, std::string_view content_policy);

} // namespace rivulet::live
