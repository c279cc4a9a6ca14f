// The page at /docs: choose a pipeline, fill its form, send it, see the picture, hear the sound.
// Its files are in web/; the forms come from /openapi.json.
// Thread: any.
#pragma once

#include "http/message.hpp"

namespace rivulet::batch {

// The answer to GET /docs.
http::response docs_page(const http::request& request);

} // namespace rivulet::batch
