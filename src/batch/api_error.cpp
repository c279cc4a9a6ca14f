#include "batch/api_error.hpp"

#include <boost/json/serialize.hpp>
#include <boost/throw_exception.hpp>

#include <algorithm>
#include <stdexcept>

namespace rivulet::batch {

namespace json = boost::json;

void throw_exception_from_error(const api_error& why, const boost::source_location& where) {
    boost::throw_exception(std::runtime_error(why.message), where);
}

namespace {

api_error full(std::string message) {
    api_error out(http::status::service_unavailable, std::move(message));
    out.type = gateway_full;
    out.retry_after = std::chrono::seconds(2);
    return out;
}

} // namespace

api_error memory_is_full() {
    return full("the gateway holds as much in memory as it may; try again in a moment");
}

api_error disk_is_full() {
    return full("the gateway holds as many uploads as it may; try again in a moment");
}

json::object to_json(const api_error& why, std::string_view request_id) {
    const auto code = static_cast<unsigned>(why.status);
    json::object error{{"message", why.message}, {"code", code}};
    if (!why.field.empty())
        error["field"] = why.field;
    if (!why.tried.empty())
        error["tried"] = why.tried;
    json::object body{{"error", std::move(error)}};
    if (why.status == http::status::unprocessable_entity) {
        json::array where;
        if (!why.field.empty())
            where = {"body", why.field};
        body["detail"] = json::array{json::object{
            {"loc", std::move(where)},
            {"msg", why.message},
            {"type", why.type.empty() ? "value_error" : why.type}}};
    } else {
        body["detail"] = json::object{{"msg", why.message}};
    }
    if (!request_id.empty())
        body["request_id"] = request_id;
    return body;
}

http::response to_response(const api_error& why, std::string_view request_id) {
    auto made = http::json_response(to_json(why, request_id), why.status);
    if (!request_id.empty())
        made.headers.emplace_back("X-Request-Id", request_id);
    if (!why.allow.empty())
        made.headers.emplace_back("Allow", why.allow);
    if (why.status == http::status::unauthorized)
        made.headers.emplace_back("WWW-Authenticate", "Bearer");
    if (why.retry_after) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*why.retry_after).count();
        made.headers.emplace_back(
            "Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1))
        );
    }
    return made;
}

} // namespace rivulet::batch
