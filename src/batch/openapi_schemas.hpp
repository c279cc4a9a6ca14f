// The schemas of the API's document: requests out of the catalog's rows, answers by their kind, and
// what every pipeline shares. Private to batch/openapi.cpp. Pure.
#pragma once

#include "batch/request.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace rivulet::batch {

// {"$ref":"#/components/schemas/NAME"}
boost::json::object schema_ref(std::string_view name);
// "TextToImageParams": the schema of what a pipeline is asked.
std::string params_name(const pipeline& kind);
std::string_view reply_name(reply_kind kind);
// Its object, with the defaults and limits that hold.
boost::json::object params_schema(const pipeline& kind, const request_rules& rules);
// Everything under components/schemas.
boost::json::object all_schemas(const request_rules& rules);

} // namespace rivulet::batch
