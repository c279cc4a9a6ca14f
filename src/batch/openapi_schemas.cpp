#include "batch/openapi_schemas.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <cmath>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

json::object typed(std::string_view type, std::string_view description = {}) {
    json::object out{{"type", type}};
    if (!description.empty())
        out["description"] = description;
    return out;
}

json::object list_of(json::object item, std::string_view description = {}) {
    auto out = typed("array", description);
    out["items"] = std::move(item);
    return out;
}

// All of its members are always there.
json::object object_of(json::object members, std::string_view description = {}) {
    auto out = typed("object", description);
    json::array names;
    for (const auto& [name, schema] : members)
        names.push_back(json::value(name));
    out["required"] = std::move(names);
    out["properties"] = std::move(members);
    return out;
}

json::object loose_object(json::object members, std::string_view description = {}) {
    auto out = object_of(std::move(members), description);
    out.erase("required");
    return out;
}

json::object choice_of(std::initializer_list<std::string_view> words) {
    auto out = typed("string");
    out["enum"] = json::array(words.begin(), words.end());
    return out;
}

// Limits are whole numbers in every row; written so, a reader need not wonder.
json::value limit(double value) {
    if (std::abs(value) < 9e15 && std::floor(value) == value)
        return static_cast<std::int64_t>(value);
    return value;
}

json::object field_schema(const pipeline& kind, const field& of, const request_rules& rules) {
    json::object out;
    switch (of.kind) {
    case field_kind::text:
        out = typed("string");
        break;
    case field_kind::integer:
        out = typed("integer");
        out["format"] = "int64";
        break;
    case field_kind::number:
        out = typed("number");
        out["format"] = "float";
        break;
    case field_kind::boolean:
        out = typed("boolean");
        break;
    case field_kind::messages:
        out = list_of(schema_ref("LLMMessage"));
        out["minItems"] = 1;
        break;
    case field_kind::file:
        out = typed("string");
        out["format"] = "binary";
        break;
    }
    out["description"] = of.help;
    if (of.low && !of.raised)
        out["minimum"] = limit(*of.low);
    if (const auto high = highest(of, rules))
        out["maximum"] = limit(*high);
    if (of.kind == field_kind::text && of.required)
        out["minLength"] = 1;
    if (of.name == kind.model_field)
        out["default"] = default_model(kind, rules);
    else if (!of.documented.empty())
        out["default"] = json::parse(json::string_view(of.documented));
    return out;
}

json::object file_list(std::string_view what) {
    return object_of(
        {{"images",
          list_of(object_of(
              {{"url", typed("string", "Where the file is; it expires.")},
               {"seed", typed("integer", "What it was made with.")},
               {"nsfw", typed("boolean", "Whether the safety check found it offensive.")}}
          ))}},
        what
    );
}

json::object completion() {
    auto message = object_of({{"role", typed("string")}, {"content", typed("string")}});
    auto choice = loose_object(
        {{"index", typed("integer")},
         {"finish_reason", typed("string")},
         {"message", message},
         {"delta", message}},
        "message in a whole answer, delta in a piece of one."
    );
    choice["required"] = json::array{"index"};
    return object_of(
        {{"id", typed("string")},
         {"model", typed("string")},
         {"created", typed("integer")},
         {"usage",
          object_of(
              {{"prompt_tokens", typed("integer")},
               {"completion_tokens", typed("integer")},
               {"total_tokens", typed("integer")}}
          )},
         {"choices", list_of(std::move(choice))}}
    );
}

json::object error() {
    auto inner = loose_object(
        {{"message", typed("string", "What is wrong, and where there is one, the cure.")},
         {"code", typed("integer", "The HTTP status.")},
         {"field", typed("string", "The field at fault.")},
         {"tried",
          list_of(
              loose_object(
                  {{"orchestrator", typed("string")},
                   {"kind", typed("string")},
                   {"status", typed("integer")},
                   {"text", typed("string")}}
              ),
              "Who was asked, and why that came to nothing."
          )}}
    );
    inner["required"] = json::array{"message"};
    auto out = loose_object(
        {{"error", std::move(inner)},
         {"detail",
          loose_object(
              {{"msg", typed("string")}}, "The message once more, as older clients read it."
          )},
         {"request_id", typed("string", "Also in the X-Request-Id header and in the log.")}}
    );
    out["required"] = json::array{"error", "detail"};
    return out;
}

json::object validation_error() {
    auto out = loose_object(
        {{"error", loose_object({{"message", typed("string")}})},
         {"detail",
          list_of(object_of(
              {{"loc", list_of(json::object())},
               {"msg", typed("string")},
               {"type", typed("string")}}
          ))},
         {"request_id", typed("string")}}
    );
    out["required"] = json::array{"detail"};
    return out;
}

