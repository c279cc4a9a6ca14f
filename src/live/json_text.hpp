// JSON for people: indented, and numbers as one writes them (29.97, not Boost's 2.997E1).
#pragma once

#include <boost/json/value.hpp>

#include <string>

namespace rivulet::live {

std::string to_text(const boost::json::value& value);

} // namespace rivulet::live
