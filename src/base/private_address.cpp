#include "base/private_address.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace rivulet {
namespace {

namespace ip = asio::ip;

bool is_private(const ip::address_v4& a) {
    const auto v = a.to_uint();
    const auto in = [v](std::uint32_t net, int bits) {
        return (v >> (32 - bits)) == (net >> (32 - bits));
    };
    return in(0x00000000, 8) || in(0x0a000000, 8) || in(0x64400000, 10) || in(0x7f000000, 8) ||
           in(0xa9fe0000, 16) || in(0xac100000, 12) || in(0xc0000000, 24) || in(0xc0a80000, 16) ||
           in(0xc6120000, 15) || in(0xe0000000, 3);
}

bool is_private(const ip::address_v6& a) {
    const auto b = a.to_bytes();
    if (a.is_v4_mapped())
        return is_private(ip::make_address_v4(ip::v4_mapped, a));
    // NAT64 carries an IPv4 address in its last four bytes.
    static constexpr std::array<unsigned char, 12> nat64{0, 0x64, 0xff, 0x9b};
    if (std::equal(nat64.begin(), nat64.end(), b.begin()))
        return is_private(ip::address_v4({b[12], b[13], b[14], b[15]}));
    return a.is_loopback() || a.is_unspecified() || a.is_link_local() || a.is_site_local() ||
           a.is_multicast() || (b[0] & 0xfe) == 0xfc;
}

// inet_aton's short forms ("127.1", "0x7f000001", "2130706433") reach a resolver unchanged.
bool looks_like_short_ipv4(std::string_view host) {
    return !host.empty() && std::isdigit(static_cast<unsigned char>(host.front())) &&
           host.find_first_not_of("0123456789abcdefABCDEFxX.") == std::string_view::npos;
}

} // namespace

bool is_private_host(std::string_view host) {
    if (host.size() > 1 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    while (!host.empty() && host.back() == '.')
        host.remove_suffix(1);
    std::string name(host);
    for (char& c : name)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.empty() || name == "localhost" || name.ends_with(".localhost"))
        return true;
    error_code ec;
    const auto address = ip::make_address(name, ec);
    if (ec)
        return looks_like_short_ipv4(name);
    return is_private_address(address);
}

bool is_private_address(const asio::ip::address& address) {
    return address.is_v4() ? is_private(address.to_v4()) : is_private(address.to_v6());
}

} // namespace rivulet
