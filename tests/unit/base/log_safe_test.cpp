#include "base/log_safe.hpp"

#include <gtest/gtest.h>

namespace {

using rivulet::log_safe;

TEST(log_safe, keeps_the_first_eight_digits_of_a_capability) {
    EXPECT_EQ(log_safe("cam-0123456789abcdef0123456789ABCDEF-in/7"), "cam-01234567…-in/7");
}

TEST(log_safe, hides_every_capability_of_a_text) {
    const std::string digits(32, '7');
    EXPECT_EQ(log_safe(digits + "/" + digits + "7"), "77777777…/77777777…");
}

TEST(log_safe, leaves_a_number_of_31_digits_as_it_is) {
    const auto text = "cam-" + std::string(31, 'f') + "-out";
    EXPECT_EQ(log_safe(text), text);
    EXPECT_EQ(log_safe(""), "");
}

} // namespace
