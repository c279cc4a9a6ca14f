// About how many bytes of memory a JSON value takes: small values in great number take many times
// their text. Pure; as fast as a copy.
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <string_view>

namespace rivulet::batch {

std::uint64_t json_footprint(const boost::json::object& of);
std::uint64_t json_footprint(const boost::json::value& of);

// What parsing `text` takes at most, the values that come of it among it: to be asked before, for
// afterwards it is too late. Nothing is made of the text. It may be no JSON: up to there, then.
std::uint64_t parsing_footprint(std::string_view text);

} // namespace rivulet::batch
