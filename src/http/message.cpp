#include "http/message.hpp"

#include <boost/json/serialize.hpp>

namespace rivulet::http {

std::optional<std::string> request::query_value(std::string_view key) const {
    for (const auto& [name, value] : query)
        if (name == key)
            return value;
    return std::nullopt;
}

std::string_view request::operator[](std::string_view name) const {
    const auto found = header.find(name);
    if (found == header.end())
        return {};
    return found->value();
}

response json_response(const boost::json::value& value, http::status status) {
    response made;
    made.status = status;
    made.content_type = "application/json";
    made.body = boost::json::serialize(value) + "\n";
    return made;
}

response error_response(http::status status, std::string_view message) {
    return json_response({{"error", {{"message", message}}}}, status);
}

} // namespace rivulet::http
