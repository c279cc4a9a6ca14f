#include "live/control_fsm.hpp"

#include <gtest/gtest.h>

namespace rivulet::live {
namespace {

using namespace std::chrono_literals;
using step = control_fsm::step::kind;

const time_point start = time_point{} + 1h;
const auto ok = error_code();
const auto not_found = make_error_code(errc::not_found);
const auto broken = make_error_code(errc::connect_failed);

bytes text(std::string_view t) {
    return bytes::copy_of(t);
}

TEST(live_conformance, s10_the_cached_update_is_the_first_control_message) {
    control_fsm control(text(R"({"prompt":"x"})"), start);
    const auto first = control.next(start);
    ASSERT_EQ(first.what, step::send);
    EXPECT_EQ(first.message.text(), R"({"prompt":"x"})");
    control.sent(ok, start);
    EXPECT_EQ(control.next(start).what, step::wait);
}

TEST(live_conformance, s11_updates_go_out_byte_for_byte_and_in_order) {
    control_fsm control(std::nullopt, start);
    const std::string odd("{ \"a\" : \"\xff\\u00e9\" ,\r\n\"b\":1}\n");
    control.update(text(odd));
    control.update(text("{}"));
    auto sent = control.next(start);
    ASSERT_EQ(sent.what, step::send);
    EXPECT_EQ(sent.message.text(), odd);
    control.sent(ok, start);
    sent = control.next(start);
    ASSERT_EQ(sent.what, step::send);
    EXPECT_EQ(sent.message.text(), "{}");
}

TEST(live_conformance, s38_a_keepalive_goes_out_every_ten_seconds) {
    control_fsm control(std::nullopt, start);
    EXPECT_EQ(control.next(start).until, start + 10s);
    EXPECT_EQ(control.next(start + 9999ms).what, step::wait);
    for (auto at : {start + 10s, start + 20s, start + 30s}) {
        const auto sent = control.next(at);
        ASSERT_EQ(sent.what, step::send);
        EXPECT_EQ(sent.message.text(), R"({"keep":"alive"})");
        control.sent(ok, at);
        EXPECT_EQ(control.next(at).until, at + 10s);
    }
}

TEST(live_conformance, s38_updates_do_not_delay_the_keepalive) {
    control_fsm control(std::nullopt, start);
    control.update(text("{}"));
    ASSERT_EQ(control.next(start + 9s).what, step::send);
    control.sent(ok, start + 9s);
    EXPECT_EQ(control.next(start + 9s).until, start + 10s);
}

TEST(live_conformance, s35_a_404_on_control_ends_the_job) {
    control_fsm control(std::nullopt, start);
    (void)control.next(start + 10s);
    control.sent(not_found, start + 10s);
    EXPECT_EQ(control.next(start + 10s).what, step::gone);
}

TEST(control_fsm, tries_the_cached_parameters_three_times_a_tenth_of_a_second_apart) {
    control_fsm control(text("{}"), start);
    for (auto at : {start, start + 100ms, start + 200ms}) {
        ASSERT_EQ(control.next(at).what, step::send);
        control.sent(broken, at);
        if (at != start + 200ms) {
            EXPECT_EQ(control.next(at).until, at + 100ms);
        }
    }
    EXPECT_EQ(control.next(start + 200ms).what, step::undelivered);
}

TEST(control_fsm, keeps_an_update_that_could_not_be_delivered) {
    control_fsm control(std::nullopt, start);
    control.update(text(R"({"a":1})"));
    for (auto at : {start, start + 100ms, start + 200ms}) {
        ASSERT_EQ(control.next(at).what, step::send);
        control.sent(broken, at);
    }
    EXPECT_EQ(control.next(start + 300ms).what, step::wait);
    const auto again = control.next(start + 10s);
    ASSERT_EQ(again.what, step::send);
    EXPECT_EQ(again.message.text(), R"({"a":1})");
    control.sent(ok, start + 10s);
    EXPECT_EQ(control.next(start + 10s).message.text(), control_fsm::keepalive);
}

TEST(control_fsm, ignores_a_lost_keepalive) {
    control_fsm control(std::nullopt, start);
    (void)control.next(start + 10s);
    control.sent(broken, start + 10s);
    EXPECT_EQ(control.next(start + 10s).what, step::wait);
    EXPECT_EQ(control.next(start + 20s).what, step::send);
}

TEST(control_fsm, bounds_what_waits_and_never_drops_the_newest) {
    control_fsm control(std::nullopt, start);
    control.update(text("first"));
    ASSERT_EQ(control.next(start).message.text(), "first"); // being written
    for (int i = 0; i < 100; ++i)
        control.update(text(std::to_string(i)));
    EXPECT_LE(control.waiting(), control_fsm::queued_updates);
    control.sent(ok, start);
    std::string last;
    for (auto next = control.next(start); next.what == step::send; next = control.next(start)) {
        last = next.message.text();
        control.sent(ok, start);
    }
    EXPECT_EQ(last, "99");

    const std::string big(1024 * 1024, 'x');
    for (int i = 0; i < 10; ++i)
        control.update(text(big));
    EXPECT_LE(control.waiting(), 2u);
    EXPECT_GE(control.waiting(), 1u);
}

} // namespace
} // namespace rivulet::live
