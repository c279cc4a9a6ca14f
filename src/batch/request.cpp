#include "batch/request.hpp"

#include "batch/field_value.hpp"
#include "batch/json_footprint.hpp"
#include "batch/request_steps.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

constexpr std::size_t model_bytes = 256;

std::optional<std::int64_t> integer_of(const json::object& fields, std::string_view name) {
    const auto* value = fields.if_contains(name);
    const auto* number = value ? value->if_int64() : nullptr;
    return number ? std::optional(*number) : std::nullopt;
}

std::string_view text_of(const json::object& fields, std::string_view name) {
    const auto* value = fields.if_contains(name);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? std::string_view(text->data(), text->size()) : std::string_view();
}

bool is_empty(const json::value& value) {
    if (const auto* text = value.if_string())
        return text->empty();
    const auto* list = value.if_array();
    return list && list->empty();
}

// It names pools, appears in logs and goes to the network.
bool is_model_name(std::string_view text) {
    return text.size() <= model_bytes &&
           std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

session::work_shape shape_of(const request& from) {
    const auto& fields = from.fields;
    session::work_shape shape;
    shape.model = from.model;
    shape.width = integer_of(fields, "width");
    shape.height = integer_of(fields, "height");
    shape.pictures = integer_of(fields, "num_images_per_prompt");
    shape.steps = integer_of(fields, "num_inference_steps");
    shape.max_tokens = integer_of(fields, "max_tokens");
    if (from.kind->find("text")) {
        const auto text = text_of(fields, "text");
        shape.text_bytes = static_cast<std::int64_t>(text.size());
        // Every byte but those that continue a character.
        shape.text_points =
            std::ranges::count_if(text, [](unsigned char c) { return (c & 0xc0) != 0x80; });
    }
    return shape;
}

answer<void> check_file(const pipeline& kind, const std::optional<upload>& file) {
    const auto name = kind.file_field();
    if (name.empty() || !file)
        return {};
    const auto size = file->content->size();
    if (size == 0)
        return bad_field(name, fmt::format("{} file is empty", name));
    if (kind.file_limit != 0 && size > kind.file_limit) {
        auto why = bad_field(
            name,
            fmt::format(
                "{} file is larger than {} MiB, the most for {}",
                name,
                kind.file_limit >> 20,
                kind.name
            )
        );
        why.status = http::status::payload_too_large;
        return why;
    }
    return {};
}

} // namespace

std::string_view default_model(const pipeline& kind, const request_rules& rules) {
    const auto other = rules.default_models.find(kind.name);
    return other == rules.default_models.end() ? kind.default_model
                                               : std::string_view(other->second);
}

std::optional<double> highest(const field& of, const request_rules& rules) {
    const auto other = rules.highest.find(of.name);
    return of.high && other != rules.highest.end() ? std::optional(other->second) : of.high;
}

answer<request> complete_request(
    const pipeline& kind,
    json::object values,
    std::optional<upload> file,
    const request_rules& rules
) {
    request out;
    out.kind = &kind;
    for (const auto& each : kind.fields) {
        if (each.kind == field_kind::file) {
            if (each.required && !file)
                return bad_field(each.name, fmt::format("{} file is required", each.name));
            continue;
        }
        auto* value = values.if_contains(each.name);
        const bool absent =
            !value || (is_empty(*value) && (each.required || !each.fallback.empty()));
        if (each.name == kind.model_field) {
            const auto named = value ? text_of(values, each.name) : std::string_view();
            out.model = named.empty() ? default_model(kind, rules) : named;
            if (out.model.empty())
                return bad_field(each.name, fmt::format("{} field is required", each.name));
            if (!is_model_name(out.model))
                return bad_field(
                    each.name,
                    fmt::format(
                        "{} must be at most {} characters, none of control", each.name, model_bytes
                    )
                );
            out.fields[each.name] = out.model;
        } else if (!absent) {
            out.fields[each.name] = std::move(*value);
        } else if (each.required) {
            return bad_field(each.name, fmt::format("{} field is required", each.name));
        } else if (!each.fallback.empty()) {
            out.fields[each.name] = json::parse(json::string_view(each.fallback));
        }
    }
    auto fit = check_file(kind, file);
    if (!fit)
        return fit.error();
    out.file = std::move(file);
    const auto* stream = out.fields.if_contains("stream");
    out.stream =
        kind.reply == reply_kind::completion && stream && stream->is_bool() && stream->get_bool();
    out.shape = shape_of(out);
    out.fields_bytes = json_footprint(out.fields);
    return out;
}

