// What a publisher asks for: the stream's name and the query of its URL, checked.
// Pure: no network. Fails with invalid_argument and a text for the publisher.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::live {

inline constexpr std::string_view default_pipeline = "noop";
inline constexpr std::string_view output_suffix = "-out";

struct rtmp_target {
    std::string url; // holds the stream key: never logged
    std::string host;
    std::uint16_t port = 0;
    bool tls = false;
};

struct stream_params {
    std::string name;
    std::string pipeline;                      // never empty
    std::string stream_id;                     // empty: the caller makes one up
    std::optional<boost::json::object> params; // absent: null in the job request
    std::optional<rtmp_target> rtmp_output;
    std::string orchestrator; // substring of the orchestrator's URL; empty: any
};

// Absent when the name can be used, else why not.
std::optional<std::string> name_problem(std::string_view name);

outcome<stream_params> parse_stream_params(
    std::string_view name, const std::vector<std::pair<std::string, std::string>>& query
);

outcome<rtmp_target> parse_rtmp_target(std::string_view url);

} // namespace rivulet::live
