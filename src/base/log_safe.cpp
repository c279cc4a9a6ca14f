#include "base/log_safe.hpp"

#include "base/hex.hpp"

#include <algorithm>

namespace rivulet {

std::string log_safe(std::string_view text) {
    constexpr std::size_t secret_digits = 32, kept_digits = 8;
    const auto is_digit = [](char c) { return hex_value(c) >= 0; };
    std::string out;
    while (!text.empty()) {
        const auto* const end = std::find_if_not(text.begin(), text.end(), is_digit);
        const auto digits = static_cast<std::size_t>(end - text.begin());
        out += text.substr(0, digits < secret_digits ? digits : kept_digits);
        if (digits >= secret_digits)
            out += "…";
        text.remove_prefix(digits);
        const auto other = std::min<std::size_t>(text.size(), 1);
        out += text.substr(0, other);
        text.remove_prefix(other);
    }
    return out;
}

} // namespace rivulet
