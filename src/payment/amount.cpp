#include "payment/amount.hpp"

namespace rivulet::payment {

namespace mp = boost::multiprecision;

integer from_big_endian(std::string_view raw) {
    if (raw.size() > 32)
        raw.remove_prefix(raw.size() - 32);
    integer out = 0;
    // Boost reads before the first digit of an empty number.
    if (!raw.empty())
        mp::import_bits(out, raw.begin(), raw.end(), 8, true);
    return out;
}

std::string big_endian(const integer& value) {
    if (value == 0)
        return {};
    std::string out;
    mp::export_bits(value, std::back_inserter(out), 8, true);
    return out;
}

std::string big_endian_32(const integer& value) {
    const auto digits = big_endian(value & max_uint256());
    return std::string(32 - digits.size(), '\0') + digits;
}

integer floor_of(const amount& value) {
    return mp::numerator(value) / mp::denominator(value);
}

integer ceil_of(const amount& value) {
    const integer below = floor_of(value);
    return below * mp::denominator(value) == mp::numerator(value) ? below : integer(below + 1);
}

std::string to_string(const amount& value) {
    return value.str();
}

double gwei(const amount& wei) {
    return static_cast<double>(amount(wei / 1'000'000'000));
}

std::string eth_text(const integer& wei) {
    static const integer one("1000000000000000000");
    const integer whole = wei / one, rest = wei % one;
    std::string digits = rest.str();
    digits.insert(0, 18 - digits.size(), '0');
    while (!digits.empty() && digits.back() == '0')
        digits.pop_back();
    return whole.str() + (digits.empty() ? "" : "." + digits);
}

const integer& max_uint256() {
    static const integer value = (integer(1) << 256) - 1;
    return value;
}

} // namespace rivulet::payment
