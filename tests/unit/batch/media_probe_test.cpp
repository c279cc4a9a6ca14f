#include "batch/image_header.hpp"
#include "batch/media_format.hpp"
#include "batch/media_probe.hpp"
#include "batch/picture_bombs.hpp"
#include "support/batch_samples.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <sys/resource.h>

namespace rivulet::batch {
namespace {

using test::batch_sample;

outcome<media_facts>
probe(media_kind wanted, const std::string& bytes, const probe_limits& limits = {}) {
    spool content{spool_limits()};
    const std::span<const std::uint8_t> all(
        reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()
    );
    EXPECT_FALSE(content.write(all));
    return probe_media(wanted, content, limits);
}

outcome<media_facts> probe_picture(const std::string& name) {
    return probe(media_kind::image, batch_sample(name));
}

TEST(media_probe, knows_the_size_of_every_kind_of_picture) {
    struct {
        const char *name, *format;
        int width, height;
    } const rows[] = {
        {"still.png", "png", 48, 32},
        {"still.jpg", "jpeg", 48, 32},
        {"moving.gif", "gif", 48, 32},
        {"still.webp", "webp", 48, 32},
        {"lossless.webp", "webp", 48, 32},
        {"moving.webp", "webp", 48, 32},
        {"still.bmp", "bmp", 16, 12},
        {"still.tiff", "tiff", 48, 32},
    };

    for (const auto& row : rows) {
        const auto facts = probe_picture(row.name);
        ASSERT_TRUE(facts) << row.name << ": " << facts.error().detail;
        EXPECT_EQ(facts->width, row.width) << row.name;
        EXPECT_EQ(facts->height, row.height) << row.name;
        EXPECT_EQ(facts->format, row.format);
    }
}

TEST(media_probe, refuses_pictures_that_break_off) {
    for (const char* name : {"still.png", "still.jpg", "moving.gif", "still.webp", "still.bmp"}) {
        const auto whole = batch_sample(name);
        for (const auto part : {0.05, 0.1, 0.3}) {
            const auto size = static_cast<std::size_t>(static_cast<double>(whole.size()) * part);
            const auto facts = probe(media_kind::image, whole.substr(0, size));
            EXPECT_FALSE(facts) << name << " cut to " << size << " of " << whole.size();
        }
    }
}

TEST(media_probe, refuses_a_picture_whose_bytes_were_changed) {
    auto bytes = batch_sample("still.png");
    bytes[bytes.size() / 2] ^= 0x10;
    const auto facts = probe(media_kind::image, bytes);
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().code, errc::media_error);
    EXPECT_EQ(facts.error().detail, "the picture can't be decoded: it is no whole png file");
}

TEST(media_probe, refuses_a_picture_that_claims_to_be_enormous_before_it_is_decoded) {
    auto bytes = batch_sample("still.png");
    bytes[16] = 0x7f; // the width's first byte
    const auto facts = probe(media_kind::image, bytes);
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().detail, "the picture is 2130706480x32; at most 16384x16384 is taken");
}

TEST(media_probe, counts_the_pixels_of_impossible_sides_without_overflow) {
    image_header header;
    header.width = header.height = 0xe1e1e1e1;
    EXPECT_EQ(header.pixels(), std::int64_t{1} << 60);
    header.width = 16'384;
    header.height = 16'385;
    EXPECT_EQ(header.pixels(), 16'384ll * 16'385);
}

TEST(media_probe, takes_a_picture_at_the_limit_and_none_past_it) {
    probe_limits limits;
    limits.width = 48;
    limits.height = 32;
    EXPECT_TRUE(probe(media_kind::image, batch_sample("still.png"), limits));
    limits.height = 31;
    EXPECT_FALSE(probe(media_kind::image, batch_sample("still.png"), limits));
}

TEST(media_probe, takes_no_sound_for_a_picture_and_no_picture_for_sound) {
    for (const char* name : {"sound.wav", "clip.mp4"})
        EXPECT_EQ(probe_picture(name).error().code, errc::unsupported) << name;
    EXPECT_EQ(probe(media_kind::audio, batch_sample("still.png")).error().code, errc::unsupported);
    EXPECT_EQ(probe(media_kind::audio, "just some text").error().code, errc::unsupported);
    EXPECT_EQ(probe(media_kind::image, "").error().detail, "the file is empty");
}

