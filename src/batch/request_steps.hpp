// The steps that every way to a request goes through, whether it came as JSON, as a form or from a
// journal (batch/request.hpp). Pure.
#pragma once

#include "batch/request.hpp"

namespace rivulet::batch {

// The known fields among `values`, by their exact names, each checked. `with_own`: also those that
// the gateway writes.
answer<boost::json::object> check_values(
    const pipeline& kind,
    const boost::json::object& values,
    const request_rules& rules,
    bool with_own
);

// From checked values: defaults, the model, what is required, the file's size.
answer<request> complete_request(
    const pipeline& kind,
    boost::json::object values,
    std::optional<upload> file,
    const request_rules& rules
);

} // namespace rivulet::batch
