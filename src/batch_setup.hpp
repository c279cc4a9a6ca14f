// The batch API as the options want it.
#pragma once

#include "batch/service.hpp"
#include "gateway.hpp"

namespace rivulet {

// `tls`: how orchestrators' certificates are checked.
batch::service_options batch_options_of(const gateway_options& options, http::tls_context tls);

} // namespace rivulet
