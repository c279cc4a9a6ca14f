#include "batch/openai.hpp"

#include "session/capabilities.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <set>
#include <stdexcept>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

api_error refused(std::string field, std::string_view why) {
    api_error made(http::status::bad_request, field + ": " + std::string(why));
    made.field = std::move(field);
    return made;
}

// Null where it is absent or null.
const json::value* given(const json::object& from, std::string_view name) {
    const auto* found = from.if_contains(name);
    return found && !found->is_null() ? found : nullptr;
}

bool is_text(const json::value& value, std::string_view text) {
    const auto* found = value.if_string();
    return found && std::string_view(*found) == text;
}

bool is_empty(const json::value& value) {
    if (const auto* list = value.if_array())
        return list->empty();
    if (const auto* object = value.if_object())
        return object->empty();
    return false;
}

// Who asks for one of these builds on what comes of it, and the network's models know nothing of
// it. The value that asks for nothing is taken.
struct unsupported_field {
    std::string_view name;
    bool (*harmless)(const json::value&);
};

constexpr std::array unsupported_fields{
    unsupported_field{"tools", is_empty},
    unsupported_field{"functions", is_empty},
    unsupported_field{
        "tool_choice",
        [](const json::value& v) { return is_text(v, "none") || is_text(v, "auto"); }},
    unsupported_field{
        "function_call",
        [](const json::value& v) { return is_text(v, "none") || is_text(v, "auto"); }},
    unsupported_field{"stop", is_empty},
    unsupported_field{"n", [](const json::value& v) { return v == json::value(1); }},
    unsupported_field{
        "response_format",
        [](const json::value& v) {
            const auto* object = v.if_object();
            const auto* type = object ? object->if_contains("type") : nullptr;
            return type && is_text(*type, "text");
        }},
    unsupported_field{"logprobs", [](const json::value& v) { return v == json::value(false); }},
    unsupported_field{"top_logprobs", [](const json::value& v) { return v == json::value(0); }},
    unsupported_field{"logit_bias", is_empty},
    unsupported_field{
        "modalities",
        [](const json::value& v) {
            const auto* list = v.if_array();
            return list && list->size() == 1 && is_text((*list)[0], "text");
        }},
    unsupported_field{"audio", [](const json::value&) { return false; }},
    unsupported_field{"web_search_options", [](const json::value&) { return false; }},
};

// A text, or a list of text parts, which are one text with a line for each.
answer<std::string> read_content(const json::object& message, const std::string& where) {
    const auto name = where + ".content";
    const auto* content = given(message, "content");
    if (!content)
        return refused(name, "is required");
    if (const auto* text = content->if_string())
        return std::string(*text);
    const auto* parts = content->if_array();
    if (!parts)
        return refused(name, "must be a text or a list of text parts");
    std::string whole;
    for (std::size_t i = 0; i < parts->size(); ++i) {
        const auto* part = (*parts)[i].if_object();
        const auto* type = part ? part->if_contains("type") : nullptr;
        const auto* text = part ? part->if_contains("text") : nullptr;
        if (!type || !is_text(*type, "text") || !text || !text->is_string())
            return refused(
                name + "[" + std::to_string(i) + "]",
                "only parts with \"type\":\"text\" and a \"text\" are taken"
            );
        if (i != 0)
            whole += '\n';
        whole += std::string_view(text->get_string());
    }
    return whole;
}

answer<json::array> read_messages(const json::value& listed) {
    const auto* messages = listed.if_array();
    if (!messages)
        return refused("messages", "must be a list");
    json::array made;
    for (std::size_t i = 0; i < messages->size(); ++i) {
        const auto where = "messages[" + std::to_string(i) + "]";
        const auto* message = (*messages)[i].if_object();
        if (!message)
            return refused(where, "must be an object with role and content");
        const auto* role = given(*message, "role");
        if (!role || !role->is_string())
            return refused(where + ".role", "must be a text");
        const std::string_view who = role->get_string();
        if (who == "tool" || who == "function" || given(*message, "tool_calls") ||
            given(*message, "function_call"))
            return refused(where, "calls of tools are not supported");
        auto content = read_content(*message, where);
        if (!content)
            return std::move(content).error();
        // "developer" is the newer word for the same.
        made.push_back(
            {{"role", who == "developer" ? "system" : who}, {"content", std::move(*content)}}
        );
    }
    return made;
}

