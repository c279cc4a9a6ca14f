#include "batch/catalog.hpp"
#include "batch/form_intake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const pipeline& image_to_image() {
    return *find_pipeline("image-to-image");
}

std::string text_part(std::string_view name, std::string_view value) {
    return http::form_part("edge", name, value);
}

std::string file_part(std::string_view name, std::string_view bytes) {
    return http::form_file_head("edge", name, "a.png", "image/png") + std::string(bytes) + "\r\n";
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string text_of(const std::vector<std::uint8_t>& bytes) {
    return {bytes.begin(), bytes.end()};
}

class form_intake_of_a_picture : public testing::Test {
  protected:
    answer<void> take(const std::string& body) {
        auto fed = form.feed(bytes_of(body));
        return fed ? form.finish() : fed;
    }

    reading_limits limits;
    form_intake form{image_to_image(), limits, "edge"};
};

TEST_F(form_intake_of_a_picture, keeps_known_values_and_the_file) {
    const auto went = take(
        file_part("image", "BYTES") + text_part("prompt", "a cat") + text_part("nonsense", "x") +
        http::form_end("edge")
    );
    ASSERT_TRUE(went) << went.error().message;
    EXPECT_EQ(text_of(form.take_pending()), "BYTES");
    EXPECT_THAT(form.take_values(), ElementsAre(Pair("prompt", "a cat")));
    const auto file = form.take_file();
    ASSERT_TRUE(file);
    EXPECT_EQ(file->filename, "a.png");
    EXPECT_EQ(file->content_type, "image/png");
}

TEST_F(form_intake_of_a_picture, takes_the_first_of_repeated_fields) {
    const auto went = take(
        text_part("prompt", "first") + text_part("prompt", "second") + file_part("image", "ONE") +
        file_part("image", "TWO") + http::form_end("edge")
    );
    ASSERT_TRUE(went);
    EXPECT_EQ(text_of(form.take_pending()), "ONE");
    EXPECT_THAT(form.take_values(), ElementsAre(Pair("prompt", "first")));
}

TEST_F(form_intake_of_a_picture, counts_a_file_sent_as_text_as_absent) {
    ASSERT_TRUE(take(text_part("image", "BYTES") + http::form_end("edge")));
    EXPECT_FALSE(form.take_file());
}

TEST_F(form_intake_of_a_picture, counts_an_empty_file_as_absent) {
    ASSERT_TRUE(take(file_part("image", "") + http::form_end("edge")));
    EXPECT_FALSE(form.take_file());
}

TEST_F(form_intake_of_a_picture, takes_a_typed_value_but_no_file_in_its_place) {
    const std::string typed = "--edge\r\nContent-Disposition: form-data; name=\"prompt\"\r\n"
                              "Content-Type: text/plain; charset=utf-8\r\n\r\na cat\r\n";
    ASSERT_TRUE(take(file_part("seed", "42") + typed + http::form_end("edge")));
    EXPECT_THAT(form.take_values(), ElementsAre(Pair("prompt", "a cat")));
}

TEST_F(form_intake_of_a_picture, refuses_a_value_past_the_limit) {
    limits.value_bytes = 8;
    const auto went = take(text_part("prompt", "123456789") + http::form_end("edge"));
    ASSERT_FALSE(went);
    EXPECT_EQ(went.error().status, http::status::payload_too_large);
    EXPECT_EQ(went.error().field, "prompt");
}

TEST_F(form_intake_of_a_picture, takes_a_value_at_the_limit) {
    limits.value_bytes = 8;
    EXPECT_TRUE(take(text_part("prompt", "12345678") + http::form_end("edge")));
}

TEST_F(form_intake_of_a_picture, calls_broken_framing_a_bad_request) {
    const auto went = take("--edge\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nhalf");
    ASSERT_FALSE(went);
    EXPECT_EQ(went.error().status, http::status::bad_request);
    EXPECT_THAT(went.error().message, HasSubstr("multipart"));
}

TEST(form_intake, refuses_a_file_past_its_pipelines_limit) {
    auto kind = *find_pipeline("audio-to-text");
    kind.file_limit = 1u << 20;
    const reading_limits limits;
    const std::string file(kind.file_limit, 'x');
    form_intake whole(kind, limits, "edge");
    EXPECT_TRUE(whole.feed(bytes_of(file_part("audio", file))));
    form_intake form(kind, limits, "edge");
    const auto went = form.feed(bytes_of(file_part("audio", file + "x")));
    ASSERT_FALSE(went);
    EXPECT_EQ(went.error().status, http::status::payload_too_large);
    EXPECT_EQ(went.error().field, "audio");
    EXPECT_THAT(went.error().message, HasSubstr("1 MiB"));
}

TEST_F(form_intake_of_a_picture, knows_what_it_holds_in_memory) {
    EXPECT_EQ(form.memory(), 0u);
    const std::string bytes(10'000, 'x');
    ASSERT_TRUE(take(
        file_part("image", bytes) + text_part("prompt", std::string(5'000, 'y')) +
        http::form_end("edge")
    ));
    EXPECT_GE(form.memory(), 15'000u);
    EXPECT_LE(form.memory(), 40'000u);
    const auto pending = form.take_pending();
    EXPECT_GE(form.memory(), 5'000u);
    EXPECT_LT(form.memory(), 6'000u);
    ASSERT_FALSE(form.content()->write(pending));
    EXPECT_GE(form.memory(), 15'000u);
}

} // namespace
} // namespace rivulet::batch
