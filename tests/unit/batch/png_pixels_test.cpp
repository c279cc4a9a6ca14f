#include "batch/png_pixels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace rivulet::batch {
namespace {

std::string big_endian(std::size_t value) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8)
        text += static_cast<char>(value >> shift & 0xff);
    return text;
}

std::string chunk(const std::string& type, const std::string& data) {
    return big_endian(data.size()) + type + data + "sum.";
}

// Deflated, but only by name: blocks that are stored as they are.
std::string stored(std::size_t size) {
    std::string made = "\x78\x01";
    do {
        const auto block = std::min<std::size_t>(size, 60'000);
        size -= block;
        made += size == 0 ? '\1' : '\0';
        for (const auto number : {block, ~block})
            made += {static_cast<char>(number & 0xff), static_cast<char>(number >> 8 & 0xff)};
        made += std::string(block, 'p');
    } while (size > 0);
    return made;
}

std::string png(const std::string& pixels, std::size_t pieces = 1) {
    const std::string one_colour_pixel =
        big_endian(1) + big_endian(1) + std::string("\x08\x02\0\0\0", 5);
    std::string file = "\x89PNG\r\n\x1a\n" + chunk("IHDR", one_colour_pixel);
    const auto piece = pixels.size() / pieces + 1;
    for (std::size_t at = 0; at < pixels.size(); at += piece)
        file += chunk("IDAT", pixels.substr(at, piece));
    return file + chunk("IEND", "");
}

bool fits(const std::string& file) {
    return pixels_fit({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()});
}

constexpr std::size_t promised_and_slack = 4 + 65'536; // a filter byte and three samples

TEST(png_pixels, fit_up_to_what_the_header_promises_and_a_little) {
    EXPECT_TRUE(fits(png(stored(4))));
    EXPECT_TRUE(fits(png(stored(promised_and_slack))));
    EXPECT_FALSE(fits(png(stored(promised_and_slack + 1))));
}

TEST(png_pixels, are_one_stream_in_however_many_chunks) {
    EXPECT_TRUE(fits(png(stored(promised_and_slack), 1'000)));
    EXPECT_FALSE(fits(png(stored(promised_and_slack + 1), 1'000)));
}

TEST(png_pixels, that_are_damaged_are_left_to_the_decoder) {
    EXPECT_TRUE(fits(png("no deflated bytes at all")));
    EXPECT_TRUE(fits(""));
    const auto whole = png(stored(100));
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_TRUE(fits(whole.substr(0, size))) << size;
}

} // namespace
} // namespace rivulet::batch