TEST(media_probe, knows_how_long_every_kind_of_sound_lasts) {
    struct {
        const char* name;
        double seconds;
    } const rows[] = {
        {"sound.wav", 3.9},
        {"sound.mp3", 3.996},
        {"bare.mp3", 3.996}, // without a header that says so
        {"sound.flac", 1},
        {"sound.ogg", 3.9},
        {"sound.m4a", 3.9},
        {"sound.webm", 3.908},
        {"live.webm", 3.9}, // as browsers record: without a duration
        {"fragments.mp4", 3.964},
    };

    for (const auto& row : rows) {
        const auto facts = probe(media_kind::audio, batch_sample(row.name));
        ASSERT_TRUE(facts) << row.name << ": " << facts.error().detail;
        EXPECT_NEAR(facts->seconds, row.seconds, 0.09) << row.name;
    }
}

TEST(media_probe, refuses_sound_that_is_longer_than_the_limit) {
    probe_limits limits;
    limits.seconds = 3.5;
    for (const char* name : {"sound.wav", "bare.mp3", "live.webm"})
        EXPECT_FALSE(probe(media_kind::audio, batch_sample(name), limits)) << name;
    limits.seconds = 4;
    EXPECT_TRUE(probe(media_kind::audio, batch_sample("sound.wav"), limits));
}

TEST(media_probe, refuses_a_video_without_sound) {
    const auto facts = probe(media_kind::audio, batch_sample("clip.mp4"));
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().detail, "the mp4 file has no sound in it");
}

TEST(media_probe, believes_no_container_that_claims_an_hour_for_a_second) {
    auto bytes = batch_sample("sound.m4a");
    // The movie's and the track's durations, in their heads: "mvhd" and "mdhd", both version 0.
    for (const char* box : {"mvhd", "mdhd"}) {
        const auto at = bytes.find(box);
        ASSERT_NE(at, bytes.npos);
        bytes[at + 4 + 4 + 8 + 4 + 1] = 0x40;
    }
    const auto facts = probe(media_kind::audio, bytes);
    EXPECT_FALSE(facts) << facts->seconds;
}

TEST(media_probe, looks_into_files_that_are_not_in_memory) {
    const auto bytes = batch_sample("sound.wav");
    spool_limits limits;
    limits.memory = 16;
    spool content(limits);
    const std::span<const std::uint8_t> all(
        reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()
    );
    ASSERT_FALSE(content.write(all));
    const auto facts = probe_media(media_kind::audio, content);
    ASSERT_TRUE(facts);
    EXPECT_DOUBLE_EQ(facts->seconds, 3.9);
}

TEST(batch_conformance, s18_what_is_no_picture_is_found_before_anybody_is_asked) {
    for (const auto& bytes :
         {std::string("\x89PNG\r\n\x1a\n and then nothing"),
          std::string("GIF89a\0\0\0\0;", 11),
          std::string("\xff\xd8\xff\xe0 no more", 12),
          batch_sample("still.jpg").substr(0, 200)}) {
        const auto facts = probe(media_kind::image, bytes);
        ASSERT_FALSE(facts);
        EXPECT_EQ(facts.error().code, errc::media_error);
        EXPECT_NE(facts.error().detail, "");
    }
}

TEST(batch_conformance, s22_what_is_no_sound_is_found_before_anybody_is_asked) {
    const auto wave = batch_sample("sound.wav");
    for (const auto& bytes :
         {wave.substr(0, 20),
          std::string("RIFF\xff\xff\xff\x7fWAVEjunk", 16),
          std::string("\xff\xfb\x90\x00", 4) + std::string(2000, 'x'),
          std::string("OggS") + std::string(500, '\0'),
          batch_sample("sound.m4a").substr(0, 300)}) {
        const auto facts = probe(media_kind::audio, bytes);
        ASSERT_FALSE(facts) << bytes.substr(0, 4) << " lasts " << facts->seconds;
        EXPECT_EQ(facts.error().code, errc::media_error);
    }
}

std::string big_endian(std::uint32_t value) {
    std::string made;
    for (int shift = 24; shift >= 0; shift -= 8)
        made += static_cast<char>(value >> shift & 0xff);
    return made;
}

std::string box(const std::string& type, const std::string& content) {
    return big_endian(static_cast<std::uint32_t>(content.size() + 8)) + type + content;
}

