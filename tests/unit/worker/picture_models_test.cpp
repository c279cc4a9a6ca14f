#include "worker/model_functions.hpp"
#include "worker/picture.hpp"

#include <gtest/gtest.h>

#include <cstring>

extern "C" {
#include <libswscale/swscale.h>
}

namespace rivulet::worker {
namespace {

using pixels = std::array<int, 3>;

pixels pixel(const AVFrame& from, int x, int y) {
    const int step = from.format == AV_PIX_FMT_RGBA ? 4 : 3;
    const auto* at = from.data[0] + std::ptrdiff_t{y} * from.linesize[0] + std::ptrdiff_t{x} * step;
    return {at[0], at[1], at[2]};
}

frame_ptr decoded(const std::string& file) {
    auto made = decode_picture(file);
    EXPECT_TRUE(made.has_value());
    return made ? std::move(*made) : nullptr;
}

// The left half red, the right half blue.
std::string two_colours(int width, int height) {
    auto picture = blank_picture(width, height, AV_PIX_FMT_RGB24);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
            auto* at =
                picture->data[0] + std::ptrdiff_t{y} * picture->linesize[0] + std::ptrdiff_t{x} * 3;
            at[0] = x < width / 2 ? 250 : 10;
            at[1] = 20;
            at[2] = x < width / 2 ? 10 : 250;
        }
    return encode_png(*picture).value();
}

model_call card(std::string_view prompt, int width, int height) {
    model_call made;
    made.fields["prompt"] = prompt;
    made.fields["width"] = width;
    made.fields["height"] = height;
    made.fields["seed"] = 7;
    return made;
}

TEST(test_card, is_a_png_of_the_size_that_was_asked_for) {
    const auto made = draw_test_cards(card("a lighthouse", 321, 123));
    ASSERT_TRUE(made) << made.error().detail;
    ASSERT_EQ(made->files.size(), 1u);
    EXPECT_EQ(made->files[0].type, "image/png");
    EXPECT_EQ(made->files[0].seed, 7);
    const auto picture = decoded(made->files[0].bytes);
    ASSERT_TRUE(picture);
    EXPECT_EQ(picture->width, 321);
    EXPECT_EQ(picture->height, 123);
    EXPECT_EQ(pixel(*picture, 0, 0), (pixels{255, 255, 255})); // its edge
}

TEST(test_card, is_the_same_for_the_same_seed_and_another_for_another) {
    auto call = card("waves", 96, 64);
    const auto first = draw_test_cards(call), again = draw_test_cards(call);
    call.fields["seed"] = 8;
    const auto other = draw_test_cards(call);
    ASSERT_TRUE(first && again && other);
    EXPECT_EQ(first->files[0].bytes, again->files[0].bytes);
    EXPECT_NE(first->files[0].bytes, other->files[0].bytes);
}

TEST(test_card, counts_the_seed_on_for_further_pictures) {
    auto call = card("waves", 96, 64);
    call.fields["num_images_per_prompt"] = 3;
    const auto three = draw_test_cards(call);
    ASSERT_TRUE(three);
    ASSERT_EQ(three->files.size(), 3u);
    EXPECT_EQ(three->files[2].seed, 9);
    call.fields["num_images_per_prompt"] = 1;
    call.fields["seed"] = 9;
    const auto third = draw_test_cards(call);
    EXPECT_EQ(third->files[0].bytes, three->files[2].bytes);
}

TEST(test_card, takes_its_colours_from_the_prompt) {
    auto call = card("stripes of red and red", 256, 256);
    const auto made = draw_test_cards(call);
    ASSERT_TRUE(made);
    EXPECT_EQ(pixel(*decoded(made->files[0].bytes), 2, 2), (pixels{255, 0, 0}));
}

TEST(test_card, carries_the_prompt_as_text_that_can_be_read) {
    if (!can_read())
        GTEST_SKIP() << "no data for tesseract on this machine";
    const auto made = draw_test_cards(card("Winter is coming soon", 768, 512));
    ASSERT_TRUE(made);
    model_call reading;
    reading.file = made->files[0].bytes;
    const auto read = read_picture(reading);
    ASSERT_TRUE(read) << read.error().detail;
    const std::string text(read->body.at("text").as_string());
    EXPECT_NE(text.find("Winter"), std::string::npos) << text;
    EXPECT_NE(text.find("coming"), std::string::npos) << text;
}

TEST(test_card, refuses_what_is_too_much) {
    auto call = card("x", 8192, 8192);
    call.fields["num_images_per_prompt"] = 2;
    const auto made = draw_test_cards(call);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::invalid_argument);
    EXPECT_FALSE(draw_test_cards(card("x", 8, 512)));
}

