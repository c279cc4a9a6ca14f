#include "session/price_text.hpp"

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <boost/multiprecision/cpp_int.hpp>
#include <fmt/core.h>

#include <charconv>
#include <limits>
#include <string>

namespace rivulet::session {
namespace {

using boost::multiprecision::cpp_int;

constexpr std::size_t digits_allowed = 40; // far more than any price, far less than work
constexpr int exponent_allowed = 60;
constexpr int wei_digits = 18; // of one eth

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

cpp_int power_of_ten(int n) {
    return boost::multiprecision::pow(cpp_int(10), static_cast<unsigned>(n));
}

failure bad(std::string_view text, std::string_view why) {
    return {errc::invalid_argument, fmt::format("price '{}': {}", text.substr(0, 100), why)};
}

struct decimal {
    cpp_int digits = 0;
    int exponent = 0; // of ten
};

// Takes the number off the front of `text`.
std::optional<decimal> take_number(std::string_view& text, bool exponent) {
    std::string digits;
    int shift = 0;
    auto take = [&](std::string& into) {
        const auto before = into.size();
        while (!text.empty() && is_digit(text.front())) {
            into += text.front();
            text.remove_prefix(1);
        }
        return into.size() - before;
    };
    if (take(digits) == 0)
        return std::nullopt;
    if (!text.empty() && text.front() == '.') {
        text.remove_prefix(1);
        const auto fraction = take(digits);
        if (fraction == 0)
            return std::nullopt;
        shift = -static_cast<int>(std::min<std::size_t>(fraction, digits_allowed + 1));
    }
    if (digits.size() > digits_allowed)
        return std::nullopt;
    if (exponent && !text.empty() && (text.front() == 'e' || text.front() == 'E')) {
        auto rest = text.substr(1);
        if (!rest.empty() && rest.front() == '+')
            rest.remove_prefix(1);
        int by = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), by);
        if (error == std::errc()) {
            if (by > exponent_allowed || by < -exponent_allowed)
                return std::nullopt;
            shift += by;
            text = rest.substr(static_cast<std::size_t>(end - rest.data()));
        }
    }
    // A leading zero would make it octal.
    const auto first = digits.find_first_not_of('0');
    decimal out;
    out.digits = first == digits.npos ? cpp_int(0) : cpp_int(digits.substr(first));
    out.exponent = shift;
    return out;
}

} // namespace

outcome<price> parse_price(
    std::string_view amount, std::string_view currency, std::string_view pixels, bool exponent
) {
    std::string kept(amount);
    boost::algorithm::trim(kept);
    std::string_view text = kept;
    if (!text.empty() && text.front() == '-')
        return bad(amount, "it can't be negative");
    const auto number = take_number(text, exponent);
    if (!number)
        return bad(amount, "write a number such as 1000 or 0.5, with wei or eth behind it or not");
    std::string unit(text);
    boost::algorithm::trim(unit);
    if (unit.empty())
        unit = currency;
    boost::algorithm::to_lower(unit);
    auto shift = number->exponent;
    if (unit == "eth")
        shift += wei_digits;
    else if (!unit.empty() && unit != "wei")
        return bad(
            amount,
            fmt::format("the currency '{}' isn't known; write wei or eth", unit.substr(0, 20))
        );

    std::int64_t per = 0;
    const auto* end = pixels.data() + pixels.size();
    const auto [rest, error] = std::from_chars(pixels.data(), end, per);
    if (error != std::errc() || rest != end || per <= 0)
        return failure(
            errc::invalid_argument,
            fmt::format("pixels per unit '{}': write a whole number above 0", pixels.substr(0, 100))
        );

    cpp_int numerator = number->digits, denominator = per;
    if (shift >= 0)
        numerator *= power_of_ten(shift);
    else
        denominator *= power_of_ten(-shift);
    const cpp_int common = gcd(numerator, denominator);
    numerator /= common;
    denominator /= common;
    const cpp_int most = std::numeric_limits<std::int64_t>::max();
    if (numerator > most || denominator > most)
        return bad(amount, "too large or too fine to compare");
    return price{numerator.convert_to<std::int64_t>(), denominator.convert_to<std::int64_t>()};
}

} // namespace rivulet::session
