#include "session/keccak.hpp"

#include <cryptopp/keccak.h>

namespace rivulet::session {
namespace {

std::string_view without_prefix(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X"))
        text.remove_prefix(2);
    return text;
}

std::string_view as_text(const hash256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

} // namespace

hash256 keccak256(std::string_view bytes) {
    hash256 out;
    CryptoPP::Keccak_256 hash;
    hash.Update(reinterpret_cast<const CryptoPP::byte*>(bytes.data()), bytes.size());
    hash.Final(out.data());
    return out;
}

std::string function_selector(std::string_view signature) {
    return std::string(as_text(keccak256(signature)).substr(0, 4));
}

std::optional<std::string> from_hex(std::string_view text) {
    text = without_prefix(text);
    if (text.size() % 2 != 0)
        return std::nullopt;
    std::string out;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_value(text[i]);
        const int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return std::nullopt;
        out += static_cast<char>(high << 4 | low);
    }
    return out;
}

std::string checksum_address(std::string_view address) {
    if (address.size() != 20)
        return {};
    auto out = to_hex(address);
    const auto hash = keccak256(out);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto nibble = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15;
        if (nibble >= 8 && out[i] >= 'a')
            out[i] = static_cast<char>(out[i] - 'a' + 'A');
    }
    return "0x" + out;
}

std::optional<std::string> parse_address(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        return std::nullopt;
    text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
    auto bytes = from_hex(text);
    if (!bytes || bytes->size() != 20)
        return std::nullopt;
    return bytes;
}

} // namespace rivulet::session