TEST(test_card, stops_when_nobody_waits) {
    auto call = card("x", 512, 512);
    call.cancelled = [] { return true; };
    const auto made = draw_test_cards(call);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::cancelled);
}

TEST(filter_picture, turns_the_image_and_keeps_its_odd_size) {
    model_call call;
    call.fields["prompt"] = "hflip";
    call.file = two_colours(33, 21);
    const auto made = filter_picture(call);
    ASSERT_TRUE(made) << made.error().detail;
    const auto picture = decoded(made->files.at(0).bytes);
    ASSERT_TRUE(picture);
    EXPECT_EQ(picture->width, 33);
    EXPECT_EQ(picture->height, 21);
    EXPECT_EQ(pixel(*picture, 2, 10), (pixels{10, 20, 250}));
    EXPECT_EQ(pixel(*picture, 30, 10), (pixels{250, 20, 10}));
}

TEST(filter_picture, leaves_the_pixels_alone_without_a_filter) {
    model_call call;
    call.fields["prompt"] = "null";
    call.file = two_colours(20, 10);
    const auto made = filter_picture(call);
    ASSERT_TRUE(made) << made.error().detail;
    const auto before = decoded(call.file), after = decoded(made->files.at(0).bytes);
    for (int x = 0; x < 20; ++x)
        EXPECT_EQ(pixel(*before, x, 5), pixel(*after, x, 5));
}

TEST(filter_picture, refuses_what_is_no_graph_and_what_a_graph_may_not_do) {
    model_call call;
    call.file = two_colours(20, 10);
    for (const char* prompt :
         {"a cat on the moon", "movie=/etc/passwd[a];[a]overlay", "scale=90000:90000"}) {
        call.fields["prompt"] = prompt;
        const auto made = filter_picture(call);
        ASSERT_FALSE(made) << prompt;
        EXPECT_TRUE(
            made.error().code == errc::invalid_argument || made.error().code == errc::too_large
        );
        EXPECT_FALSE(made.error().detail.empty());
    }
}

TEST(enlarge_picture, makes_every_side_four_times_as_long) {
    model_call call;
    call.file = two_colours(40, 30);
    const auto made = enlarge_picture(call);
    ASSERT_TRUE(made) << made.error().detail;
    const auto picture = decoded(made->files.at(0).bytes);
    ASSERT_TRUE(picture);
    EXPECT_EQ(picture->width, 160);
    EXPECT_EQ(picture->height, 120);
    EXPECT_EQ(pixel(*picture, 20, 60), (pixels{250, 20, 10}));
    EXPECT_EQ(pixel(*picture, 140, 60), (pixels{10, 20, 250}));
}

TEST(enlarge_picture, refuses_an_image_whose_result_would_be_too_large) {
    model_call call;
    call.file = two_colours(2048, 1025);
    const auto made = enlarge_picture(call);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::too_large);
}

TEST(decode_picture, refuses_what_is_no_picture) {
    EXPECT_EQ(decode_picture("").error().code, errc::unsupported);
    EXPECT_EQ(decode_picture("hello").error().code, errc::unsupported);
    auto cut = two_colours(64, 64).substr(0, 30);
    EXPECT_EQ(decode_picture(cut).error().code, errc::media_error);
}

TEST(decode_picture, refuses_a_bomb_by_its_header) {
    // A PNG of a few bytes that says it is 65535x65535.
    auto bomb = two_colours(16, 16);
    const char sides[] = {0, 0, char(0xff), char(0xff), 0, 0, char(0xff), char(0xff)};
    std::memcpy(bomb.data() + 16, sides, sizeof sides);
    EXPECT_FALSE(decode_picture(bomb));
}

struct clip {
    int frames = 0, width = 0, height = 0;
    double fps = 0;
    std::vector<frame_ptr> pictures;
};

