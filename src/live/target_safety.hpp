// Whether the gateway may connect to an address that a stranger named (a push or pull target):
// never to this machine or a private network, unless the operator allows it (-allowPrivateTargets).
// Thread: any shard.
// Fails with: unauthorized, the resolver's codes; the text begins with the field's name.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <string>

namespace rivulet::live {

// Literals and names; a name is resolved within `limit`. What the name means may change until the
// connection is made, so the connection needs its own address_filter too.
awaitable<outcome<void>>
check_target(std::string field, std::string host, std::uint16_t port, duration limit);

} // namespace rivulet::live
