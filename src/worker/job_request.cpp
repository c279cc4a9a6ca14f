#include "worker/job_request.hpp"

#include "base/utf8.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace rivulet::worker {

namespace {

std::string printable(std::string_view text) {
    auto out = valid_utf8(text, 128);
    std::replace_if(
        out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?'
    );
    return out;
}

// The text of a member; the header of the same meaning when the body has none.
outcome<std::string>
text_of(const boost::json::object& body, std::string_view key, std::string_view otherwise) {
    const auto* value = body.if_contains(key);
    if (!value || value->is_null())
        return printable(otherwise);
    const auto* text = value->if_string();
    if (!text)
        return failure(errc::invalid_argument, fmt::format("\"{}\" must be a string", key));
    return printable(text->empty() ? otherwise : std::string_view(*text));
}

bool is_host(std::string_view text) {
    return !text.empty() && text.size() <= 300 &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']' ||
                      c == '_';
           });
}

} // namespace

outcome<job_request> parse_job_request(const http::request& request) {
    error_code bad;
    const auto value = boost::json::parse(request.body, bad);
    if (bad)
        return failure(errc::invalid_argument, "the body is not JSON: " + bad.message());
    const auto* body = value.if_object();
    if (!body)
        return failure(errc::invalid_argument, "the body must be a JSON object");

    job_request made;
    auto model = text_of(*body, "model_id", "noop");
    if (!model)
        return model.error();
    auto stream = text_of(*body, "stream_id", request["streamID"]);
    if (!stream)
        return stream.error();
    auto id = text_of(*body, "gateway_request_id", request["requestID"]);
    if (!id)
        return id.error();
    made.model = std::move(*model);
    made.stream_id = std::move(*stream);
    made.request_id = std::move(*id);

    const auto* params = body->if_contains("params");
    if (params && !params->is_null()) {
        if (!params->is_object())
            return failure(errc::invalid_argument, "\"params\" must be an object");
        made.params = params->get_object();
    }
    return made;
}

std::string url_base(const http::request& request, std::string_view public_url) {
    while (public_url.ends_with('/'))
        public_url.remove_suffix(1);
    if (!public_url.empty())
        return std::string(public_url);
    const auto host = request["Host"];
    if (!is_host(host))
        return {};
    return fmt::format("{}://{}", request.secure ? "https" : "http", host);
}

boost::json::object job_reply(std::string_view base, std::string_view path, std::string_view id) {
    const auto url = [&](std::string_view suffix) {
        return boost::json::value(fmt::format("{}{}{}{}", base, path, id, suffix));
    };
    boost::json::object reply;
    reply["control_url"] = url("-control");
    reply["events_url"] = url("-events");
    reply["manifest_id"] = id;
    reply["publish_url"] = url("");
    reply["subscribe_url"] = url("-out");
    return reply;
}

} // namespace rivulet::worker
