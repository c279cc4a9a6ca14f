// One value of a request, checked against its field: type, range, and the form in which it is kept.
// Pure.
#pragma once

#include "batch/api_error.hpp"
#include "batch/catalog.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::batch {

constexpr std::size_t most_messages = 4096; // of a conversation

// 400, and which field.
api_error bad_field(std::string_view field, std::string message);

// "an integer": for messages.
std::string_view kind_text(field_kind kind);

// From a JSON value, never null.
answer<boost::json::value>
check_json(const field& of, const boost::json::value& value, std::optional<double> highest);
// From a form's text; of every kind but messages and files.
answer<boost::json::value>
check_text(const field& of, std::string_view value, std::optional<double> highest);

// As a form says it: numbers that aren't integers with six decimals, true and false.
std::string to_form_text(const boost::json::value& value, field_kind kind);
// As JSON, compact: numbers that aren't integers as short as a float needs them.
void append_json(std::string& out, const boost::json::value& value);

} // namespace rivulet::batch
