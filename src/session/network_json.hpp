// What orchestrators offer, as JSON for operators: the body of GET /getNetworkCapabilities and the
// network's events. Names are those of the wire; values of zero are left out. Pure.
#pragma once

#include "session/orchestrator_info.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>

namespace rivulet::session {

// {"address","local_address","orch_uri","capabilities","price_info","capabilities_prices",
// "hardware"}: `address` is who is paid, `local_address` who signed; both checksummed, empty when
// there are none.
boost::json::object network_entry(const orchestrator_info& info);

// {"capabilities_names":{"27":"Text to image",…},"orchestrators":[…]}
boost::json::object network_body(boost::json::array orchestrators);

} // namespace rivulet::session
