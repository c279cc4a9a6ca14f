// Where a peer's datagrams come from and go to. Over ICE-TCP the same two ends name a connection.
#pragma once

#include "base/asio.hpp"

#include <boost/asio/ip/udp.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace rivulet::webrtc {

using asio::ip::udp;

struct path_id {
    asio::ip::address address;
    std::uint16_t port = 0;
    bool tcp = false;

    bool operator==(const path_id&) const = default;

    udp::endpoint endpoint() const { return {address, port}; }
};

struct path {
    path_id remote;
    // The address of ours that the peer talks to; unspecified when the socket is bound to one.
    asio::ip::address local;
};

// IPv4 in the clothes of IPv6 is IPv4 to everybody but the socket.
inline asio::ip::address plain(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    return address;
}

// "192.0.2.1:4321", "[2001:db8::1]:4321".
inline std::string to_string(const path_id& id) {
    const auto text = id.address.to_string();
    const auto host = id.address.is_v6() ? "[" + text + "]" : text;
    return host + ":" + std::to_string(id.port);
}

} // namespace rivulet::webrtc

template <>
struct std::hash<rivulet::webrtc::path_id> {
    std::size_t operator()(const rivulet::webrtc::path_id& id) const noexcept {
        const auto address = std::hash<boost::asio::ip::address>{}(id.address);
        const std::size_t rest = std::size_t{id.port} << 1 | std::size_t{id.tcp};
        return address ^ (rest * 0x9e3779b97f4a7c15u);
    }
};
