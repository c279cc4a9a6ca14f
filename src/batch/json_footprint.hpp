// About how many bytes of memory a JSON value takes: small values in great number take many times
// their text. Pure; as fast as a copy.
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>

namespace rivulet::batch {

std::uint64_t json_footprint(const boost::json::object& of);
std::uint64_t json_footprint(const boost::json::value& of);

} // namespace rivulet::batch
