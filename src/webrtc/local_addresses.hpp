// Which of this machine's addresses go into the candidates of an answer.
// Thread: any.
#pragma once

#include "base/asio.hpp"
#include "webrtc/peer.hpp"

#include <string>
#include <vector>

namespace rivulet::webrtc {

// `host` itself, or those of every interface when it is unspecified: no link-local ones, loopback
// only when there is no other.
std::vector<asio::ip::address> reachable_addresses(const asio::ip::address& host);

// Pure. UDP before TCP, the first address before the next. `nat_ip` replaces the addresses.
std::vector<ice_candidate> host_candidates(
    const std::vector<asio::ip::address>& addresses,
    const std::string& nat_ip,
    std::uint16_t port,
    bool tcp
);

} // namespace rivulet::webrtc