json::object job() {
    auto out = loose_object(
        {{"id", typed("string")},
         {"status", choice_of({"queued", "running", "done", "failed", "cancelled"})},
         {"pipeline", typed("string")},
         {"model", typed("string")},
         {"created_at", typed("string", "RFC 3339.")},
         {"updated_at", typed("string", "RFC 3339.")},
         {"progress", typed("object")},
         {"result", typed("object", "What the pipeline answers; once it is done.")},
         {"error", typed("object", "Why there is no result.")}}
    );
    out["required"] = {"id", "status", "pipeline", "model", "created_at", "updated_at"};
    return out;
}

json::object models() {
    auto price = loose_object(
        {{"lowest", typed("number")}, {"highest", typed("number")}, {"currency", typed("string")}}
    );
    price["nullable"] = true;
    auto model = object_of(
        {{"orchestrators", typed("integer", "Who offers it.")},
         {"warm", typed("integer", "Of them, how many have it loaded.")},
         {"cold", typed("integer")},
         {"capacity", typed("integer", "Requests that they take at once, as far as they say.")},
         {"price", std::move(price)}}
    );
    auto by_name = typed("object");
    by_name["additionalProperties"] = std::move(model);
    auto pipelines = typed("object");
    pipelines["additionalProperties"] = object_of(
        {{"title", typed("string")},
         {"path", typed("string")},
         {"default_model", typed("string")},
         {"unit", typed("string", "What the price is for.")},
         {"models", std::move(by_name)}}
    );
    return object_of({{"pipelines", std::move(pipelines)}});
}

} // namespace

json::object schema_ref(std::string_view name) {
    return {{"$ref", "#/components/schemas/" + std::string(name)}};
}

std::string params_name(const pipeline& kind) {
    std::string out;
    bool begin = true;
    for (const char c : kind.name) {
        if (c == '-') {
            begin = true;
            continue;
        }
        out += begin && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        begin = false;
    }
    return out + "Params";
}

std::string_view reply_name(reply_kind kind) {
    switch (kind) {
    case reply_kind::images:
        return "ImageResponse";
    case reply_kind::video:
        return "VideoResponse";
    case reply_kind::audio:
        return "AudioResponse";
    case reply_kind::text:
        return "ImageToTextResponse";
    case reply_kind::chunks:
        return "TextResponse";
    case reply_kind::masks:
        return "MasksResponse";
    case reply_kind::completion:
        return "LLMResponse";
    }
    return "";
}

json::object params_schema(const pipeline& kind, const request_rules& rules) {
    auto out = typed("object");
    json::array required;
    json::object members;
    for (const auto& each : kind.fields) {
        if (each.own)
            continue;
        if (each.required)
            required.push_back(json::value(each.name));
        members[each.name] = field_schema(kind, each, rules);
    }
    if (!required.empty())
        out["required"] = std::move(required);
    out["properties"] = std::move(members);
    return out;
}

json::object all_schemas(const request_rules& rules) {
    json::object out;
    for (const auto& kind : catalog())
        out[params_name(kind)] = params_schema(kind, rules);
    out["LLMMessage"] = object_of({{"role", typed("string")}, {"content", typed("string")}});
    out["ImageResponse"] = file_list("Pictures, in the order of their seeds.");
    out["VideoResponse"] = file_list("One video.");
    out["AudioResponse"] =
        object_of({{"audio", object_of({{"url", typed("string", "Where the file is.")}})}});
    out["ImageToTextResponse"] = object_of({{"text", typed("string")}});
    out["TextResponse"] = object_of(
        {{"text", typed("string", "All of it.")},
         {"chunks",
          list_of(object_of(
              {{"text", typed("string")},
               {"timestamp",
                list_of(
                    json::object{{"type", "number"}, {"nullable", true}},
                    "Begin and end in seconds."
                )}}
          ))}}
    );
    out["MasksResponse"] = object_of(
        {{"masks", typed("string", "A JSON list as text.")},
         {"scores", typed("string", "A JSON list as text, highest first.")},
         {"logits", typed("string", "A JSON list as text.")}}
    );
    out["LLMResponse"] = completion();
    out["Error"] = error();
    out["ValidationError"] = validation_error();
    out["JobAccepted"] = object_of(
        {{"id", typed("string")}, {"request_id", typed("string")}, {"status", typed("string")}}
    );
    out["Job"] = job();
    out["Models"] = models();
    return out;
}

} // namespace rivulet::batch
