// The batch API as the options want it.
#pragma once

#include "batch/service.hpp"
#include "gateway.hpp"

namespace rivulet {

// `tls`: how orchestrators' certificates are checked.
batch::service_options batch_options_of(const gateway_options& options, http::tls_context tls);

// Large uploads become files in -uploadFolder, which is made when it is missing: whether that works
// is found out at the start, not by the first client. With the system's folder it is only a
// warning: nobody chose it, and the gateway may never see an upload.
outcome<void> check_upload_folder(const gateway_options& options, const logger& log);

} // namespace rivulet
