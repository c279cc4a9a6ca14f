#include "base/base64.hpp"

#include <gtest/gtest.h>

namespace rivulet {
namespace {

TEST(base64, gives_back_every_length) {
    for (std::size_t length = 0; length < 70; ++length) {
        std::string raw;
        for (std::size_t i = 0; i < length; ++i)
            raw += static_cast<char>(i * 37 + length);
        EXPECT_EQ(from_base64(to_base64(raw)), raw);
    }
}

TEST(base64, refuses_what_is_no_encoding) {
    for (const char* text : {"A", "AA", "AAA", "A===", "AA=A", "A-==", "AA==\n", "=AAA", "===="})
        EXPECT_FALSE(from_base64(text)) << text;
}

} // namespace
} // namespace rivulet
