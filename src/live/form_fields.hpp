// The fields of a posted form, as curl and browsers send them: multipart/form-data or
// application/x-www-form-urlencoded. Small forms of text fields; files are fields like the others.
// Pure.
// Fails with: invalid_argument and a text for the client, too_large (too many fields).
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::live {

using field_list = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::size_t most_form_fields = 64;

// Without a content type the body is taken for urlencoded.
outcome<field_list> parse_form(std::string_view content_type, std::string_view body);

} // namespace rivulet::live
