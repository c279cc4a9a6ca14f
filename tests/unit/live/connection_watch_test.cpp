#include "live/connection_watch.hpp"

#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using channel = connection_watch::channel;
using verdict = connection_watch::verdict;
const time_point start = time_point{} + 1h;
const error_code refused = make_error_code(errc::connect_failed);
const error_code reset = asio::error::connection_reset;

TEST(connection_watch, a_broken_connection_is_tried_again_at_once) {
    connection_watch watch;
    EXPECT_EQ(watch.failed(channel::output, asio::error::eof, start), verdict::again);
}

TEST(connection_watch, an_orchestrator_that_refuses_the_second_try_is_gone) {
    connection_watch watch;
    EXPECT_EQ(watch.failed(channel::output, reset, start), verdict::again);
    EXPECT_EQ(watch.failed(channel::output, refused, start + 1ms), verdict::gone);
}

TEST(connection_watch, two_channels_that_break_together_mean_that_it_is_gone) {
    connection_watch watch;
    EXPECT_EQ(watch.failed(channel::events, reset, start), verdict::again);
    EXPECT_EQ(watch.failed(channel::output, reset, start + 5ms), verdict::gone);
    connection_watch apart;
    EXPECT_EQ(apart.failed(channel::events, reset, start), verdict::again);
    EXPECT_EQ(apart.failed(channel::output, reset, start + 2s), verdict::again);
}

TEST(connection_watch, a_try_that_worked_forgives) {
    connection_watch watch;
    EXPECT_EQ(watch.failed(channel::output, reset, start), verdict::again);
    watch.worked(channel::output);
    EXPECT_EQ(watch.failed(channel::output, reset, start + 10ms), verdict::again);
    EXPECT_EQ(watch.failed(channel::output, reset, start + 1min), verdict::again); // long ago
}

TEST(connection_watch, answers_that_say_no_are_not_its_business) {
    connection_watch watch;
    for (const auto code : {errc::http_status, errc::sequence_not_found, errc::timed_out})
        for (int i = 0; i < 3; ++i)
            EXPECT_EQ(
                watch.failed(channel::output, make_error_code(code), start), verdict::patience
            );
}

TEST(connection_watch, uploads_that_break_in_one_moment_are_one_loss) {
    connection_watch watch;
    EXPECT_EQ(watch.failed(channel::input, reset, start), verdict::again);
    EXPECT_EQ(watch.failed(channel::input, reset, start + 1ms), verdict::again);
    EXPECT_EQ(watch.failed(channel::input, refused, start + 250ms), verdict::gone);
}

} // namespace
} // namespace rivulet::live
