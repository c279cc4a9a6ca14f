#include "batch/completion_dialect.hpp"

#include <boost/json/serialize.hpp>

namespace rivulet::batch {

http::response
completion_dialect::refusal(const api_error& why, std::string_view request_id) const {
    auto made = to_response(why, request_id);
    made.body = boost::json::serialize(error(why, request_id)) + "\n";
    return made;
}

boost::json::object
network_dialect::error(const api_error& why, std::string_view request_id) const {
    return to_json(why, request_id);
}

} // namespace rivulet::batch
