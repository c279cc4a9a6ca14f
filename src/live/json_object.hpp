// Reads text that must be one JSON object, with limits that hold before anything is allocated.
#pragma once

#include "base/error.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <string_view>

namespace rivulet::live {

struct json_limits {
    std::size_t bytes = 1024 * 1024;
    std::size_t depth = 32;
};

// Fails with too_large, or invalid_argument and a detail that says what is wrong and where.
outcome<boost::json::object> parse_json_object(std::string_view text, json_limits limits = {});

} // namespace rivulet::live
