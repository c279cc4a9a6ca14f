#include "batch/result_check.hpp"
#include "batch/result_files.hpp"
#include "batch/result_store.hpp"
#include "support/batch_samples.hpp"
#include "support/scratch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sys/stat.h>

namespace rivulet::batch {
namespace {

using namespace std::chrono_literals;
using test::batch_sample;
using testing::HasSubstr;
using testing::MatchesRegex;

const time_point start = steady_clock::now();

struct opened {
    observe::metrics metrics;
    std::shared_ptr<result_store> store;

    explicit opened(const result_store_options& options) {
        set_log_level(log_level::off);
        store = result_store::open(options, metrics, logger("test")).value();
    }

    std::string put(const std::string& bytes, time_point now = start) {
        return store->put(bytes, "png", now).value();
    }
};

std::set<std::string> files_in(const std::string& folder) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().filename().string().front() != '.')
            names.insert(entry.path().filename().string());
    return names;
}

TEST(result_store, gives_out_paths_that_nobody_guesses) {
    opened in{result_store_options()};
    const auto first = in.put("a"), second = in.put("a");
    EXPECT_THAT(first, MatchesRegex("/stream/[0-9a-f]{32}/[0-9a-f]{16}\\.png"));
    EXPECT_NE(first.substr(0, 41), second.substr(0, 41));
    EXPECT_THAT(*in.store->put("a", "../x", start), MatchesRegex(".*\\.bin"));
}

TEST(result_store, holds_at_its_limits) {
    result_store_options options;
    options.file_bytes = 10;
    options.bytes = 20;
    opened in(options);
    EXPECT_EQ(in.store->limit_of_file(), 10u);
    EXPECT_TRUE(in.store->put(std::string(10, 'a'), "png", start));
    EXPECT_EQ(in.store->put(std::string(11, 'a'), "png", start).error().code, errc::too_large);
    EXPECT_TRUE(in.store->put(std::string(10, 'b'), "png", start));
    EXPECT_EQ(in.store->put("c", "png", start).error().code, errc::too_many);
    EXPECT_TRUE(in.store->put("c", "png", start + 61s)) << "the oldest may go by now";
    const auto text = in.metrics.text();
    EXPECT_THAT(text, HasSubstr("rivulet_result_files 2"));
    EXPECT_THAT(text, HasSubstr("rivulet_result_bytes 11"));
    EXPECT_THAT(text, HasSubstr("rivulet_results_stored_total 3"));
    EXPECT_THAT(text, HasSubstr("rivulet_results_removed_total{reason=\"room\"} 1"));
    EXPECT_THAT(text, HasSubstr("rivulet_results_refused_total{reason=\"full\"} 1"));
}

