#include "worker/model_in_form.hpp"

#include <gtest/gtest.h>

namespace rivulet::worker {
namespace {

std::span<const std::uint8_t> raw(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string form(std::string_view name, std::string_view value) {
    return http::form_file_head("b", "image", "model_id", "image/png") + "bytes of the image\r\n" +
           http::form_part("b", name, value) + http::form_end("b");
}

TEST(model_in_form, is_found_wherever_the_form_is_cut) {
    const auto whole = form("model_id", "a/b");
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        model_in_form finder("b");
        ASSERT_TRUE(finder.feed(raw(whole.substr(0, cut))));
        ASSERT_TRUE(finder.feed(raw(whole.substr(cut))));
        ASSERT_TRUE(finder.finish());
        EXPECT_EQ(finder.model(), "a/b");
    }
}

TEST(model_in_form, is_empty_when_none_is_named) {
    model_in_form finder("b");
    ASSERT_TRUE(finder.feed(raw(form("prompt", "model_id"))));
    EXPECT_TRUE(finder.finish());
    EXPECT_EQ(finder.model(), "");
}

TEST(model_in_form, refuses_a_name_that_has_no_end) {
    model_in_form finder("b");
    EXPECT_FALSE(finder.feed(raw(form("model_id", std::string(5'000, 'x')))));
}

TEST(model_in_form, refuses_a_form_that_breaks_off) {
    model_in_form finder("b");
    const auto whole = form("model_id", "a/b");
    ASSERT_TRUE(finder.feed(raw(whole.substr(0, whole.size() - 10))));
    EXPECT_FALSE(finder.finish());
}

} // namespace
} // namespace rivulet::worker
