// Whether a host is one that only this machine or its own network reaches: strangers may not send
// the gateway there. Pure.
#pragma once

#include "base/asio.hpp"

#include <boost/asio/ip/address.hpp>

#include <string_view>

namespace rivulet {

// True for "localhost" and literals of the loopback, private, link-local, multicast and unspecified
// ranges. A DNS name is not resolved here.
bool is_private_host(std::string_view host);
bool is_private_address(const asio::ip::address& address);

} // namespace rivulet
