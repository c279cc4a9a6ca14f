// What orchestrators offer, by pipeline and model: the body of GET /models. Pure.
#pragma once

#include "batch/request.hpp"

#include <boost/json/object.hpp>

namespace rivulet::batch {

// `network`: session::manager::network_capabilities().
// {"pipelines":{"text-to-image":{"title","path","default_model","unit","models":{"a/model":
//  {"orchestrators":3,"warm":1,"cold":2,"capacity":4,
//   "price":{"lowest":…,"highest":…,"currency":"wei"}}}}}}
// A pipeline that nobody offers has no models; a model without a price has "price": null.
boost::json::object model_list(const boost::json::object& network, const request_rules& rules = {});

} // namespace rivulet::batch
