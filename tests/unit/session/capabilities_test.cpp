#include "session/capabilities.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::session {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto live = capability::live_video_to_video;

capability_table offer() {
    auto table = wanted_capabilities(live, "noop");
    table.version = "0.8.0";
    table.models[live]["noop"].warm = true;
    table.models[live]["noop"].runner_version = "0.13.0";
    return table;
}

TEST(capabilities, pipelines_and_ids_map_both_ways) {
    for (const auto& [pipeline, id] : std::vector<std::pair<std::string, capability_id>>{
             {"text-to-image", 27},
             {"image-to-image", 28},
             {"image-to-video", 29},
             {"upscale", 30},
             {"audio-to-text", 31},
             {"segment-anything-2", 32},
             {"llm", 33},
             {"image-to-text", 34},
             {"live-video-to-video", 35},
             {"text-to-speech", 36},
             {"byoc", 37}}) {
        EXPECT_EQ(capability_of(pipeline), id) << pipeline;
        EXPECT_EQ(pipeline_of(id), pipeline);
    }
    for (const auto* unknown : {"", "Text-to-image", "text to image", "gop", "auth-token", "nope"})
        EXPECT_FALSE(capability_of(unknown)) << unknown;
}

TEST(capabilities, every_id_but_the_retired_one_has_a_name) {
    const auto& names = capability_names();
    EXPECT_EQ(names.size(), 39u); // -2 to 37 without 13
    EXPECT_FALSE(names.contains(13));
    EXPECT_EQ(names.at(-2), "Invalid");
    EXPECT_EQ(capability_name(-1), "Unused");
    EXPECT_EQ(capability_name(10), "H264 Constrained, Contained High profile");
    EXPECT_EQ(capability_name(24), "H264 Decode YUV422 10-bit");
    EXPECT_EQ(capability_name(35), "Live video to video");
    EXPECT_EQ(capability_name(13), "");
    EXPECT_EQ(capability_name(99), "");
    EXPECT_EQ(pipeline_of(99), "");
}

TEST(capabilities, a_pipeline_has_the_networks_default_model) {
    EXPECT_EQ(default_model(live), "noop");
    EXPECT_EQ(default_model(capability::text_to_image), "stabilityai/sdxl-turbo");
    EXPECT_EQ(default_model(capability::text_to_speech), "parler-tts/parler-tts-large-v1");
    EXPECT_EQ(default_model(capability::byoc), "");
}

TEST(capabilities, bits_grow_by_words_and_leave_out_negative_ids) {
    EXPECT_THAT(to_bits({}), IsEmpty());
    EXPECT_THAT(to_bits({-2, -1}), IsEmpty());
    EXPECT_THAT(to_bits({0, 63}), ElementsAre(0x8000000000000001u));
    EXPECT_THAT(to_bits({128, 1}), ElementsAre(2u, 0u, 1u));
    const auto bits = to_bits({64, 5});
    EXPECT_TRUE(has_bit(bits, 64));
    EXPECT_TRUE(has_bit(bits, 5));
    EXPECT_FALSE(has_bit(bits, 65));
    EXPECT_FALSE(has_bit(bits, 500));
    EXPECT_FALSE(has_bit(bits, -1));
}

TEST(orchestrators_conformance, s2_live_video_is_the_default_bits_and_bit_35_in_one_word) {
    EXPECT_THAT(wanted_capabilities(live, "noop").bits, ElementsAre(0x804005FFFu));
    EXPECT_THAT(wanted_capabilities(capability::text_to_image, "m").bits, ElementsAre(0xC005FFFu));
    EXPECT_THAT(wanted_capabilities(64, "m").bits, ElementsAre(0x4005FFFu, 1u));
}

TEST(orchestrators_conformance, s3_a_capability_with_models_has_a_capacity) {
    const auto wanted = wanted_capabilities(live, "noop", "0.4.1", "0.13.0");
    EXPECT_EQ(wanted.capacities.size(), 16u);
    for (const auto& [id, capacity] : wanted.capacities)
        EXPECT_EQ(capacity, 1u) << id;
    EXPECT_TRUE(wanted.capacities.contains(live));
    ASSERT_EQ(wanted.models.size(), 1u);
    const auto* model = wanted.find(live, "noop");
    ASSERT_TRUE(model);
    EXPECT_FALSE(model->warm); // cold ones are welcome
    EXPECT_EQ(model->runner_version, "0.13.0");
    EXPECT_EQ(wanted.min_version, "0.4.1");
    EXPECT_EQ(wanted.version, RIVULET_VERSION);
}

TEST(capabilities, a_satisfying_offer_has_no_incompatibility) {
    EXPECT_EQ(incompatibility(wanted_capabilities(live, "noop", "0.7", "0.13"), offer()), "");
}

