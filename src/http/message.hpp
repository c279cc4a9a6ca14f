// Requests and responses as route handlers see them: whole bodies, parsed target.
#pragma once

#include "base/asio.hpp"

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/verb.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::http {

namespace beast_http = boost::beast::http;
using beast_http::field;
using beast_http::status;
using beast_http::verb;

struct request {
    beast_http::request_header<> header;
    std::string path; // as sent, without query
    std::map<std::string, std::string, std::less<>>
        params; // `{name}` of the route, percent-decoded
    std::vector<std::pair<std::string, std::string>> query; // percent-decoded, in order
    std::string body;
    tcp::endpoint remote;
    bool secure = false;

    // The first value of a query key.
    std::optional<std::string> query_value(std::string_view key) const;
    // A header by name, case-insensitive; empty when absent.
    std::string_view operator[](std::string_view name) const;
};

struct response {
    http::status status = http::status::ok;
    std::string body;
    std::string content_type; // empty: no Content-Type header
    std::vector<std::pair<std::string, std::string>> headers;
};

response json_response(const boost::json::value& value, http::status status = http::status::ok);
// {"error":{"message":…}} with the status: what every failure of the API looks like. The message
// names the cause and, where there is one, the cure.
response error_response(http::status status, std::string_view message);

} // namespace rivulet::http
