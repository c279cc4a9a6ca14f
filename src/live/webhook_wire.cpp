#include "live/webhook_wire.hpp"

#include "http/target.hpp"
#include "live/json_object.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::live {

namespace json = boost::json;

namespace {

constexpr json_limits answer_limits{1024 * 1024, 32};

failure bad(std::string text) {
    return {errc::protocol_violation, std::move(text)};
}

// Absent and null leave the field as it is.
outcome<void> read_text(const json::object& from, std::string_view name, std::string& into) {
    const auto* value = from.if_contains(name);
    if (!value || value->is_null())
        return {};
    if (!value->is_string())
        return bad(fmt::format("{} is not a string", name));
    into = value->get_string();
    return {};
}

void replace(query_list& query, std::string_view name, std::string value) {
    std::erase_if(query, [name](const auto& entry) { return entry.first == name; });
    query.emplace_back(name, std::move(value));
}

} // namespace

std::string to_json(const webhook_question& question) {
    json::object body;
    body["stream"] = question.stream;
    body["stream_key"] = question.stream;
    body["type"] = question.type;
    body["action"] = question.action;
    if (!question.key.empty())
        body["key"] = question.key;
    if (!question.query.empty())
        body["query_params"] = question.query;
    body["remote"] = question.remote;
    body["gateway_host"] = question.gateway_host;
    body["whep_url"] = question.whep_url;
    body["update_url"] = question.update_url;
    body["status_url"] = question.status_url;
    return json::serialize(body);
}

outcome<webhook_answer> parse_webhook_answer(std::string_view body) {
    auto object = parse_json_object(body, answer_limits);
    if (!object)
        return bad(object.error().detail);
    webhook_answer made;
    for (const auto& [name, into] :
         {std::pair("rtmp_output_url", &made.rtmp_output_url),
          std::pair("pipeline", &made.pipeline),
          std::pair("stream_id", &made.stream_id),
          std::pair("srt_passphrase", &made.srt_passphrase)})
        if (auto read = read_text(*object, name, *into); !read)
            return read.error();
    const auto secret = made.srt_passphrase.size();
    if (secret > 0 && (secret < 10 || secret > 79))
        return bad("srt_passphrase has to have 10 to 79 characters");
    const auto* parameters = object->if_contains("pipeline_parameters");
    if (parameters && !parameters->is_null()) {
        if (!parameters->is_object())
            return bad("pipeline_parameters is not an object");
        if (!parameters->get_object().empty())
            made.pipeline_parameters = parameters->get_object();
    }
    return made;
}

void override_query(const webhook_answer& answer, query_list& query) {
    if (!answer.rtmp_output_url.empty())
        replace(query, "rtmpOutput", answer.rtmp_output_url);
    if (!answer.pipeline.empty())
        replace(query, "pipeline", answer.pipeline);
    if (!answer.stream_id.empty())
        replace(query, "streamId", answer.stream_id);
    if (!answer.pipeline_parameters)
        return;
    const auto pipeline =
        std::ranges::find_if(query, [](const auto& entry) { return entry.first == "pipeline"; });
    // ComfyUI's parameters are the workflow itself for those who don't say otherwise.
    const bool wrap = pipeline != query.end() && pipeline->second == "comfyui" &&
                      !answer.pipeline_parameters->contains("prompt");
    json::object parameters;
    if (wrap)
        parameters["prompt"] = *answer.pipeline_parameters;
    else
        parameters = *answer.pipeline_parameters;
    replace(query, "params", json::serialize(parameters));
}

std::string webhook_type(std::string_view protocol) {
    if (protocol == "whip")
        return "livepeer-whip";
    static constexpr std::string_view pulled = "mediamtx-";
    if (protocol.starts_with(pulled))
        protocol.remove_prefix(pulled.size());
    return std::string(protocol == "rtmps" ? "rtmp" : protocol);
}

std::string to_query_text(const query_list& query) {
    std::string text;
    for (const auto& [name, value] : query) {
        if (!text.empty())
            text += '&';
        text += http::percent_encode(name) + '=' + http::percent_encode(value);
    }
    return text;
}

} // namespace rivulet::live