TEST(orchestrators_conformance, s8_a_listed_capability_must_have_the_model) {
    auto table = offer();
    EXPECT_THAT(
        incompatibility(wanted_capabilities(live, "other"), table),
        HasSubstr("no model other for Live video to video")
    );
    // Without the entry there is no constraint, but no model either: it enters no pool.
    table.models.clear();
    EXPECT_EQ(incompatibility(wanted_capabilities(live, "noop"), table), "");
    EXPECT_EQ(table.find(live, "noop"), nullptr);
}

TEST(capabilities, mandatories_of_an_offer_must_be_asked_for) {
    auto table = offer();
    table.mandatories = to_bits({live, 0});
    EXPECT_EQ(incompatibility(wanted_capabilities(live, "noop"), table), "");
    table.mandatories = to_bits({16});
    EXPECT_THAT(
        incompatibility(wanted_capabilities(live, "noop"), table),
        HasSubstr("insists on HEVC encode")
    );
    table.mandatories = to_bits({100});
    EXPECT_THAT(
        incompatibility(wanted_capabilities(live, "noop"), table), HasSubstr("capability 100")
    );
}

TEST(capabilities, every_wanted_bit_must_be_offered) {
    auto table = offer();
    table.bits = to_bits({live});
    EXPECT_THAT(incompatibility(wanted_capabilities(live, "noop"), table), HasSubstr("no H.264"));
    table.bits.clear();
    EXPECT_THAT(incompatibility(wanted_capabilities(live, "noop"), table), HasSubstr("no H.264"));
}

// The network's own gateway compares lengths before values.
TEST(capabilities, trailing_zero_words_change_nothing) {
    auto table = offer();
    table.mandatories = {0, 0, 0};
    EXPECT_EQ(incompatibility(wanted_capabilities(live, "noop"), table), "");
    auto wanted = wanted_capabilities(live, "noop");
    wanted.bits.push_back(0);
    EXPECT_EQ(incompatibility(wanted, table), "");
}

TEST(capabilities, warmth_counts_only_when_it_is_wanted) {
    auto table = offer();
    table.models[live]["noop"].warm = false;
    auto wanted = wanted_capabilities(live, "noop");
    EXPECT_EQ(incompatibility(wanted, table), "");
    wanted.models[live]["noop"].warm = true;
    EXPECT_THAT(incompatibility(wanted, table), HasSubstr("not loaded"));
}

TEST(capabilities, old_nodes_and_old_runners_are_told_apart) {
    EXPECT_THAT(
        incompatibility(wanted_capabilities(live, "noop", "0.9"), offer()),
        HasSubstr("version 0.8.0 is older than 0.9")
    );
    EXPECT_THAT(
        incompatibility(wanted_capabilities(live, "noop", "", "0.14"), offer()),
        HasSubstr("the runner of noop has version 0.13.0")
    );
    auto silent = offer();
    silent.version.clear();
    EXPECT_THAT(
        incompatibility(wanted_capabilities(live, "noop", "0.9"), silent),
        HasSubstr("version (none)")
    );
}

struct version_case {
    const char *minimum, *version;
    bool fits;
};

class orchestrators_conformance_s9 : public testing::TestWithParam<version_case> {};

TEST_P(orchestrators_conformance_s9, versions_compare_by_their_numbers) {
    const auto& row = GetParam();
    EXPECT_EQ(version_ok(row.minimum, row.version), row.fits)
        << row.version << " for " << row.minimum;
}

INSTANTIATE_TEST_SUITE_P(
    table,
    orchestrators_conformance_s9,
    testing::Values(
        version_case{"", "", true},
        version_case{"", "rubbish", true},
        version_case{"0.4.1", "", false},
        version_case{"0.4.1", "undefined", false},
        version_case{"rubbish", "0.1.0", true}, // nobody can satisfy it: it is no minimum
        version_case{"rubbish", "rubbish", true},
        version_case{"rubbish", "", false},
        version_case{"0.4.1", "rubbish", false},
        version_case{"0.4.1", "0.4.1-b3278dce-dirty", true},
        version_case{"0.4.1-b3278dce-dirty", "0.4.1", true},
        version_case{"0.4.1-x", "0.4.0-y", false},
        version_case{"0.4.1", "0.4.0", false},
        version_case{"0.4.1", "0.10.0", true},
        version_case{"0.4.1", "1", true},
        version_case{"v0.4", "0.4.0", true},
        version_case{"0.4", "v0.4.0+build.7", true},
        version_case{"0.4.1", "0.4.1.2", false},
        version_case{"0.4.1", "0..1", false},
        version_case{"0.4.1", "-1.0.0", false},
        version_case{"0.4.1", "1.0.0-", false},
        version_case{"0.4.1", "1.0.0+a..b", false},
        version_case{"0.4.1", "99999999999999999999.0.0", false},
        version_case{"99999999999999999999", "0.1", true}
    )
);

} // namespace
} // namespace rivulet::session
