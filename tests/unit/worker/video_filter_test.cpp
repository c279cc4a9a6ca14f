#include "base/utf8.hpp"
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
    return video_filter::build(*graph, *grey(width, height, 0), size, {4096, 2160});
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

TEST(video_filter, refuses_more_work_than_a_worker_can_do) {
    std::string long_expression = "geq=lum='X";
    for (int i = 0; i < 500; ++i)
        long_expression += "+mod(X,7)";
    std::string big = "scale=4096:2160,hflip";
    for (int i = 0; i < 8; ++i)
        big += ",scale=4095:2160,hflip";
    for (const std::string& text :
         {"scale=1280:720," + long_expression.substr(0, 4000) + "'",
          big,
          std::string("scale=1920:1080,boxblur=2:8,boxblur=2:8,boxblur=2:8,boxblur=2:8")}) {
        auto filter = build(text);
        ASSERT_FALSE(filter) << text;
        EXPECT_EQ(filter.error().code, errc::too_large) << text << filter.error().detail;
        EXPECT_NE(filter.error().detail.find("work"), std::string::npos) << filter.error().detail;
    }
    for (const char* text :
         {"scale=1920:1080,boxblur=2:8", "scale=1920:1080,geq=lum='255-lum(X,Y)':cb=128:cr=128"})
        EXPECT_TRUE(build(text)) << text;
}

TEST(video_filter, refuses_to_hold_more_memory_than_a_job_has) {
    std::string glyphs = "drawtext=fontsize=256:text=";
    glyphs.append(4000, 'x');
    for (const std::string& text :
         {std::string("scale=3840:2160,tmix=frames=16"),
          std::string("scale=1920:1080,tmix=frames=16,tmix=frames=14"),
          std::string("scale=3840:2160,bilateral"),
          glyphs}) {
        auto filter = build(text);
        ASSERT_FALSE(filter) << text;
        EXPECT_EQ(filter.error().code, errc::too_large) << text << filter.error().detail;
    }
    for (const char* text : {"scale=1920:1080,tmix=frames=16", "scale=1920:1080,bilateral"})
        EXPECT_TRUE(build(text)) << text;
}

TEST(video_filter, takes_large_pictures_upright_and_on_their_side) {
    EXPECT_TRUE(build("scale=4096:2160"));
    EXPECT_TRUE(build("scale=2160:4096"));
    EXPECT_FALSE(build("scale=2162:4096"));
    EXPECT_FALSE(build("scale=4096:4096"));
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

TEST(video_filter, passes_complaints_on_as_whole_characters) {
    std::string text = "eq=brightness=1:x=";
    for (int i = 0; i < 300; ++i)
        text += "\u20ac";
    for (const char* shift : {"", "a", "aa"}) {
        auto filter = build(text + shift, {});
        ASSERT_FALSE(filter);
        EXPECT_EQ(filter.error().detail, valid_utf8(filter.error().detail));
    }
    auto shifted = build("eq=brightness=1:xx=" + text.substr(18));
    ASSERT_FALSE(shifted);
    EXPECT_EQ(shifted.error().detail, valid_utf8(shifted.error().detail));
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
