// What the body of a POST to the trickle door asks for: a JSON object whose fields are those that
// other doors take from the query. Pure.
// Fails with: invalid_argument or too_large and a text for the client that names the field.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::live {

inline constexpr std::size_t trickle_request_bytes = 1024 * 1024;

// The query with the body's fields in place of its own. An empty body asks for nothing; fields that
// are null or unknown are left out.
outcome<std::vector<std::pair<std::string, std::string>>>
read_trickle_request(std::string_view body, std::vector<std::pair<std::string, std::string>> query);

} // namespace rivulet::live
