#include "batch/catalog.hpp"
#include "sample_requests.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <set>

namespace rivulet::batch {
namespace {

TEST(catalog, has_every_batch_pipeline_of_the_network) {
    for (const std::string_view name :
         {"text-to-image",
          "image-to-image",
          "image-to-video",
          "upscale",
          "audio-to-text",
          "segment-anything-2",
          "llm",
          "image-to-text",
          "text-to-speech"})
        EXPECT_TRUE(find_pipeline(name)) << name;
    EXPECT_FALSE(find_pipeline("live-video-to-video"));
}

TEST(catalog, agrees_with_the_network_on_names_and_models) {
    std::set<std::string_view> names;
    for (const auto& kind : catalog()) {
        EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
        EXPECT_EQ(find_pipeline(kind.name), &kind);
        EXPECT_EQ(session::capability_of(kind.name), kind.id) << kind.name;
        if (const auto model = session::default_model(kind.id); !model.empty()) {
            EXPECT_EQ(model, kind.default_model) << kind.name;
        }
    }
}

TEST(catalog, rows_are_sound) {
    for (const auto& kind : catalog()) {
        SCOPED_TRACE(kind.name);
        EXPECT_FALSE(kind.title.empty());
        EXPECT_FALSE(kind.summary.empty());
        EXPECT_TRUE(kind.units && kind.score);
        EXPECT_EQ(kind.file_field().empty(), kind.body == body_kind::json);
        EXPECT_EQ(kind.media == media_kind::none, kind.body == body_kind::json);
        ASSERT_TRUE(kind.find(kind.model_field));
        std::set<std::string_view> names;
        for (const auto& each : kind.fields) {
            SCOPED_TRACE(each.name);
            EXPECT_TRUE(names.insert(each.name).second);
            EXPECT_FALSE(each.help.empty());
            // What is written when a client says nothing must be what a client might have said.
            for (const auto text : {each.fallback, each.documented})
                if (!text.empty()) {
                    boost::json::object values{
                        {each.name, boost::json::parse(boost::json::string_view(text))}};
                    const auto checked = make_request(kind, values);
                    if (!checked) {
                        EXPECT_NE(checked.error().field, each.name) << checked.error().message;
                    }
                }
            if (!each.fallback.empty()) {
                EXPECT_EQ(each.fallback, each.documented);
            }
            if (each.kind == field_kind::file) {
                EXPECT_EQ(&each, &kind.fields.front()); // it is forwarded first
            }
        }
    }
}

TEST(catalog, every_pipeline_takes_a_least_request) {
    for (const auto& kind : catalog()) {
        const auto made = least_request(kind);
        ASSERT_TRUE(made) << kind.name << ": " << made.error().message;
        EXPECT_EQ(made->kind, &kind);
        EXPECT_EQ(made->model, kind.default_model);
    }
}

// One answer of two seconds, in units and seconds per unit.
TEST(batch_conformance, s19_pictures_are_paid_by_their_own_size) {
    media_facts facts;
    facts.width = 640;
    facts.height = 480;
    for (const std::string_view name : {"upscale", "segment-anything-2", "image-to-text"}) {
        auto made = least_request(row(name));
        ASSERT_TRUE(made && take_media(*made, facts)) << name;
        EXPECT_EQ(made->units(), 640 * 480) << name;
    }
    auto three = parse_form(
        row("image-to-image"),
        {{"prompt", "a cat"}, {"num_images_per_prompt", "3"}},
        file_of("bytes")
    );
    ASSERT_TRUE(three && take_media(*three, facts));
    EXPECT_EQ(three->units(), 640 * 480 * 3);
}

TEST(batch_conformance, s20_a_video_is_paid_and_forwarded_with_its_default_size) {
    auto made = least_request(row("image-to-video"));
    media_facts facts;
    facts.width = 10; // the picture's size is not the video's
    facts.height = 10;
    ASSERT_TRUE(made && take_media(*made, facts));
    EXPECT_EQ(made->units(), 14'745'600);
    const form_values expected{
        {"model_id", "stabilityai/stable-video-diffusion-img2vid-xt"},
        {"height", "576"},
        {"width", "1024"},
        {"fps", "6"}};
    EXPECT_EQ(forwarded_form(*made), expected);
}

TEST(batch_conformance, s21_a_recording_is_paid_by_its_whole_seconds) {
    auto made = parse_form(row("audio-to-text"), {{"metadata", "{\"x\":1}"}}, file_of("bytes"));
    ASSERT_TRUE(made);
    EXPECT_FALSE(made->fields.contains("metadata"));
    media_facts facts;
    facts.seconds = 3.9;
    ASSERT_TRUE(take_media(*made, facts));
    EXPECT_EQ(made->fields.at("metadata"), R"({"duration":"3"})");
    EXPECT_EQ(made->units(), 3000);
}

TEST(catalog, a_recording_without_a_whole_second_is_refused) {
    for (const double seconds : {0.0, 0.99, -5.0, std::numeric_limits<double>::quiet_NaN()}) {
        auto made = least_request(row("audio-to-text"));
        media_facts facts;
        facts.seconds = seconds;
        const auto taken = take_media(*made, facts);
        ASSERT_FALSE(taken) << seconds;
        EXPECT_EQ(taken.error().status, http::status::bad_request);
        EXPECT_EQ(taken.error().field, "audio");
        EXPECT_TRUE(taken.error().message.starts_with("audio duration calculation failed"));
    }
}

TEST(batch_conformance, s23_speech_is_paid_by_code_points) {
    const auto made = parse_json(row("text-to-speech"), "{\"text\":\"h\xc3\xa9llo\"}");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->units(), 5000);
    EXPECT_EQ(made->shape.text_bytes, 6);
}

TEST(batch_conformance, s42_a_lightning_model_says_its_steps) {
    const auto& kind = row("text-to-image");
    auto made = parse_json(kind, R"({"prompt":"p","model_id":"ByteDance/SDXL-Lightning_4step"})");
    ASSERT_TRUE(made);
    EXPECT_DOUBLE_EQ(kind.score(made->shape, 2).value(), 2.0 / 262144 / 4);
    made = parse_json(kind, R"({"prompt":"p","model_id":"ByteDance/SDXL-Lightning"})");
    ASSERT_TRUE(made);
    EXPECT_DOUBLE_EQ(kind.score(made->shape, 2).value(), 2.0 / 262144 / 8);
}

TEST(batch_conformance, s43_scores_are_seconds_per_unit) {
    session::work_shape none;
    none.width = 0;
    none.height = 0;
    EXPECT_FALSE(row("upscale").score(none, 2));

    const auto speech = parse_json(row("text-to-speech"), "{\"text\":\"h\xc3\xa9llo\"}");
    EXPECT_DOUBLE_EQ(row("text-to-speech").score(speech->shape, 3).value(), 0.5); // 6 bytes
    auto sound = least_request(row("audio-to-text"));
    media_facts facts;
    facts.seconds = 4.5;
    ASSERT_TRUE(take_media(*sound, facts));
    EXPECT_DOUBLE_EQ(row("audio-to-text").score(sound->shape, 2).value(), 0.5);
    auto talk = least_request(row("llm"));
    EXPECT_FALSE(row("llm").score(talk->shape, 2));
    talk->shape.total_tokens = 8;
    EXPECT_DOUBLE_EQ(row("llm").score(talk->shape, 2).value(), 0.25);
}

TEST(batch_conformance, s29_a_conversation_is_paid_by_what_it_may_use) {
    auto talk =
        parse_json(row("llm"), R"({"messages":[{"role":"user","content":"x"}],"max_tokens":7})");
    ASSERT_TRUE(talk);
    talk->shape.total_tokens = 5000;
    EXPECT_EQ(talk->units(), 7);
}

} // namespace
} // namespace rivulet::batch
