#include "batch/field_value.hpp"

#include "base/utf8.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

std::string_view view_of(const json::string& text) {
    return {text.data(), text.size()};
}

// What a client wrote may hold bytes that are no UTF-8; what goes out must not.
json::string clean(std::string_view text) {
    auto rest = text;
    while (!rest.empty()) {
        const auto length = utf8_character(rest);
        if (length == 0)
            return json::string(valid_utf8(text));
        rest.remove_prefix(length);
    }
    return json::string(text);
}

// "25", "0.5": what limits and values look like in messages.
std::string number_text(double value) {
    return fmt::format("{}", value);
}

std::string range_text(const field& of, std::optional<double> high) {
    if (of.low && !of.raised && high)
        return fmt::format("between {} and {}", number_text(*of.low), number_text(*high));
    if (high)
        return fmt::format("at most {}", number_text(*high));
    return fmt::format("at least {}", number_text(of.low.value_or(0)));
}

answer<json::value> within(const field& of, json::value value, std::optional<double> high) {
    // Limits are small enough to be exact as doubles.
    const auto number = value.to_number<double>();
    if (of.low && number < *of.low) {
        if (!of.raised)
            return bad_field(
                of.name,
                fmt::format(
                    "{} must be {}, not {}", of.name, range_text(of, high), number_text(number)
                )
            );
        return json::value(static_cast<std::int64_t>(*of.low));
    }
    if (high && number > *high)
        return bad_field(
            of.name,
            fmt::format("{} must be {}, not {}", of.name, range_text(of, high), number_text(number))
        );
    return value;
}

api_error wrong_type(const field& of, std::string_view got) {
    return bad_field(
        of.name, fmt::format("{} must be {}, not {}", of.name, kind_text(of.kind), got)
    );
}

std::string_view type_text(const json::value& value) {
    switch (value.kind()) {
    case json::kind::null:
        return "null";
    case json::kind::bool_:
        return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
        return "a number";
    case json::kind::string:
        return "text";
    case json::kind::array:
        return "a list";
    case json::kind::object:
        return "an object";
    }
    return "something else";
}

bool fits_float(double value) {
    return std::isfinite(value) && std::abs(value) <= std::numeric_limits<float>::max();
}

// The network's numbers are floats: the same one however often it is written and read.
json::value as_float(double value) {
    return static_cast<double>(static_cast<float>(value));
}

// {"role","content"} and nothing else.
answer<json::value> check_messages(const field& of, const json::value& value) {
    const auto* list = value.if_array();
    if (!list)
        return wrong_type(of, type_text(value));
    if (list->size() > most_messages)
        return bad_field(
            of.name, fmt::format("{} has more than {} entries", of.name, most_messages)
        );
    json::array out;
    out.reserve(list->size());
    for (const auto& entry : *list) {
        const auto where = fmt::format("{}[{}]", of.name, out.size());
        const auto* object = entry.if_object();
        if (!object)
            return bad_field(
                of.name, fmt::format("{} must be an object, not {}", where, type_text(entry))
            );
        json::object kept;
        for (const std::string_view key : {"role", "content"}) {
            const auto* said = object->if_contains(key);
            if (!said)
                return bad_field(of.name, fmt::format("{}.{} field is required", where, key));
            // An answer without words, in a conversation that is sent back.
            if (said->is_null() && key == "content") {
                kept[key] = "";
                continue;
            }
            const auto* text = said->if_string();
            if (!text)
                return bad_field(
                    of.name, fmt::format("{}.{} must be text, not {}", where, key, type_text(*said))
                );
            if (text->empty() && key == "role")
                return bad_field(of.name, fmt::format("{}.role field is required", where));
            kept[key] = clean(view_of(*text));
        }
        out.push_back(std::move(kept));
    }
    return json::value(std::move(out));
}

template <class T>
std::optional<T> number_in(std::string_view text) {
    if (text.starts_with('+') && !text.substr(1).starts_with('-'))
        text.remove_prefix(1);
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return {};
    return value;
}

std::optional<bool> boolean_in(std::string_view text) {
    constexpr std::array<std::string_view, 6> yes{"1", "t", "T", "TRUE", "true", "True"};
    constexpr std::array<std::string_view, 6> no{"0", "f", "F", "FALSE", "false", "False"};
    if (std::ranges::find(yes, text) != yes.end())
        return true;
    if (std::ranges::find(no, text) != no.end())
        return false;
    return {};
}

// What a client sent, as a message quotes it.
std::string quoted(std::string_view text) {
    if (text.empty())
        return "nothing";
    return fmt::format("\"{}\"", valid_utf8(text, 40));
}

} // namespace

api_error bad_field(std::string_view field, std::string message) {
    api_error why(http::status::bad_request, std::move(message));
    why.field = field;
    return why;
}

std::string_view kind_text(field_kind kind) {
    switch (kind) {
    case field_kind::text:
        return "text";
    case field_kind::integer:
        return "an integer";
    case field_kind::number:
        return "a number";
    case field_kind::boolean:
        return "a boolean";
    case field_kind::messages:
        return "a list of messages";
    case field_kind::file:
        return "a file";
    }
    return "a value";
}

answer<json::value>
check_json(const field& of, const json::value& value, std::optional<double> high) {
    switch (of.kind) {
    case field_kind::text:
        if (const auto* text = value.if_string())
            return json::value(clean(view_of(*text)));
        break;
    case field_kind::integer:
        if (const auto* number = value.if_int64())
            return within(of, *number, high);
        if (value.is_uint64())
            return bad_field(of.name, fmt::format("{} doesn't fit an integer of 64 bits", of.name));
        if (const auto* number = value.if_double())
            return wrong_type(of, number_text(*number));
        break;
    case field_kind::number:
        if (!value.is_number())
            break;
        if (!fits_float(value.to_number<double>()))
            return bad_field(of.name, fmt::format("{} is too large a number", of.name));
        return within(of, value.is_double() ? as_float(value.get_double()) : value, high);
    case field_kind::boolean:
        if (const auto* flag = value.if_bool())
            return json::value(*flag);
        break;
    case field_kind::messages:
        return check_messages(of, value);
    case field_kind::file:
        break;
    }
    return wrong_type(of, type_text(value));
}

answer<json::value>
check_text(const field& of, std::string_view value, std::optional<double> high) {
    switch (of.kind) {
    case field_kind::text:
        return json::value(clean(value));
    case field_kind::integer:
        if (const auto number = number_in<std::int64_t>(value))
            return within(of, *number, high);
        break;
    case field_kind::number:
        if (const auto number = number_in<double>(value); number && fits_float(*number))
            return within(of, as_float(*number), high);
        break;
    case field_kind::boolean:
        if (const auto flag = boolean_in(value))
            return json::value(*flag);
        break;
    case field_kind::messages:
    case field_kind::file:
        break;
    }
    return wrong_type(of, quoted(value));
}

std::string to_form_text(const json::value& value, field_kind kind) {
    if (const auto* text = value.if_string())
        return std::string(view_of(*text));
    if (const auto* flag = value.if_bool())
        return *flag ? "true" : "false";
    if (kind == field_kind::number && value.is_number())
        return fmt::format("{:.6f}", value.to_number<double>());
    std::string out;
    append_json(out, value);
    return out;
}

void append_json(std::string& out, const json::value& value) {
    if (const auto* number = value.if_double())
        fmt::format_to(std::back_inserter(out), "{}", static_cast<float>(*number));
    else
        out += json::serialize(value);
}

} // namespace rivulet::batch
