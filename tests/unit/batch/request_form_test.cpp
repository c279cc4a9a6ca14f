#include "batch/request.hpp"
#include "sample_requests.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

const pipeline& image_to_image() {
    return row("image-to-image");
}

answer<request> with(std::string name, std::string value) {
    return parse_form(
        image_to_image(),
        {{"prompt", "a cat"}, {std::move(name), std::move(value)}},
        file_of("bytes")
    );
}

TEST(batch_conformance, s15_booleans_and_numbers_of_forms_are_those_of_the_network) {
    for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
        EXPECT_EQ(with("safety_check", std::string(yes))->fields.at("safety_check"), true);
    for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
        EXPECT_EQ(with("safety_check", std::string(no))->fields.at("safety_check"), false);
    const auto yes = with("safety_check", "yes");
    ASSERT_FALSE(yes);
    EXPECT_EQ(yes.error().status, http::status::bad_request);
    EXPECT_EQ(yes.error().message, "safety_check must be a boolean, not \"yes\"");
    const auto seed = with("seed", "");
    ASSERT_FALSE(seed);
    EXPECT_EQ(seed.error().message, "seed must be an integer, not nothing");
    EXPECT_EQ(seed.error().field, "seed");
    EXPECT_FALSE(with("safety_check", ""));
    EXPECT_FALSE(with("strength", ""));
}

TEST(request_form, integers_are_decimal_and_fit_64_bits) {
    EXPECT_EQ(with("seed", "-9223372036854775808")->fields.at("seed"), INT64_MIN);
    EXPECT_EQ(with("seed", "+7")->fields.at("seed"), 7);
    for (const char* bad : {"9223372036854775808", "1.0", "1e3", "0x10", " 1", "1 ", "+-1", "--1"})
        EXPECT_FALSE(with("seed", bad)) << bad;
}

TEST(request_form, numbers_are_finite_and_fit_a_float) {
    EXPECT_EQ(with("strength", "0.25")->fields.at("strength"), 0.25);
    EXPECT_TRUE(with("strength", "1e-3"));
    for (const char* bad : {"1e39", "inf", "nan", "0,5", "half", "1.5x"})
        EXPECT_FALSE(with("strength", bad)) << bad;
}

TEST(request_form, the_first_of_a_name_counts_and_unknown_ones_are_dropped) {
    const auto made = parse_form(
        image_to_image(),
        {{"prompt", "first"}, {"x", "y"}, {"prompt", "second"}, {"Prompt", "third"}},
        file_of("bytes")
    );
    ASSERT_TRUE(made);
    EXPECT_EQ(made->fields.at("prompt"), "first");
    EXPECT_FALSE(made->fields.contains("x"));
}

TEST(request_form, a_file_is_required_and_not_empty) {
    for (const auto& kind : catalog()) {
        if (kind.body != body_kind::multipart)
            continue;
        const std::string name(kind.file_field());
        auto values = least_form(kind);
        auto made = parse_form(kind, values, std::nullopt);
        ASSERT_FALSE(made) << kind.name;
        EXPECT_EQ(made.error().status, http::status::bad_request);
        EXPECT_EQ(made.error().message, name + " file is required");
        // As plain text it is none.
        values.emplace_back(name, "bytes");
        made = parse_form(kind, values, std::nullopt);
        ASSERT_FALSE(made) << kind.name;
        made = parse_form(kind, least_form(kind), file_of(""));
        ASSERT_FALSE(made) << kind.name;
        EXPECT_EQ(made.error().message, name + " file is empty");
        EXPECT_EQ(made.error().field, name);
    }
}

TEST(request_form, a_prompt_is_required_where_the_network_requires_it) {
    for (const auto& kind : catalog()) {
        const auto* prompt = kind.find("prompt");
        if (kind.body != body_kind::multipart || !prompt)
            continue;
        const auto made = parse_form(kind, {{"prompt", ""}}, file_of("bytes"));
        EXPECT_EQ(made.has_value(), !prompt->required) << kind.name;
        if (!made) {
            EXPECT_EQ(made.error().message, "prompt field is required");
        }
    }
}

