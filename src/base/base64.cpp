#include "base/base64.hpp"

#include <array>
#include <cstdint>

namespace rivulet {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::uint8_t no_digit = 64;

constexpr std::array<std::uint8_t, 256> make_values() {
    std::array<std::uint8_t, 256> values{};
    for (auto& value : values)
        value = no_digit;
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        values[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return values;
}

constexpr auto values = make_values();

} // namespace

std::string to_base64(std::string_view raw) {
    std::string out;
    out.reserve((raw.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < raw.size(); at += 3) {
        const auto rest = raw.size() - at;
        const auto octet = [&](std::size_t i) {
            return i < rest ? static_cast<std::uint8_t>(raw[at + i]) : 0u;
        };
        const std::uint32_t group = octet(0) << 16 | octet(1) << 8 | octet(2);
        out += alphabet[group >> 18];
        out += alphabet[group >> 12 & 63];
        out += rest > 1 ? alphabet[group >> 6 & 63] : '=';
        out += rest > 2 ? alphabet[group & 63] : '=';
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0)
        return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
        ++padding;
    std::string out;
    out.reserve(text.size() / 4 * 3);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::uint8_t value = 0;
        if (i < text.size() - padding) {
            value = values[static_cast<std::uint8_t>(text[i])];
            if (value == no_digit)
                return std::nullopt;
        }
        group = group << 6 | value;
        if (i % 4 != 3)
            continue;
        out += static_cast<char>(group >> 16);
        out += static_cast<char>(group >> 8 & 255);
        out += static_cast<char>(group & 255);
        group = 0;
    }
    out.resize(out.size() - padding);
    return out;
}

} // namespace rivulet