answer<bool> read_include_usage(const json::object& from) {
    const auto* options = given(from, "stream_options");
    if (!options)
        return false;
    const auto* object = options->if_object();
    if (!object)
        return refused("stream_options", "must be an object");
    const auto* wanted = given(*object, "include_usage");
    if (!wanted)
        return false;
    if (!wanted->is_bool())
        return refused("stream_options.include_usage", "must be true or false");
    return wanted->get_bool();
}

std::string_view text_of(const json::object& from, std::string_view name) {
    const auto* found = from.if_contains(name);
    const auto* text = found ? found->if_string() : nullptr;
    return text ? std::string_view(*text) : std::string_view();
}

std::string_view error_type(http::status status) {
    switch (status) {
    case http::status::unauthorized:
        return "authentication_error";
    case http::status::forbidden:
        return "permission_error";
    case http::status::too_many_requests:
        return "rate_limit_error";
    default:
        return static_cast<unsigned>(status) < 500 ? "invalid_request_error" : "server_error";
    }
}

} // namespace

answer<openai_request> parse_openai(std::string_view body, const request_rules& rules) {
    error_code broken;
    const auto parsed = json::parse(body, broken);
    const auto* from = broken ? nullptr : parsed.if_object();
    if (!from)
        return api_error(
            http::status::bad_request,
            broken ? "the body is no JSON: " + broken.message() : "the body must be a JSON object"
        );
    for (const auto& field : unsupported_fields)
        if (const auto* value = given(*from, field.name); value && !field.harmless(*value))
            return refused(
                std::string(field.name), "is not supported by the models of this network"
            );

    json::object known;
    if (const auto* listed = given(*from, "messages")) {
        auto messages = read_messages(*listed);
        if (!messages)
            return std::move(messages).error();
        known["messages"] = std::move(*messages);
    }
    for (const std::string_view name :
         {"model", "stream", "max_tokens", "temperature", "top_p", "top_k"})
        if (const auto* value = given(*from, name))
            known[name] = *value;
    static constexpr std::string_view newer_name = "max_completion_tokens";
    const auto* newer = given(*from, newer_name);
    if (newer)
        known["max_tokens"] = *newer;

    const auto include_usage = read_include_usage(*from);
    if (!include_usage)
        return include_usage.error();
    auto checked = make_request(*find_pipeline("llm"), known, rules);
    if (!checked) {
        auto why = std::move(checked).error();
        if (newer && why.field == "max_tokens") {
            if (const auto at = why.message.find(why.field); at != std::string::npos)
                why.message.replace(at, why.field.size(), newer_name);
            why.field = newer_name;
        }
        return why;
    }
    openai_request made;
    made.checked = std::move(*checked);
    made.include_usage = *include_usage;
    return made;
}

openai_dialect::openai_dialect(
    std::string request_id, std::string model, std::int64_t created, bool include_usage
)
    : id_("chatcmpl-" + request_id), model_(std::move(model)), created_(created),
      include_usage_(include_usage) {}

void openai_dialect::whole(json::object& body) {
    json::array choices;
    if (const auto* listed = body.if_contains("choices"); listed && listed->is_array())
        choices = listed->get_array();
    for (std::size_t i = 0; i < choices.size(); ++i) {
        auto* choice = choices[i].if_object();
        if (!choice)
            continue;
        if (!choice->contains("index"))
            (*choice)["index"] = i;
        if (text_of(*choice, "finish_reason").empty())
            (*choice)["finish_reason"] = "stop";
        choice->emplace("logprobs", nullptr);
    }
    json::value usage;
    if (const auto* counts = body.if_contains("usage"))
        usage = *counts;
    take_names(body);
    body = frame("chat.completion");
    body["choices"] = std::move(choices);
    if (!usage.is_null())
        body["usage"] = std::move(usage);
}

