#include "webrtc/stun_message.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace rivulet::webrtc {
namespace {

constexpr std::size_t header_bytes = 20;
constexpr std::size_t integrity_bytes = 20;
constexpr std::uint32_t magic_cookie = 0x2112a442;
constexpr std::uint32_t fingerprint_mask = 0x5354554e;

enum attribute_type : std::uint16_t {
    username_type = 0x0006,
    integrity_type = 0x0008,
    error_code_type = 0x0009,
    unknown_attributes_type = 0x000a,
    xor_mapped_address_type = 0x0020,
    priority_type = 0x0024,
    use_candidate_type = 0x0025,
    fingerprint_type = 0x8028,
    controlled_type = 0x8029,
    controlling_type = 0x802a,
};

using octets = std::span<const std::uint8_t>;

std::uint64_t number(octets from) {
    std::uint64_t value = 0;
    for (auto octet : from)
        value = value << 8 | octet;
    return value;
}

void put(std::vector<std::uint8_t>& out, std::uint64_t value, std::size_t width) {
    for (std::size_t i = width; i-- > 0;)
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

constexpr auto crc_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit)
            value = value & 1 ? 0xedb88320u ^ (value >> 1) : value >> 1;
        table[i] = value;
    }
    return table;
}();

// The message's header and attributes up to an attribute, with the length that the header had when
// that attribute was the last one: what MESSAGE-INTEGRITY and FINGERPRINT are made of.
std::array<std::uint8_t, header_bytes> header_with_length(octets datagram, std::size_t body) {
    std::array<std::uint8_t, header_bytes> header;
    std::copy_n(datagram.begin(), header_bytes, header.begin());
    header[2] = static_cast<std::uint8_t>(body >> 8);
    header[3] = static_cast<std::uint8_t>(body);
    return header;
}

std::uint32_t fingerprint_of(octets until) {
    const auto header = header_with_length(until, until.size() - header_bytes + 8);
    std::uint32_t crc = 0xffffffffu;
    const auto add = [&](octets part) {
        for (auto octet : part)
            crc = crc_table[(crc ^ octet) & 0xff] ^ (crc >> 8);
    };
    add(header);
    add(until.subspan(header_bytes));
    return (crc ^ 0xffffffffu) ^ fingerprint_mask;
}

std::array<std::uint8_t, integrity_bytes> integrity_of(octets until, std::string_view password) {
    const auto header = header_with_length(until, until.size() - header_bytes + 24);
    std::vector<std::uint8_t> text(header.begin(), header.end());
    text.insert(text.end(), until.begin() + header_bytes, until.end());
    std::array<std::uint8_t, integrity_bytes> code{};
    unsigned length = 0;
    HMAC(
        EVP_sha1(),
        password.data(),
        static_cast<int>(password.size()),
        text.data(),
        text.size(),
        code.data(),
        &length
    );
    return code;
}

std::optional<udp::endpoint> read_mapped(octets value, octets datagram) {
    if (value.size() < 8)
        return {};
    const auto port = static_cast<std::uint16_t>(number(value.subspan(2, 2)) ^ magic_cookie >> 16);
    const auto key = datagram.subspan(4, 16); // the cookie and the transaction
    if (value[1] == 1) {
        asio::ip::address_v4::bytes_type raw;
        for (std::size_t i = 0; i < raw.size(); ++i)
            raw[i] = value[4 + i] ^ key[i];
        return udp::endpoint(asio::ip::address_v4(raw), port);
    }
    if (value[1] != 2 || value.size() < 20)
        return {};
    asio::ip::address_v6::bytes_type raw;
    for (std::size_t i = 0; i < raw.size(); ++i)
        raw[i] = value[4 + i] ^ key[i];
    return udp::endpoint(asio::ip::address_v6(raw), port);
}

std::string_view text_of(octets value) {
    return {reinterpret_cast<const char*>(value.data()), value.size()};
}

// False: the attribute's value is not what its type demands.
bool read_attribute(std::uint16_t type, octets value, octets datagram, stun_message& out) {
    switch (type) {
    case username_type:
        if (value.size() > 512)
            return false;
        out.username = text_of(value);
        return true;
    case priority_type:
        if (value.size() != 4)
            return false;
        out.priority = static_cast<std::uint32_t>(number(value));
        return true;
    case use_candidate_type:
        out.use_candidate = true;
        return true;
    case controlled_type:
    case controlling_type:
        if (value.size() != 8)
            return false;
        (type == controlled_type ? out.controlled : out.controlling) = number(value);
        return true;
    case xor_mapped_address_type:
        out.mapped = read_mapped(value, datagram);
        return out.mapped.has_value();
    case error_code_type: {
        if (value.size() < 4)
            return false;
        const int code = (value[2] & 7) * 100 + value[3];
        if (value[3] > 99 || code < 300 || code > 699)
            return false;
        out.error = code;
        out.error_text = text_of(value.subspan(4));
        return true;
    }
    case unknown_attributes_type:
        return true;
    default:
        if (type < 0x8000 && out.unknown.size() < 16)
            out.unknown.push_back(type);
        return true;
    }
}

} // namespace

bool looks_like_stun(octets datagram) {
    return datagram.size() >= header_bytes && datagram[0] < 4 &&
           number(datagram.subspan(4, 4)) == magic_cookie;
}

