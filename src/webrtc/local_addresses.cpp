#include "webrtc/local_addresses.hpp"

#include <algorithm>
#include <cstring>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <optional>

namespace rivulet::webrtc {
namespace {

std::optional<asio::ip::address> address_of(const sockaddr* raw) {
    if (raw && raw->sa_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, raw, sizeof v4);
        return asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (raw && raw->sa_family == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, raw, sizeof v6);
        asio::ip::address_v6::bytes_type octets;
        std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
        return asio::ip::address_v6(octets);
    }
    return {};
}

// RFC 8445, 5.1.2.1: type preference, local preference, component.
std::uint32_t priority_of(bool tcp, std::size_t index) {
    const auto type = tcp ? 90u : 126u;
    const auto local = 65'535u - static_cast<std::uint32_t>(std::min<std::size_t>(index, 60'000));
    return type << 24 | local << 8 | 255u;
}

} // namespace

std::vector<asio::ip::address> reachable_addresses(const asio::ip::address& host) {
    if (!host.is_unspecified())
        return {host};
    std::vector<asio::ip::address> found, loopback;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0)
        list = nullptr;
    for (const auto* entry = list; entry; entry = entry->ifa_next) {
        const auto address = address_of(entry->ifa_addr);
        if (!address || !(entry->ifa_flags & IFF_UP) || (address->is_v6() && host.is_v4()) ||
            (address->is_v6() && address->to_v6().is_link_local()))
            continue;
        auto& into = address->is_loopback() ? loopback : found;
        if (std::find(into.begin(), into.end(), *address) == into.end())
            into.push_back(*address);
    }
    freeifaddrs(list);
    if (found.empty())
        found = std::move(loopback);
    // More would only make every connectivity check of the peers longer.
    if (found.size() > 8)
        found.resize(8);
    return found;
}

std::vector<ice_candidate> host_candidates(
    const std::vector<asio::ip::address>& addresses,
    const std::string& nat_ip,
    std::uint16_t port,
    bool tcp
) {
    std::vector<std::string> texts;
    if (!nat_ip.empty())
        texts.push_back(nat_ip);
    else
        for (const auto& address : addresses)
            texts.push_back(address.to_string());
    std::vector<ice_candidate> candidates;
    for (const bool over_tcp : {false, true}) {
        if (over_tcp && !tcp)
            break;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            ice_candidate candidate;
            candidate.address = texts[i];
            candidate.port = port;
            candidate.tcp = over_tcp;
            candidate.priority = priority_of(over_tcp, i);
            candidate.foundation = std::to_string(candidates.size() + 1);
            candidates.push_back(std::move(candidate));
        }
    }
    return candidates;
}

} // namespace rivulet::webrtc
