#include "ingest/srt_report.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;

TEST(srt_report, says_what_a_transcoder_costs_when_there_is_one) {
    srt_session session;
    session.packets = 7;
    session.encrypted = true;
    EXPECT_FALSE(srt_report(session, nullptr).contains("transcoder"));
    EXPECT_EQ(srt_report(session, nullptr).at("packets"), 7u);
    EXPECT_EQ(srt_report(session, nullptr).at("encrypted"), true);
    media::video_transcoder_stats cost;
    cost.frames_out = 30;
    cost.cpu_seconds = 0.5;
    const auto report = srt_report(session, &cost);
    EXPECT_EQ(report.at("transcoder").at("cpu_seconds"), 0.5);
    EXPECT_EQ(report.at("transcoder").at("frames_out"), 30u);
}
