#include "live/hash_key.hpp"
#include "live/key_file.hpp"
#include "live/stream_keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view secret = "correct horse battery";

std::string
line(std::string_view pattern, std::string_view actions, std::string_view key = secret) {
    return make_key_line(pattern, actions, key).value() + "\n";
}

TEST(stream_keys, a_line_holds_for_its_streams_and_actions_only) {
    const auto keys = stream_keys::parse("# first\n\n" + line("cam-*", "publish,watch")).value();
    EXPECT_EQ(keys.size(), 1u);
    EXPECT_TRUE(keys.allow(key_use::publish, "cam-1", secret));
    EXPECT_TRUE(keys.allow(key_use::watch, "cam-", secret));
    EXPECT_FALSE(keys.allow(key_use::control, "cam-1", secret));
    EXPECT_FALSE(keys.allow(key_use::publish, "cam", secret));
    EXPECT_FALSE(keys.allow(key_use::publish, "xcam-1", secret));
    EXPECT_FALSE(keys.allow(key_use::publish, "cam-1", "correct horse batterz"));
    EXPECT_FALSE(keys.allow(key_use::publish, "cam-1", ""));
    EXPECT_FALSE(keys.allow(key_use::publish, "cam-1", std::string(secret) + " "));
}

TEST(stream_keys, each_of_several_keys_of_a_stream_works) {
    const std::string other = "another key of the stream";
    const auto keys = stream_keys::parse(line("cam", "watch") + line("cam", "all", other)).value();
    EXPECT_TRUE(keys.allow(key_use::watch, "cam", secret));
    EXPECT_TRUE(keys.allow(key_use::watch, "cam", other));
    EXPECT_FALSE(keys.allow(key_use::control, "cam", secret));
    EXPECT_TRUE(keys.allow(key_use::control, "cam", other));
}

TEST(stream_keys, anyone_opens_a_stream_without_a_key) {
    const auto keys = stream_keys::parse("demo watch anyone # the shop window\n").value();
    EXPECT_TRUE(keys.allow(key_use::watch, "demo", ""));
    EXPECT_TRUE(keys.allow(key_use::watch, "demo", "whatever it is"));
    EXPECT_FALSE(keys.allow(key_use::publish, "demo", ""));
    EXPECT_FALSE(keys.allow(key_use::watch, "demo2", ""));
}

TEST(stream_keys, what_concerns_all_streams_takes_a_key_of_all_streams) {
    const auto keys =
        stream_keys::parse(line("c*", "control") + line("*", "control", "key of everything"))
            .value();
    EXPECT_FALSE(keys.allow(key_use::control, "", secret));
    EXPECT_TRUE(keys.allow(key_use::control, "", "key of everything"));
}

TEST(stream_keys, the_file_holds_no_key_and_every_line_its_own_salt) {
    const auto one = line("cam", "all"), two = line("cam", "all");
    EXPECT_THAT(one, Not(HasSubstr(std::string(secret))));
    EXPECT_NE(one, two);
}

