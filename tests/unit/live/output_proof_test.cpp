#include "live/job_end.hpp"
#include "live/output_proof.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using content = output_proof::content;
const time_point start = time_point{} + 1h;

TEST(output_proof, four_mebibytes_without_a_picture_are_no_output) {
    output_proof proof;
    const auto half = output_proof::most / 2;
    EXPECT_FALSE(proof.seen(content::nothing, half, start));
    EXPECT_FALSE(proof.seen(content::nothing, half - 1, start + 1ms));
    const auto why = proof.seen(content::sound, 1, start + 2ms);
    ASSERT_TRUE(why);
    EXPECT_THAT(*why, testing::HasSubstr("no video"));
}

TEST(output_proof, a_drip_that_nobody_can_read_is_found_out_after_five_seconds) {
    output_proof proof;
    EXPECT_FALSE(proof.seen(content::nothing, 0, start)); // the beginning of a segment
    EXPECT_FALSE(proof.seen(content::nothing, 10, start + 10s));
    EXPECT_FALSE(proof.seen(content::nothing, 10, start + 14'999ms));
    EXPECT_TRUE(proof.seen(content::nothing, 10, start + 15s));
}

TEST(output_proof, video_is_output_whatever_its_rate) {
    output_proof proof;
    auto now = start;
    for (int i = 0; i < 100; ++i) {
        now += 4s;
        EXPECT_FALSE(proof.seen(content::video, 3u << 20, now)) << i;
        EXPECT_FALSE(proof.seen(content::nothing, 2u << 20, now + 100ms)) << i;
    }
}

TEST(output_proof, sound_before_the_first_picture_is_waited_for) {
    output_proof proof;
    auto now = start;
    for (int i = 0; i < 600; ++i) {
        now += 100ms;
        EXPECT_FALSE(proof.seen(content::sound, 1600, now)) << i;
    }
}

TEST(output_proof, a_segment_that_never_ends_is_no_output) {
    output_proof proof;
    EXPECT_FALSE(proof.seen(content::video, 60u << 20, start));
    EXPECT_TRUE(proof.seen(content::too_long, 1000, start + 1s));
}

TEST(output_proof, who_sends_no_video_is_replaced_and_left_alone) {
    EXPECT_TRUE(calls_for_swap(job_end_cause::output_unusable));
    EXPECT_EQ(fault_of(job_end_cause::output_unusable), session::fault_kind::protocol);
    EXPECT_EQ(
        session::remedy_for(fault_of(job_end_cause::output_unusable), 1), session::remedy::suspend
    );
}

} // namespace
} // namespace rivulet::live