clip play(const std::string& mp4) {
    clip seen;
    AVFormatContext* input = avformat_alloc_context();

    struct place {
        const std::string& file;
        std::size_t at = 0;
    } from{mp4};

    const auto read = [](void* opaque, std::uint8_t* into, int size) -> int {
        auto& p = *static_cast<place*>(opaque);
        const auto count = std::min<std::size_t>(std::size_t(size), p.file.size() - p.at);
        std::memcpy(into, p.file.data() + p.at, count);
        p.at += count;
        return count ? int(count) : AVERROR_EOF;
    };
    auto* block = static_cast<unsigned char*>(av_malloc(4096));
    // Without a way to seek: the index must stand in front.
    input->pb = avio_alloc_context(block, 4096, 0, &from, read, nullptr, nullptr);
    auto* io = input->pb;
    if (avformat_open_input(&input, nullptr, nullptr, nullptr) >= 0) {
        const auto& track = *input->streams[0];
        seen.width = track.codecpar->width;
        seen.height = track.codecpar->height;
        seen.fps = av_q2d(track.avg_frame_rate);
        EXPECT_EQ(track.codecpar->codec_id, AV_CODEC_ID_H264);
        media::av_ptr<AVCodecContext> decoder(
            avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264))
        );
        avcodec_parameters_to_context(decoder.get(), track.codecpar);
        avcodec_open2(decoder.get(), nullptr, nullptr);
        media::av_ptr<AVPacket> packet(av_packet_alloc());
        const auto receive = [&] {
            for (;;) {
                frame_ptr frame(av_frame_alloc());
                if (avcodec_receive_frame(decoder.get(), frame.get()) < 0)
                    return;
                ++seen.frames;
                seen.pictures.push_back(std::move(frame));
            }
        };
        while (av_read_frame(input, packet.get()) >= 0) {
            avcodec_send_packet(decoder.get(), packet.get());
            av_packet_unref(packet.get());
            receive();
        }
        avcodec_send_packet(decoder.get(), nullptr);
        receive();
        avformat_close_input(&input);
    }
    av_freep(&io->buffer);
    avio_context_free(&io);
    return seen;
}

TEST(pan_and_zoom, makes_25_pictures_that_move) {
    model_call call;
    call.file = two_colours(200, 100);
    call.fields["width"] = 128;
    call.fields["height"] = 64;
    call.fields["fps"] = 12;
    call.fields["seed"] = 3;
    const auto made = pan_and_zoom(call);
    ASSERT_TRUE(made) << made.error().detail;
    ASSERT_EQ(made->files.size(), 1u);
    EXPECT_EQ(made->files[0].type, "video/mp4");
    const auto seen = play(made->files[0].bytes);
    EXPECT_EQ(seen.frames, 25);
    EXPECT_EQ(seen.width, 128);
    EXPECT_EQ(seen.height, 64);
    EXPECT_DOUBLE_EQ(seen.fps, 12);
    ASSERT_EQ(seen.pictures.size(), 25u);
    const auto& first = *seen.pictures.front();
    const auto& last = *seen.pictures.back();
    long moved = 0;
    for (int y = 0; y < 64; ++y)
        for (int x = 0; x < 128; ++x)
            moved += std::abs(
                first.data[0][y * first.linesize[0] + x] - last.data[0][y * last.linesize[0] + x]
            );
    EXPECT_GT(moved, 5'000);
    EXPECT_EQ(pan_and_zoom(call)->files[0].bytes, made->files[0].bytes);
}

TEST(pan_and_zoom, says_which_sizes_it_takes) {
    model_call call;
    call.file = two_colours(64, 64);
    call.fields["width"] = 130;
    call.fields["height"] = 64;
    const auto made = pan_and_zoom(call);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::invalid_argument);
    EXPECT_NE(made.error().detail.find("divisible by 8"), std::string::npos);
}

TEST(read_picture, finds_nothing_on_an_empty_picture) {
    if (!can_read())
        GTEST_SKIP() << "no data for tesseract on this machine";
    model_call call;
    call.file = two_colours(64, 64);
    const auto made = read_picture(call);
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(made->body.at("text").as_string(), "");
}

} // namespace
} // namespace rivulet::worker
