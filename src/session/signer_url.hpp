// Where the remote signer's endpoints are. Pure.
// Fails with: invalid_argument and a text for the person who configured it.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace rivulet::session {

// `signer` as -remoteSignerUrl: "https://host:port/prefix", the scheme may be missing (https is
// meant), so a bare "10.0.0.1:8935" works too. `endpoint` ("/discover-orchestrators") is appended
// to its path, so that a signer may live behind a prefix; a query is refused.
outcome<std::string> signer_endpoint(std::string_view signer, std::string_view endpoint);

} // namespace rivulet::session
