#include "worker/video_filter.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace rivulet::worker {
namespace {

frame_ptr grey(int width, int height, std::int64_t pts, std::uint8_t luma = 60) {
    frame_ptr frame(av_frame_alloc());
    frame->width = width;
    frame->height = height;
    frame->format = AV_PIX_FMT_YUV420P;
    frame->pts = pts;
    av_frame_get_buffer(frame.get(), 0);
    for (int plane = 0; plane < 3; ++plane)
        for (int y = 0; y < (plane ? height / 2 : height); ++y)
            std::memset(
                frame->data[plane] + y * frame->linesize[plane],
                plane ? 128 : luma,
                static_cast<std::size_t>(plane ? width / 2 : width)
            );
    return frame;
}

outcome<video_filter> build(
    std::string_view text, std::optional<picture_size> size = {}, int width = 64, int height = 32
) {
    auto graph = parse_filter_graph(text);
    if (!graph)
        return graph.error();
    return video_filter::build(*graph, *grey(width, height, 0), size, {4096, 4096});
}

std::vector<frame_ptr> run(video_filter& filter, int frames) {
    std::vector<frame_ptr> out;
    for (int i = 0; i < frames; ++i)
        EXPECT_FALSE(filter.push(grey(64, 32, 9'000'000'000 + i * 3003), [&](frame_ptr made) {
            out.push_back(std::move(made));
        }));
    return out;
}

} // namespace

TEST(video_filter, negates_at_once_and_keeps_the_times) {
    auto filter = build("negate");
    ASSERT_TRUE(filter) << filter.error().detail;
    auto out = run(*filter, 3);
    ASSERT_EQ(out.size(), 3u);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(out[i]->pts, 9'000'000'000 + i * 3003);
    EXPECT_NEAR(out[0]->data[0][0], 195, 2);
}

TEST(video_filter, the_empty_graph_changes_nothing) {
    auto filter = build("");
    ASSERT_TRUE(filter);
    auto out = run(*filter, 1);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0]->data[0][0], 60);
}

TEST(video_filter, makes_the_size_that_the_graph_says_even) {
    auto filter = build("scale=51:33");
    ASSERT_TRUE(filter) << filter.error().detail;
    EXPECT_EQ(filter->output(), (picture_size{50, 32}));
}

TEST(video_filter, scales_to_a_given_size) {
    auto filter = build("scale=128:128", picture_size{64, 32});
    ASSERT_TRUE(filter) << filter.error().detail;
    auto out = run(*filter, 1);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0]->width, 64);
    EXPECT_EQ(out[0]->height, 32);
}

TEST(video_filter, refuses_sizes_over_the_limit_even_in_the_middle) {
    for (const char* text :
         {"scale=5000:100",
          "scale=30000:30000,scale=64:64",
          "scale=iw*100:ih*200,negate",
          "pad=9000:9000",
          "rotate=0:ow=20000:oh=20000"}) {
        auto filter = build(text);
        ASSERT_FALSE(filter) << text;
        EXPECT_EQ(filter.error().code, errc::too_large) << text;
    }
}

TEST(video_filter, tells_bad_options_and_bad_links) {
    for (const char* text :
         {"eq=no_such_option=1",
          "crop=9000:9000",
          "split=2",
          "[a]negate;[b]hflip",
          "overlay",
          "blend=all_mode=nonsense"}) {
        auto filter = build(text);
        ASSERT_FALSE(filter) << text;
        EXPECT_EQ(filter.error().code, errc::invalid_argument) << text;
        EXPECT_FALSE(filter.error().detail.empty());
    }
}

TEST(video_filter, passes_on_what_libavfilter_complains_about) {
    auto filter = build("crop=9000:9000");
    ASSERT_FALSE(filter);
    EXPECT_NE(filter.error().detail.find("too big"), std::string::npos) << filter.error().detail;
}

TEST(video_filter, runs_graphs_with_branches) {
    auto filter = build("split=2[a][b];[a]hflip[c];[b][c]hstack");
    ASSERT_TRUE(filter) << filter.error().detail;
    EXPECT_EQ(filter->output(), (picture_size{128, 32}));
    EXPECT_EQ(run(*filter, 2).size(), 2u);
}

TEST(video_filter, drains_what_a_filter_with_a_memory_holds) {
    auto filter = build("tmix=frames=3");
    ASSERT_TRUE(filter) << filter.error().detail;
    auto out = run(*filter, 5);
    filter->drain([&](frame_ptr made) { out.push_back(std::move(made)); });
    EXPECT_EQ(out.size(), 5u);
}

TEST(video_filter, knows_which_pictures_fit) {
    auto filter = build("negate");
    ASSERT_TRUE(filter);
    EXPECT_TRUE(filter->fits(*grey(64, 32, 0)));
    EXPECT_FALSE(filter->fits(*grey(32, 32, 0)));
}

} // namespace rivulet::worker
