#include "live/trickle_request.hpp"

#include "live/json_object.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <array>

namespace rivulet::live {

namespace json = boost::json;

namespace {

constexpr json_limits body_limits{trickle_request_bytes, 40};
constexpr std::string_view blank = " \t\r\n";

struct field {
    std::string_view name, query_name;
    bool object = false; // else a string
};

constexpr std::array fields{
    field{"pipeline", "pipeline"},
    field{"params", "params", true},
    field{"stream_id", "streamId"},
    field{"streamId", "streamId"},
    field{"rtmp_output", "rtmpOutput"},
    field{"rtmpOutput", "rtmpOutput"},
    field{"orchestrator", "orchestrator"},
};

} // namespace

outcome<std::vector<std::pair<std::string, std::string>>> read_trickle_request(
    std::string_view body, std::vector<std::pair<std::string, std::string>> query
) {
    if (body.find_first_not_of(blank) == std::string_view::npos)
        return query;
    auto object = parse_json_object(body, body_limits);
    if (!object)
        return object.error();
    for (const auto& known : fields) {
        const auto* value = object->if_contains(known.name);
        if (!value || value->is_null())
            continue;
        if (known.object ? !value->is_object() : !value->is_string())
            return failure(
                errc::invalid_argument,
                fmt::format("{}: {} is wanted", known.name, known.object ? "an object" : "a string")
            );
        std::erase_if(query, [&known](const auto& entry) {
            return entry.first == known.query_name;
        });
        query.emplace_back(
            known.query_name,
            known.object ? json::serialize(*value) : std::string(value->get_string())
        );
    }
    return query;
}

} // namespace rivulet::live
