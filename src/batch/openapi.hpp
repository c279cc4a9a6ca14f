// The batch API as an OpenAPI 3.0.3 document, made from the catalog: what GET /openapi.json says
// and what the page at /docs draws its forms from. Pure.
#pragma once

#include "batch/request.hpp"

#include <boost/json/object.hpp>

#include <cstdint>

namespace rivulet::batch {

struct openapi_options {
    bool keys = false; // the gateway asks for one
    request_rules rules;
    std::uint64_t form_bytes = 100u << 20; // of an upload, where the row says nothing less

    openapi_options() {}
};

boost::json::object openapi_document(const openapi_options& options);

} // namespace rivulet::batch