TEST(result_store, a_folder_has_files_for_its_owner_alone_and_loses_them_when_they_expire) {
    const test::scratch scratch;
    result_store_options options;
    options.folder = scratch / "results";
    opened in(options);
    const auto path = in.put("content");
    const auto names = files_in(options.folder);
    ASSERT_EQ(names.size(), 1u);
    EXPECT_EQ("/stream/" + std::string(*names.begin()).replace(32, 1, "/"), path);

    struct stat about {};

    ASSERT_EQ(::stat((options.folder / *names.begin()).c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
    EXPECT_EQ(about.st_size, 7);
    in.store->sweep(start + 59min);
    EXPECT_EQ(files_in(options.folder).size(), 1u);
    in.store->sweep(start + 1h);
    EXPECT_TRUE(files_in(options.folder).empty());
}

TEST(result_store, takes_over_what_an_earlier_process_left) {
    const test::scratch scratch;
    result_store_options options;
    options.folder = scratch / "results";
    { opened(options).put("content"); }
    const auto known = *files_in(options.folder).begin();
    std::ofstream(options.folder / "notes.txt") << "somebody else's";
    std::ofstream(options.folder / ".part-1234") << "half a result";
    const auto old = std::string(32, 'a') + "-" + std::string(16, 'b') + ".png";
    std::ofstream(options.folder / old) << "long ago";
    std::filesystem::last_write_time(
        options.folder / old, std::filesystem::file_time_type::clock::now() - 2h
    );
    opened again(options);
    EXPECT_THAT(again.metrics.text(), HasSubstr("rivulet_result_files 1"));
    EXPECT_THAT(again.metrics.text(), HasSubstr("rivulet_result_bytes 7"));
    EXPECT_THAT(files_in(options.folder), testing::ElementsAre(known, "notes.txt"));
    EXPECT_FALSE(std::filesystem::exists(options.folder / ".part-1234"));
}

TEST(result_store, a_folder_belongs_to_one_process) {
    const test::scratch scratch;
    result_store_options options;
    options.folder = scratch / "results";
    opened first(options);
    observe::metrics metrics;
    const auto second = result_store::open(options, metrics, logger("test"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, errc::already_exists);
    EXPECT_THAT(second.error().detail, HasSubstr(options.folder.string()));
}

TEST(result_store, a_folder_that_can_not_be_written_is_said_at_the_start) {
    result_store_options options;
    options.folder = "/proc/self/results";
    observe::metrics metrics;
    const auto made = result_store::open(options, metrics, logger("test"));
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().detail, HasSubstr("/proc/self/results"));
}

TEST(result_files, only_its_own_names_are_opened_or_removed) {
    const auto good = std::string(32, 'a') + "-" + std::string(16, 'b') + ".mp4";
    EXPECT_TRUE(is_result_name(good));
    for (const auto& bad :
         {std::string(),
          std::string("../../etc/passwd"),
          good.substr(1),
          good + "toolong99",
          good.substr(0, 49) + "/mp4",
          good.substr(0, 50),
          std::string(32, 'A') + good.substr(32),
          good.substr(0, 50) + "a/b",
          good.substr(0, 50) + "a%b"})
        EXPECT_FALSE(is_result_name(bad)) << bad;
}

TEST(result_check, the_extension_follows_what_the_bytes_are) {
    struct {
        reply_kind kind;
        const char *sample, *extension;
    } const rows[] = {
        {reply_kind::images, "still.png", "png"},
        {reply_kind::images, "still.jpg", "jpg"},
        {reply_kind::images, "moving.gif", "gif"},
        {reply_kind::images, "still.webp", "webp"},
        {reply_kind::video, "clip.mp4", "mp4"},
        {reply_kind::video, "clip.webm", "webm"},
        {reply_kind::video, "moving.gif", "gif"},
        {reply_kind::audio, "sound.wav", "wav"},
        {reply_kind::audio, "sound.mp3", "mp3"},
        {reply_kind::audio, "sound.flac", "flac"},
        {reply_kind::audio, "sound.ogg", "ogg"},
        {reply_kind::audio, "fragments.mp4", "m4a"},
        {reply_kind::audio, "sound.webm", "webm"},
    };

    for (const auto& row : rows) {
        const auto found = check_result(row.kind, batch_sample(row.sample));
        ASSERT_TRUE(found) << row.sample << ": " << found.error().detail;
        EXPECT_EQ(*found, row.extension);
    }
}

TEST(result_check, what_is_not_what_the_pipeline_promises_is_refused) {
    struct {
        reply_kind kind;
        std::string bytes;
    } const rows[] = {
        {reply_kind::images, ""},
        {reply_kind::images, "<html>Not found</html>"},
        {reply_kind::images, batch_sample("clip.mp4")},
        {reply_kind::images, batch_sample("still.png").substr(0, 100)},
        {reply_kind::video, batch_sample("still.png")},
        {reply_kind::video, batch_sample("sound.m4a")},
        {reply_kind::video, batch_sample("fragments.mp4")}, // sound alone
        {reply_kind::video, batch_sample("clip.mp4").substr(0, 600)},
        {reply_kind::audio, batch_sample("still.jpg")},
        {reply_kind::audio, batch_sample("clip.mp4")}, // no sound
    };

    for (const auto& row : rows) {
        const auto found = check_result(row.kind, row.bytes);
        ASSERT_FALSE(found) << row.bytes.substr(0, 20);
        EXPECT_EQ(found.error().code, errc::media_error);
    }
}

} // namespace
} // namespace rivulet::batch
