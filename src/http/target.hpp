// Request targets: path and query, percent-decoding, path patterns.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::http {

struct split_target {
    std::string_view path;
    std::string_view query; // without '?'
};

// Cuts an origin-form or absolute-form request target.
split_target split(std::string_view target);
// nullopt on a bad escape. '+' stays '+', as in paths.
std::optional<std::string> percent_decode(std::string_view text);
std::string percent_encode(std::string_view text);
// `a=1&b=x%20y`; '+' is a space here. Bad escapes are kept as they are.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

// Matches whole segments of the undecoded path against "/a/{name}/b"; names are percent-decoded.
std::optional<std::map<std::string, std::string, std::less<>>>
match_pattern(std::string_view pattern, std::string_view path);

} // namespace rivulet::http