result<stun_message> parse_stun(octets datagram) {
    if (!looks_like_stun(datagram) || datagram.size() % 4 != 0 ||
        number(datagram.subspan(2, 2)) != datagram.size() - header_bytes)
        return make_error_code(errc::protocol_violation);
    const auto type = static_cast<unsigned>(number(datagram.first(2)));
    stun_message message;
    message.kind = static_cast<stun_class>((type >> 7 & 2) | (type >> 4 & 1));
    message.method =
        static_cast<std::uint16_t>((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
    std::copy_n(datagram.begin() + 8, message.transaction.size(), message.transaction.begin());
    std::size_t at = header_bytes;
    while (at < datagram.size()) {
        // The datagram's length is a multiple of four, so the four octets are there.
        const auto kind = static_cast<std::uint16_t>(number(datagram.subspan(at, 2)));
        const auto length = static_cast<std::size_t>(number(datagram.subspan(at + 2, 2)));
        const auto padded = (length + 3) / 4 * 4;
        if (padded > datagram.size() - at - 4)
            return make_error_code(errc::protocol_violation);
        const auto value = datagram.subspan(at + 4, length);
        if (kind == fingerprint_type) {
            if (length != 4 || at + 8 != datagram.size() ||
                number(value) != fingerprint_of(datagram.first(at)))
                return make_error_code(errc::protocol_violation);
            message.fingerprint = true;
        } else if (message.integrity_at != 0) {
            // What follows MESSAGE-INTEGRITY is protected by nothing: it does not count.
        } else if (kind == integrity_type) {
            if (length != integrity_bytes)
                return make_error_code(errc::protocol_violation);
            message.integrity_at = at;
        } else if (!read_attribute(kind, value, datagram, message)) {
            return make_error_code(errc::protocol_violation);
        }
        at += 4 + padded;
    }
    return message;
}

bool has_integrity(octets datagram, const stun_message& message, std::string_view password) {
    const auto at = message.integrity_at;
    if (at < header_bytes || at + 4 + integrity_bytes > datagram.size())
        return false;
    const auto expected = integrity_of(datagram.first(at), password);
    return CRYPTO_memcmp(expected.data(), datagram.data() + at + 4, integrity_bytes) == 0;
}

stun_writer::stun_writer(stun_class kind, const stun_transaction& transaction) {
    const auto bits = static_cast<unsigned>(kind);
    put(wire_, stun_binding | (bits & 2) << 7 | (bits & 1) << 4, 2);
    put(wire_, 0, 2);
    put(wire_, magic_cookie, 4);
    wire_.insert(wire_.end(), transaction.begin(), transaction.end());
}

void stun_writer::attribute(std::uint16_t type, octets value) {
    put(wire_, type, 2);
    put(wire_, value.size(), 2);
    wire_.insert(wire_.end(), value.begin(), value.end());
    wire_.resize((wire_.size() + 3) / 4 * 4);
}

void stun_writer::attribute(std::uint16_t type, std::string_view value) {
    attribute(type, octets(reinterpret_cast<const std::uint8_t*>(value.data()), value.size()));
}

void stun_writer::username(std::string_view text) {
    attribute(username_type, text);
}

void stun_writer::priority(std::uint32_t value) {
    std::vector<std::uint8_t> raw;
    put(raw, value, 4);
    attribute(priority_type, raw);
}

void stun_writer::use_candidate() {
    attribute(use_candidate_type, octets{});
}

void stun_writer::controlling(std::uint64_t tie_breaker) {
    std::vector<std::uint8_t> raw;
    put(raw, tie_breaker, 8);
    attribute(controlling_type, raw);
}

void stun_writer::controlled(std::uint64_t tie_breaker) {
    std::vector<std::uint8_t> raw;
    put(raw, tie_breaker, 8);
    attribute(controlled_type, raw);
}

void stun_writer::mapped(const udp::endpoint& address) {
    std::vector<std::uint8_t> raw;
    const auto add = [&](const auto& parts) { raw.insert(raw.end(), parts.begin(), parts.end()); };
    put(raw, address.address().is_v4() ? 1 : 2, 2);
    put(raw, address.port() ^ magic_cookie >> 16, 2);
    if (address.address().is_v4())
        add(address.address().to_v4().to_bytes());
    else
        add(address.address().to_v6().to_bytes());
    for (std::size_t i = 4; i < raw.size(); ++i)
        raw[i] ^= wire_[i]; // the header's cookie and transaction begin at octet 4 too
    attribute(xor_mapped_address_type, raw);
}

void stun_writer::error(int code, std::string_view text) {
    std::vector<std::uint8_t> raw;
    put(raw, static_cast<unsigned>(code / 100) << 8 | static_cast<unsigned>(code % 100), 4);
    raw.insert(raw.end(), text.begin(), text.end());
    attribute(error_code_type, raw);
}

void stun_writer::unknown_attributes(std::span<const std::uint16_t> types) {
    std::vector<std::uint8_t> raw;
    for (auto type : types)
        put(raw, type, 2);
    attribute(unknown_attributes_type, raw);
}

void stun_writer::set_length(std::size_t body) {
    wire_[2] = static_cast<std::uint8_t>(body >> 8);
    wire_[3] = static_cast<std::uint8_t>(body);
}

std::vector<std::uint8_t> stun_writer::finish(std::string_view password) {
    if (!password.empty()) {
        const auto code = integrity_of(wire_, password);
        attribute(integrity_type, code);
    }
    std::vector<std::uint8_t> raw;
    put(raw, fingerprint_of(wire_), 4);
    attribute(fingerprint_type, raw);
    set_length(wire_.size() - header_bytes);
    return std::move(wire_);
}

} // namespace rivulet::webrtc
