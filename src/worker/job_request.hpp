// The wire shapes of POST /live-video-to-video: what a gateway sends, what it gets back.
// Pure.
#pragma once

#include "base/error.hpp"
#include "http/message.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace rivulet::worker {

struct job_request {
    std::string model = "noop";
    boost::json::object params;
    std::string stream_id, request_id; // printable, at most 128 characters
};

// Fails with invalid_argument; the detail is the text of the 400.
outcome<job_request> parse_job_request(const http::request& request);

// "https://host:port" from `public_url`, else from the Host header; empty when neither is usable.
std::string url_base(const http::request& request, std::string_view public_url);

boost::json::object job_reply(std::string_view base, std::string_view path, std::string_view id);

} // namespace rivulet::worker