std::optional<std::string> openai_dialect::chunk(std::string_view text) {
    error_code broken;
    auto parsed = json::parse(text, broken);
    auto* from = broken ? nullptr : parsed.if_object();
    if (!from)
        return {};
    take_names(*from);
    if (const auto* usage = from->if_contains("usage"); usage && usage->is_object())
        usage_ = *usage;
    auto* listed = from->if_contains("choices");
    auto* choices = listed ? listed->if_array() : nullptr;
    if (!choices || choices->empty())
        return {};
    for (std::size_t i = 0; i < choices->size(); ++i) {
        auto* choice = (*choices)[i].if_object();
        if (!choice)
            return {};
        if (!choice->contains("index"))
            (*choice)["index"] = i;
        if (const auto* delta = choice->if_contains("delta"); !delta || !delta->is_object())
            (*choice)["delta"] = json::object();
        if (text_of(*choice, "finish_reason").empty())
            (*choice)["finish_reason"] = nullptr;
    }
    auto made = frame("chat.completion.chunk");
    made["choices"] = std::move(*choices);
    if (include_usage_)
        made["usage"] = nullptr;
    return json::serialize(made);
}

std::optional<std::string> openai_dialect::closing() {
    if (!include_usage_ || usage_.is_null())
        return {};
    auto made = frame("chat.completion.chunk");
    made["choices"] = json::array();
    made["usage"] = usage_;
    return json::serialize(made);
}

json::object openai_dialect::error(const api_error& why, std::string_view request_id) const {
    auto body = to_json(why, request_id);
    json::object error{
        {"message", why.message},
        {"type", error_type(why.status)},
        {"param", why.field.empty() ? json::value() : json::value(why.field)},
        {"code",
         why.status == http::status::unauthorized ? json::value("invalid_api_key")
                                                  : json::value()}};
    if (!why.tried.empty())
        error["tried"] = why.tried;
    body["error"] = std::move(error);
    return body;
}

// One answer has one id, one time and one model, whatever its chunks say.
void openai_dialect::take_names(const json::object& from) {
    if (named_)
        return;
    named_ = true;
    if (const auto id = text_of(from, "id"); !id.empty())
        id_ = id;
    if (const auto model = text_of(from, "model"); !model.empty())
        model_ = model;
    if (const auto* created = from.if_contains("created")) {
        error_code not_whole;
        const auto seconds = created->to_number<std::int64_t>(not_whole);
        if (!not_whole && seconds > 0)
            created_ = seconds;
    }
}

json::object openai_dialect::frame(std::string_view object) const {
    return {{"id", id_}, {"object", object}, {"created", created_}, {"model", model_}};
}

json::object openai_models(const json::object& network_capabilities, std::int64_t created) {
    const auto object_in = [](const json::object* from, std::string_view name) {
        const auto* found = from ? from->if_contains(name) : nullptr;
        return found ? found->if_object() : nullptr;
    };
    std::set<std::string, std::less<>> names;
    const auto* listed = network_capabilities.if_contains("orchestrators");
    if (const auto* orchestrators = listed ? listed->if_array() : nullptr)
        for (const auto& one : *orchestrators) {
            const auto* offered = object_in(one.if_object(), "capabilities");
            const auto* each = object_in(object_in(offered, "constraints"), "PerCapability");
            const auto id = std::to_string(session::capability::llm);
            if (const auto* models = object_in(object_in(each, id), "models"))
                for (const auto& [name, facts] : *models)
                    names.emplace(name);
        }
    json::array data;
    for (const auto& name : names)
        data.push_back(
            {{"id", name}, {"object", "model"}, {"created", created}, {"owned_by", "livepeer"}}
        );
    return {{"object", "list"}, {"data", std::move(data)}};
}

std::optional<json::object> openai_model(const json::object& models, std::string_view model) {
    for (const auto& one : models.at("data").as_array())
        if (text_of(one.as_object(), "id") == model)
            return one.as_object();
    return {};
}

} // namespace rivulet::batch