std::string numbers(std::initializer_list<std::uint32_t> all) {
    std::string made;
    for (const auto each : all)
        made += big_endian(each);
    return made;
}

// A track that says it has so many samples, all in one chunk, in a few bytes.
std::string sound_track(std::uint32_t id, std::uint32_t samples) {
    const auto zeros = [](std::size_t count) { return std::string(count, '\0'); };
    const auto format = zeros(6) + std::string("\0\1", 2) + zeros(8) + std::string("\0\2\0\20", 4) +
                        zeros(4) + numbers({48000u << 16});
    const auto table = box("stsd", numbers({0, 1}) + box("mp4a", format)) +
                       box("stts", numbers({0, 1, samples, 1024})) +
                       box("stsc", numbers({0, 1, 1, samples, 1})) +
                       box("stsz", numbers({0, 1, samples})) + box("stco", numbers({0, 1, 40}));
    const auto media = box("mdhd", numbers({0, 0, 0, 48000, samples, 0})) +
                       box("hdlr", numbers({0, 0}) + "soun" + zeros(13)) +
                       box("minf", box("smhd", zeros(8)) + box("stbl", table));
    return box(
        "trak", box("tkhd", numbers({7, 0, 0, id, 0, 1000}) + zeros(60)) + box("mdia", media)
    );
}

long peak_megabytes() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss / 1024;
}

std::string defused(std::string file) {
    file.resize(without_bombs({reinterpret_cast<std::uint8_t*>(file.data()), file.size()}));
    return file;
}

TEST(media_probe, an_index_of_millions_of_samples_in_a_few_bytes_takes_no_gigabytes) {
    std::string tracks;
    for (std::uint32_t id = 1; id <= 2; ++id)
        tracks += sound_track(id, 60'000'000);
    const auto file =
        box("ftyp", "isom" + std::string(4, '\0') + "isom") + box("mdat", std::string(1000, '\0')) +
        box("moov", box("mvhd", numbers({0, 0, 0, 48000, 1000}) + std::string(80, '\0')) + tracks);
    const auto before = peak_megabytes();
    EXPECT_FALSE(probe(media_kind::audio, file));
    EXPECT_LT(peak_megabytes() - before, 800);
}

TEST(media_probe, compressed_texts_of_a_png_are_not_unpacked) {
    const auto plain = batch_sample("still.png");
    const std::size_t behind_header = 8 + 25;
    const auto chunk = [](const std::string& type, const std::string& content) {
        return big_endian(static_cast<std::uint32_t>(content.size())) + type + content +
               std::string(4, '\0');
    };
    auto file = plain;
    file.insert(
        behind_header,
        chunk("zTXt", "a bomb") + chunk("iCCP", std::string(5000, 'x')) + chunk("iTXt", "")
    );
    EXPECT_EQ(defused(file), defused(plain));
    EXPECT_TRUE(probe(media_kind::image, file)); // their sums are wrong, so nobody looked at them
}

TEST(media_probe, a_jpeg_of_thousands_of_scans_is_not_decoded) {
    auto file = batch_sample("still.jpg");
    EXPECT_EQ(defused(file), file);
    for (int i = 0; i < 1000; ++i)
        file.insert(file.size() - 2, "\xff\xda");
    EXPECT_EQ(defused(file), "");
    EXPECT_FALSE(probe(media_kind::image, file));
}

TEST(media_format, goes_by_content_alone) {
    const auto name = [](const std::string& text) -> std::string_view {
        const auto* found = sniff_media(
            {reinterpret_cast<const std::uint8_t*>(text.data()),
             std::min<std::size_t>(text.size(), 64)}
        );
        return found ? found->name : "nothing";
    };
    EXPECT_EQ(name(batch_sample("clip.mp4")), "mp4");
    EXPECT_EQ(name(batch_sample("clip.webm")), "webm");
    EXPECT_EQ(name(batch_sample("sound.m4a")), "m4a");
    for (const char* text : {"", "B", "BM", "RIFF", "<svg/>", "%PDF", "#EXTM3U", "ffconcat"})
        EXPECT_EQ(name(text), "nothing") << text;
    EXPECT_EQ(content_type_of("jpg"), "image/jpeg");
    EXPECT_EQ(content_type_of("html"), "application/octet-stream");
}

} // namespace
} // namespace rivulet::batch