answer<json::object> check_values(
    const pipeline& kind, const json::object& values, const request_rules& rules, bool with_own
) {
    json::object kept;
    for (const auto& each : kind.fields) {
        const auto* value = values.if_contains(each.name);
        if (!value || value->is_null() || each.kind == field_kind::file || (each.own && !with_own))
            continue;
        auto checked = check_json(each, *value, highest(each, rules));
        if (!checked)
            return checked.error();
        kept[each.name] = std::move(*checked);
    }
    return kept;
}

answer<request>
make_request(const pipeline& kind, const json::object& values, const request_rules& rules) {
    auto kept = check_values(kind, values, rules, false);
    if (!kept)
        return kept.error();
    return complete_request(kind, std::move(*kept), std::nullopt, rules);
}

api_error no_memory_for(std::uint64_t bytes, const byte_share& memory) {
    if (bytes <= memory.most())
        return memory_is_full();
    return api_error(
        http::status::payload_too_large,
        fmt::format(
            "the request takes {} bytes in memory, more than the {} that all bodies may fill "
            "(half of -batchMemory)",
            bytes,
            memory.most()
        )
    );
}

answer<void> make_room_to_parse(std::string_view text, byte_share& memory) {
    const auto bytes = parsing_footprint(text);
    if (bytes > memory.held() && !memory.hold(bytes))
        return no_memory_for(bytes, memory);
    return {};
}

answer<void> settle_holding(request& of, std::shared_ptr<holding> held) {
    auto bytes = of.fields_bytes;
    if (of.file)
        if (const auto content = of.file->content->view())
            bytes += content->size();
    if (!held->memory.hold(bytes))
        return no_memory_for(bytes, held->memory);
    of.held = std::move(held);
    return {};
}

answer<void> take_media(request& to, const media_facts& facts) {
    const auto& kind = *to.kind;
    if (kind.media == media_kind::image) {
        if (facts.width <= 0 || facts.height <= 0)
            return bad_field(
                kind.file_field(), fmt::format("{} file has no size", kind.file_field())
            );
        // A pipeline with sizes of its own is paid for what it makes.
        if (!kind.find("width")) {
            to.shape.width = facts.width;
            to.shape.height = facts.height;
        }
    } else if (kind.media == media_kind::audio) {
        // Whole seconds, as the orchestrator counts; below one it would refuse.
        constexpr double most_seconds = 1e9;
        const auto seconds = facts.seconds >= 1
                                 ? static_cast<std::int64_t>(std::min(facts.seconds, most_seconds))
                                 : 0;
        if (seconds <= 0)
            return bad_field(
                kind.file_field(),
                "audio duration calculation failed: the recording must last at least a second"
            );
        to.shape.seconds = seconds;
        if (kind.find("metadata"))
            to.fields["metadata"] = fmt::format("{{\"duration\":\"{}\"}}", seconds);
    }
    return {};
}

std::string forwarded_json(const request& from) {
    std::string out = "{";
    for (const auto& each : from.kind->fields) {
        const auto* value = from.fields.if_contains(each.name);
        if (!value)
            continue;
        if (out.size() > 1)
            out += ',';
        fmt::format_to(std::back_inserter(out), "\"{}\":", each.name);
        append_json(out, *value);
    }
    out += '}';
    return out;
}

form_values forwarded_form(const request& from) {
    form_values out;
    for (const auto& each : from.kind->fields)
        if (const auto* value = from.fields.if_contains(each.name))
            out.emplace_back(each.name, to_form_text(*value, each.kind));
    return out;
}

} // namespace rivulet::batch
