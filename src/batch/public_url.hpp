// Where clients find this gateway: what the URLs of results and jobs begin with. Pure.
#pragma once

#include "http/message.hpp"

#include <string>
#include <string_view>

namespace rivulet::batch {

// The operator's word: "host", "host:port" or a URL → "http://host:port", no final slash.
// Empty stays empty.
std::string public_base(std::string_view gateway_host);

// As the client addressed it: its Host header, and https when it came by TLS or through a proxy
// that says so. Empty when the header is no host.
std::string base_of(const http::request& head);

} // namespace rivulet::batch
