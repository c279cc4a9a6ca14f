#include "live/json_object.hpp"

#include <boost/json/parse_options.hpp>
#include <boost/json/stream_parser.hpp>
#include <boost/json/value.hpp>
#include <fmt/core.h>

namespace rivulet::live {

namespace json = boost::json;

outcome<json::object> parse_json_object(std::string_view text, json_limits limits) {
    if (text.size() > limits.bytes)
        return failure(
            errc::too_large, fmt::format("the JSON is longer than {} bytes", limits.bytes)
        );
    json::parse_options options;
    options.max_depth = limits.depth;
    json::stream_parser parser({}, options);
    error_code ec;
    const auto consumed = parser.write_some(text, ec);
    if (ec)
        return failure(
            errc::invalid_argument, fmt::format("not JSON: {} at byte {}", ec.message(), consumed)
        );
    parser.finish(ec);
    if (ec)
        return failure(errc::invalid_argument, "not JSON: the text ends too early");
    if (text.find_first_not_of(" \t\r\n", consumed) != std::string_view::npos)
        return failure(
            errc::invalid_argument, fmt::format("not JSON: extra text at byte {}", consumed)
        );
    auto value = parser.release();
    if (!value.is_object())
        return failure(errc::invalid_argument, "a JSON object is wanted: {\"name\": value, …}");
    return std::move(value.get_object());
}

} // namespace rivulet::live
