// What discovery tells operators stays bounded, whatever clients ask for and orchestrators answer.
#include "session/discovery_watch.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const time_point start{};

std::size_t lines_with(const std::string& text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

TEST(log_budget, allows_some_lines_about_each_one_and_says_when_it_ends) {
    log_budget budget;
    for (int i = 1; i < log_budget::lines; ++i)
        EXPECT_EQ(budget.about("https://a:1", start), log_budget::verdict::say);
    EXPECT_EQ(budget.about("https://a:1", start), log_budget::verdict::say_last);
    EXPECT_EQ(budget.about("https://a:1", start + 9min), log_budget::verdict::keep_quiet);
    EXPECT_EQ(budget.about("https://b:1", start), log_budget::verdict::say);
    EXPECT_EQ(budget.about("https://a:1", start + 10min), log_budget::verdict::say);
}

TEST(log_budget, of_too_many_subjects_the_rest_shares_one_budget) {
    log_budget budget;
    int said = 0;
    for (std::size_t i = 0; i < log_budget::most_subjects + 100; ++i)
        if (budget.about(fmt::format("https://{}:1", i), start) != log_budget::verdict::keep_quiet)
            ++said;
    EXPECT_EQ(said, static_cast<int>(log_budget::most_subjects) + log_budget::lines);
    EXPECT_LE(budget.subjects(), log_budget::most_subjects + 1);
    EXPECT_EQ(budget.about("https://new:1", start + 10min), log_budget::verdict::say);
    EXPECT_LE(budget.subjects(), 2u) << "those of the past are forgotten";
}

class discovery_watch_log : public testing::Test {
  protected:
    template <class Work>
    std::string logged(Work work) {
        testing::internal::CaptureStderr();
        work();
        return testing::internal::GetCapturedStderr();
    }

    observe::metrics metrics;
    discovery_watch watch{metrics, nullptr, logger("discovery")};
};

TEST_F(discovery_watch_log, names_an_address_once) {
    const auto text = logged([this] {
        watch.failed(
            "https://a:1",
            failure(errc::connect_failed, "can't connect to https://a:1: connection refused")
        );
    });
    EXPECT_EQ(lines_with(text, "https://a:1"), 1u) << text;
    EXPECT_THAT(text, HasSubstr("connection refused; it is not used"));
}

TEST_F(discovery_watch_log, names_that_clients_think_up_do_not_fill_it) {
    const auto text = logged([this] {
        for (int i = 0; i < 1000; ++i)
            watch.rejected(
                "https://a:1",
                fmt::format("live-video-to-video invented-{}", i),
                fmt::format("it does not offer live-video-to-video invented-{}", i)
            );
    });
    EXPECT_EQ(lines_with(text, "does not offer"), static_cast<std::size_t>(log_budget::lines));
    EXPECT_THAT(text, HasSubstr("level debug"));
}

TEST_F(discovery_watch_log, one_that_comes_and_goes_does_not_fill_it) {
    const auto text = logged([this] {
        for (int i = 0; i < 100; ++i) {
            watch.failed("https://a:1", failure(errc::timed_out, "it did not answer"));
            watch.accepted("https://a:1", "live-video-to-video noop");
        }
    });
    EXPECT_LE(lines_with(text, "\n"), static_cast<std::size_t>(log_budget::lines) + 1) << text;
}

TEST_F(discovery_watch_log, models_that_nobody_serves_make_room_for_those_that_are) {
    for (int i = 0; i < 300; ++i)
        watch.available(capability::live_video_to_video, fmt::format("invented-{}", i), 0);
    watch.available(capability::live_video_to_video, "served", 2);
    const auto text = metrics.text();
    EXPECT_THAT(text, HasSubstr("model_name=\"served\""));
    EXPECT_LE(lines_with(text, "model_name=\"invented"), 256u);
}

} // namespace
} // namespace rivulet::session
