// Money as the network counts it: wei as whole numbers of any size, prices and balances as exact
// fractions (spec/payments.md). Never floating point. Pure.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include <string>
#include <string_view>

namespace rivulet::payment {

using integer = boost::multiprecision::cpp_int;
using amount = boost::multiprecision::cpp_rational;

// Integers on the wire are big-endian. At most 32 bytes are read: the last ones.
integer from_big_endian(std::string_view raw);
// The low 256 bits as 32 bytes.
std::string big_endian_32(const integer& value);
// Without leading zeros; nothing for 0.
std::string big_endian(const integer& value);

// Not negative.
integer floor_of(const amount& value);
integer ceil_of(const amount& value);
// "125/7" or "10".
std::string to_string(const amount& value);
// Wei as a decimal number of gwei or ETH, for metrics and people.
double gwei(const amount& wei);
std::string eth_text(const integer& wei);

const integer& max_uint256();

} // namespace rivulet::payment
