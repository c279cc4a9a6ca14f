#include "batch/field_value.hpp"
#include "batch/request_steps.hpp"

#include <fmt/format.h>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

failure broken(std::string what) {
    return {errc::invalid_argument, "The journal's record of the request " + std::move(what)};
}

std::string text_in(const json::object& from, std::string_view key) {
    const auto* value = from.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

const json::object* object_in(const json::object& from, std::string_view key) {
    const auto* value = from.if_contains(key);
    return value ? value->if_object() : nullptr;
}

// A size or a duration; nothing when it is none.
std::optional<std::int64_t> amount_in(const json::object& from, std::string_view key) {
    const auto* value = from.if_contains(key);
    const auto* number = value ? value->if_int64() : nullptr;
    return number && *number >= 0 ? std::optional(*number) : std::nullopt;
}

} // namespace

json::object to_record(const request& from) {
    json::object out{{"pipeline", from.kind->name}, {"fields", from.fields}};
    if (from.file)
        out["file"] = json::object{
            {"filename", from.file->filename}, {"content_type", from.file->content_type}};
    // What looking at the file told; the rest follows from the fields.
    json::object media;
    if (from.kind->media == media_kind::image && from.shape.width && from.shape.height) {
        media["width"] = *from.shape.width;
        media["height"] = *from.shape.height;
    } else if (from.kind->media == media_kind::audio && from.shape.seconds) {
        media["seconds"] = *from.shape.seconds;
    }
    if (!media.empty())
        out["media"] = std::move(media);
    return out;
}

outcome<request> from_record(const json::object& record, std::optional<upload> file) {
    const auto name = text_in(record, "pipeline");
    const auto* kind = find_pipeline(name);
    if (!kind)
        return broken(fmt::format("names no known pipeline: \"{}\"", name));
    const auto* fields = object_in(record, "fields");
    if (!fields)
        return broken("has no fields");
    if (const auto* names = object_in(record, "file"); names && file) {
        if (file->filename.empty())
            file->filename = text_in(*names, "filename");
        if (file->content_type.empty())
            file->content_type = text_in(*names, "content_type");
    }
    // Limits may have been other ones when it was accepted; it was checked against those.
    request_rules rules;
    for (const auto& each : kind->fields)
        if (each.high)
            rules.highest[std::string(each.name)] = 9e18;
    auto values = check_values(*kind, *fields, rules, true);
    if (!values)
        return broken("can't be used: " + values.error().message);
    auto made = complete_request(*kind, std::move(*values), std::move(file), rules);
    if (!made)
        return broken("can't be used: " + made.error().message);
    if (const auto* media = object_in(record, "media")) {
        const auto width = amount_in(*media, "width"), height = amount_in(*media, "height");
        if (kind->media == media_kind::image && width && height) {
            made->shape.width = width;
            made->shape.height = height;
        } else if (kind->media == media_kind::audio) {
            made->shape.seconds = amount_in(*media, "seconds");
        }
    }
    return std::move(*made);
}

} // namespace rivulet::batch