TEST(stream_keys, a_mistake_is_named_by_its_line_and_shows_no_key) {
    const auto why = [](const std::string& text) {
        auto parsed = stream_keys::parse(text);
        return parsed ? std::string("accepted") : parsed.error().detail;
    };
    EXPECT_THAT(why("\n#\ncam publish"), HasSubstr("line 3"));
    EXPECT_THAT(why("cam publish hunter2-in-clear"), HasSubstr("not hashed"));
    EXPECT_THAT(why("cam publish hunter2-in-clear"), Not(HasSubstr("hunter2")));
    EXPECT_THAT(why("cam read anyone"), HasSubstr("publish, watch and control"));
    EXPECT_THAT(why("cam publish, anyone"), HasSubstr("publish, watch and control"));
    EXPECT_THAT(why("cam publish sha256$00$00"), HasSubstr("damaged"));
    EXPECT_THAT(why("cam publish sha256$"), HasSubstr("damaged"));
    EXPECT_THAT(why("a/b publish anyone"), HasSubstr("pattern"));
    EXPECT_THAT(why("cam publish anyone else"), HasSubstr("PATTERN ACTIONS KEY"));
    EXPECT_EQ(why(line("cam", "publish")), "accepted");
    std::string many;
    for (int i = 0; i < 10'000; ++i)
        many += "cam watch anyone\n";
    EXPECT_EQ(why(many), "accepted");
    EXPECT_THAT(why(many + "cam watch anyone\n"), HasSubstr("10000"));
}

TEST(stream_keys, a_short_key_gets_no_line) {
    EXPECT_TRUE(make_key_line("cam", "all", std::string(16, 'k')));
    EXPECT_FALSE(make_key_line("cam", "all", std::string(15, 'k')));
    EXPECT_TRUE(make_key_line("cam", "all", std::string(512, 'k')));
    EXPECT_FALSE(make_key_line("cam", "all", std::string(513, 'k')));
    EXPECT_FALSE(make_key_line("", "all", secret));
    EXPECT_FALSE(make_key_line("#cam", "all", secret));
    EXPECT_FALSE(make_key_line("cam", "", secret));
}

TEST(stream_keys, patterns_have_stars_and_question_marks) {
    EXPECT_TRUE(matches("*", ""));
    EXPECT_TRUE(matches("a*b*c", "abc"));
    EXPECT_TRUE(matches("a*b*c", "a--b-b--c"));
    EXPECT_FALSE(matches("a*b*c", "a--b--"));
    EXPECT_TRUE(matches("cam-??", "cam-12"));
    EXPECT_FALSE(matches("cam-??", "cam-1"));
    EXPECT_FALSE(matches("", "a"));
    // A pattern that would take for ever if it were tried in every way.
    EXPECT_FALSE(matches("*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(128, 'a')));
}

TEST(hash_key, makes_a_line_of_the_key_that_it_reads) {
    std::istringstream in(std::string(secret) + "\r\nnot this");
    std::ostringstream out, notes;
    EXPECT_EQ(hash_key(std::vector<std::string>{"cam", "watch"}, &in, out, notes), 0);
    EXPECT_TRUE(stream_keys::parse(out.str()).value().allow(key_use::watch, "cam", secret));
    EXPECT_EQ(notes.str(), "");
}

TEST(hash_key, makes_a_key_up_and_shows_it_beside_the_line) {
    std::istringstream empty;
    for (std::istream* in :
         {static_cast<std::istream*>(nullptr), static_cast<std::istream*>(&empty)}) {
        std::ostringstream out, notes;
        EXPECT_EQ(hash_key(std::vector<std::string>{"cam", "all"}, in, out, notes), 0);
        auto key = notes.str();
        ASSERT_GT(key.size(), 33u);
        key = key.substr(key.size() - 33, 32);
        EXPECT_TRUE(stream_keys::parse(out.str()).value().allow(key_use::control, "cam", key));
        EXPECT_THAT(out.str(), Not(HasSubstr(key)));
    }
}

TEST(hash_key, a_mistake_makes_no_line) {
    for (const std::vector<std::string>& wrong :
         {std::vector<std::string>{}, {"cam"}, {"cam", "read"}, {"cam", "all", "more"}}) {
        std::ostringstream out, notes;
        EXPECT_EQ(hash_key(wrong, nullptr, out, notes), 2);
        EXPECT_EQ(out.str(), "");
        EXPECT_NE(notes.str(), "");
    }
}

class key_file_test : public testing::Test {
  protected:
    key_file_test() {
        char name[] = "/tmp/rivulet-keys-XXXXXX";
        ::close(::mkstemp(name));
        path = name;
    }

    ~key_file_test() override { std::filesystem::remove(path); }

    void write(const std::string& text) { std::ofstream(path, std::ios::trunc) << text; }

    std::filesystem::path path;
};

TEST_F(key_file_test, takes_changes_and_keeps_the_old_keys_when_they_are_wrong) {
    write(line("cam", "watch"));
    auto file = key_file::open(path, logger("test")).value();
    const auto start = steady_clock::now();
    EXPECT_TRUE(file->keys(start)->allow(key_use::watch, "cam", secret));
    write(line("cam", "watch", "the new key of cam"));
    EXPECT_TRUE(file->keys(start + 500ms)->allow(key_use::watch, "cam", secret)) << "looked again";
    EXPECT_FALSE(file->keys(start + 1s)->allow(key_use::watch, "cam", secret));
    EXPECT_TRUE(file->keys(start + 1s)->allow(key_use::watch, "cam", "the new key of cam"));
    write("nonsense\n");
    EXPECT_TRUE(file->keys(start + 2s)->allow(key_use::watch, "cam", "the new key of cam"));
    std::filesystem::remove(path);
    EXPECT_TRUE(file->keys(start + 3s)->allow(key_use::watch, "cam", "the new key of cam"));
    write("");
    EXPECT_FALSE(file->keys(start + 4s)->allow(key_use::watch, "cam", "the new key of cam"));
}

TEST_F(key_file_test, a_bad_file_at_the_start_is_named) {
    write("cam\n");
    auto bad = key_file::open(path, logger("test"));
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().detail, HasSubstr(path.string() + ": line 1"));
    auto none = key_file::open("/nonexistent/keys", logger("test"));
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().detail, HasSubstr("/nonexistent/keys: No such file"));
    EXPECT_FALSE(key_file::open("/tmp", logger("test")));
}

} // namespace
} // namespace rivulet::live