TEST(request_form, a_file_over_the_runners_limit_is_413) {
    const auto& kind = row("audio-to-text");
    spool_limits limits;
    limits.memory = 64u << 20;
    const std::vector<std::uint8_t> mib(1u << 20, 'x');
    auto content = std::make_shared<spool>(limits);
    for (int i = 0; i < 50; ++i)
        ASSERT_FALSE(content->write(mib));
    upload file;
    file.content = content;
    EXPECT_TRUE(parse_form(kind, {}, file));
    ASSERT_FALSE(content->write({mib.data(), 1}));
    const auto made = parse_form(kind, {}, file);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().status, http::status::payload_too_large);
    EXPECT_EQ(made.error().message, "audio file is larger than 50 MiB, the most for audio-to-text");
}

TEST(request_form, values_are_forwarded_in_the_order_of_the_row_as_go_prints_them) {
    const auto made = parse_form(
        image_to_image(),
        {{"seed", "5"},
         {"safety_check", "T"},
         {"strength", "0.8"},
         {"guidance_scale", "7"},
         {"negative_prompt", ""},
         {"prompt", "p"}},
        file_of("bytes")
    );
    ASSERT_TRUE(made);
    const form_values expected{
        {"prompt", "p"},
        {"model_id", "stabilityai/sdxl-turbo"},
        {"strength", "0.800000"},
        {"guidance_scale", "7.000000"},
        {"negative_prompt", ""},
        {"safety_check", "true"},
        {"seed", "5"},
        {"num_images_per_prompt", "1"}};
    EXPECT_EQ(forwarded_form(*made), expected);
}

TEST(request_form, a_picture_without_size_is_refused) {
    auto made = least_request(row("upscale"));
    const auto taken = take_media(*made, {});
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().field, "image");
}

TEST(request_record, comes_back_as_it_was) {
    for (const auto& kind : catalog()) {
        SCOPED_TRACE(kind.name);
        auto made = least_request(kind);
        ASSERT_TRUE(made);
        media_facts facts;
        facts.width = 320;
        facts.height = 240;
        facts.seconds = 12.7;
        ASSERT_TRUE(take_media(*made, facts));
        const auto record = boost::json::parse(boost::json::serialize(to_record(*made)));
        std::optional<upload> file;
        if (made->file) {
            upload content;
            content.content = made->file->content;
            file = content;
        }
        const auto back = from_record(record.as_object(), file);
        ASSERT_TRUE(back) << back.error().detail;
        EXPECT_EQ(back->kind, &kind);
        EXPECT_EQ(back->model, made->model);
        EXPECT_EQ(forwarded_json(*back), forwarded_json(*made));
        EXPECT_EQ(forwarded_form(*back), forwarded_form(*made));
        EXPECT_EQ(back->units(), made->units());
        EXPECT_GT(back->units(), 0);
        if (made->file) {
            EXPECT_EQ(back->file->filename, "a.bin");
        }
    }
}

TEST(request_record, keeps_numbers_as_they_were) {
    const auto made = with("strength", "0.1234567890123456789");
    ASSERT_TRUE(made);
    const auto record = boost::json::parse(boost::json::serialize(to_record(*made)));
    const auto back = from_record(record.as_object(), file_of("bytes"));
    ASSERT_TRUE(back);
    EXPECT_EQ(forwarded_json(*back), forwarded_json(*made));
    EXPECT_NE(forwarded_json(*made).find("0.12345679,"), std::string::npos);
}

TEST(request_record, a_damaged_one_is_an_error) {
    for (const std::string_view text :
         {R"({})",
          R"({"pipeline":"nope","fields":{}})",
          R"({"pipeline":"upscale"})",
          R"({"pipeline":"upscale","fields":{"prompt":"p"}})",
          R"({"pipeline":"text-to-image","fields":{"prompt":5}})"})
        EXPECT_FALSE(from_record(boost::json::parse(text).as_object(), {})) << text;
}

} // namespace
} // namespace rivulet::batch
