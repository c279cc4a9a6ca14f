#include "session/latency_score.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace rivulet::session {
namespace {

struct score_row {
    const char* name;
    capability_id pipeline;
    work_shape shape;
    std::int64_t units;
    std::optional<double> score; // of 10 s
};

work_shape size(std::int64_t width, std::int64_t height) {
    work_shape out;
    out.width = width;
    out.height = height;
    return out;
}

std::vector<score_row> rows() {
    std::vector<score_row> out;
    const auto add = [&](const char* name,
                         capability_id id,
                         work_shape shape,
                         std::int64_t units,
                         std::optional<double> score) {
        out.push_back({name, id, std::move(shape), units, score});
    };
    using namespace capability;
    add("a picture without sizes", text_to_image, {}, 512 * 512, 10.0 / (512 * 512) / 50);
    auto two = size(1024, 768);
    two.pictures = 2;
    two.steps = 4;
    add("two pictures", text_to_image, two, 1024 * 768 * 2, 10.0 / (1024 * 768 * 2) / 4);
    auto none = two;
    none.pictures = 0;
    none.steps = 0;
    add("at least one", text_to_image, none, 1024 * 768, 10.0 / (1024 * 768));
    auto lightning = size(512, 512);
    lightning.model = "ByteDance/SDXL-Lightning-sdxl_lightning_4step_unet";
    lightning.steps = 50;
    add("steps in the name", text_to_image, lightning, 512 * 512, 10.0 / (512 * 512) / 4);
    lightning.model = "ByteDance/SDXL-Lightning";
    add("8 steps without", image_to_image, lightning, 512 * 512, 10.0 / (512 * 512) / 8);
    lightning.model = "ByteDance/SDXL-Lightning_0step";
    add("never none", image_to_image, lightning, 512 * 512, 10.0 / (512 * 512));
    add("a picture from one", image_to_image, size(100, 50), 5000, 10.0 / 5000 / 100);
    add("a film", image_to_video, {}, 576 * 1024 * 25, 10.0 / (576 * 1024 * 25) / 25);
    add("upscale", upscale, size(100, 50), 5000, 10.0 / 5000 / 75);
    add("segments", segment_anything_2, size(100, 50), 5000, 10.0 / 5000);
    add("a caption", image_to_text, size(100, 50), 5000, 10.0 / 5000);
    work_shape sound;
    sound.seconds = 7;
    add("sound", audio_to_text, sound, 7000, 10.0 / 7);
    work_shape talk;
    talk.total_tokens = 40;
    add("talk", llm, talk, 256, 10.0 / 40);
    work_shape speech;
    speech.text_bytes = 20;
    speech.text_points = 18;
    add("speech", text_to_speech, speech, 18'000, 0.5);
    add("an input of no size", upscale, {}, 0, std::nullopt);
    add("live jobs have none", live_video_to_video, {}, 0, std::nullopt);
    return out;
}

TEST(orchestrators_conformance, s33_units_and_scores_of_every_pipeline) {
    for (const auto& row : rows()) {
        EXPECT_EQ(units_of(row.pipeline, row.shape), row.units) << row.name;
        const auto score = latency_score(row.pipeline, row.shape, 10);
        ASSERT_EQ(score.has_value(), row.score.has_value()) << row.name;
        if (score)
            EXPECT_DOUBLE_EQ(*score, *row.score) << row.name;
    }
    EXPECT_EQ(live_units_at_start, 1'658'880'000);
    EXPECT_EQ(live_units_each_second, 27'648'000);
}

TEST(latency_score, sizes_past_all_measure_stop_at_the_largest_number) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    auto shape = size(most, most);
    shape.pictures = most;
    EXPECT_EQ(units_of(capability::text_to_image, shape), most);
    shape = size(-5, 100);
    EXPECT_EQ(units_of(capability::upscale, shape), 0);
    EXPECT_FALSE(latency_score(capability::upscale, shape, 1));
}

TEST(latency_score, no_time_is_no_measurement) {
    EXPECT_FALSE(latency_score(capability::upscale, size(10, 10), 0));
}

} // namespace
} // namespace rivulet::session
