// What a failed gRPC call means for people and for those who choose orchestrators. Pure.
#pragma once

#include "base/error.hpp"

#include <string_view>

namespace rivulet::session {

// `code` is gRPC's number, `message` its text: the peer's own when it refused, the library's when
// there was no answer. `address` is "https://host:port".
// timed_out, cancelled, connect_failed, tls_failed, protocol_violation, or http_status when the
// orchestrator itself said no.
failure rpc_failure(int code, std::string_view message, std::string_view address);

} // namespace rivulet::session
