// Prices as operators write them, turned into exact fractions of wei. Pure.
// Fails with: invalid_argument and a text that quotes what is wrong.
#pragma once

#include "base/error.hpp"
#include "session/price_caps.hpp"

#include <string_view>

namespace rivulet::session {

// "1000", "0.5", "3wei", "0.000001 eth": digits, perhaps a point and digits, perhaps a currency.
// With `exponent`, "1e-9" is a number too (as in JSON). `currency` is used when the text names
// none; empty is wei. `pixels`: what the amount is for, "1" or more.
outcome<price> parse_price(
    std::string_view amount,
    std::string_view currency,
    std::string_view pixels,
    bool exponent = false
);

} // namespace rivulet::session
