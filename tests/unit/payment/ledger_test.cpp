#include "payment/ledger.hpp"

#include <gtest/gtest.h>

namespace rivulet::payment {
namespace {

using end = ledger::end;
using namespace std::chrono_literals;

const ledger::key account{"recipient", "27_model"};
const time_point start = time_point() + 1h;

TEST(payments_conformance, s12_the_worked_example_sends_25_then_61_tickets) {
    ledger book;
    const amount price(6, 7), ev = 35;
    const amount first = price * 1000, second = price * 2500;
    const auto one = book.stage(account, first, ev, start);
    EXPECT_EQ(one.tickets, 25u);
    book.finish(one, end::settled, first, start);
    EXPECT_EQ(to_string(book.balance(account)), "125/7");
    const auto two = book.stage(account, second, ev, start);
    EXPECT_EQ(two.tickets, 61u);
    book.finish(two, end::settled, second, start);
    EXPECT_EQ(to_string(book.balance(account)), "10");
}

TEST(payments_conformance, s13_enough_credit_needs_no_tickets) {
    ledger book;
    const auto first = book.stage(account, 30, 35, start);
    book.finish(first, end::settled, -65, start); // 100 left
    const auto next = book.stage(account, 100, 35, start);
    EXPECT_EQ(next.tickets, 0u);
    EXPECT_EQ(next.added, 0);
    EXPECT_EQ(next.existing, 100);
}

TEST(payments_conformance, s14_a_fee_below_a_ticket_still_gets_one) {
    ledger book;
    EXPECT_EQ(book.stage(account, amount(1, 1000), 35, start).tickets, 1u);
}

TEST(payments_conformance, s15_what_was_not_sent_is_given_back_and_change_is_kept) {
    ledger book;
    auto staged = book.stage(account, 30, 35, start);
    book.finish(staged, end::settled, 30, start);
    EXPECT_EQ(book.balance(account), 5);
    staged = book.stage(account, 30, 35, start);
    EXPECT_EQ(book.balance(account), 0); // reserved
    book.finish(staged, end::unsent, 0, start);
    EXPECT_EQ(book.balance(account), 5);
    staged = book.stage(account, 30, 35, start);
    book.finish(staged, end::refused, 0, start); // nothing was taken from what was there (P3)
    EXPECT_EQ(book.balance(account), 5);
    staged = book.stage(account, 30, 35, start);
    book.finish(staged, end::spent, 0, start);
    EXPECT_EQ(book.balance(account), 0);
}

TEST(ledger, a_settled_debit_above_the_credit_leaves_a_debt) {
    ledger book;
    const auto staged = book.stage(account, 30, 35, start);
    book.finish(staged, end::settled, 50, start);
    EXPECT_EQ(book.balance(account), -15);
    EXPECT_EQ(book.stage(account, 30, 35, start).tickets, 2u);
}

TEST(ledger, two_payments_at_once_do_not_use_the_same_credit) {
    ledger book;
    book.finish(book.stage(account, 10, 35, start), end::settled, 10, start);
    const auto one = book.stage(account, 20, 35, start);
    const auto two = book.stage(account, 20, 35, start);
    EXPECT_EQ(one.existing, 25);
    EXPECT_EQ(one.tickets, 1u);
    EXPECT_EQ(two.existing, 0);
    EXPECT_EQ(two.tickets, 1u);
}

TEST(ledger, free_work_and_worthless_tickets_send_none) {
    ledger book;
    EXPECT_EQ(book.stage(account, 0, 0, start).tickets, 0u);
    EXPECT_EQ(book.stage(account, 30, 0, start).tickets, 0u);
}

TEST(ledger, forgets_an_account_before_the_orchestrator_does) {
    ledger book;
    book.finish(book.stage(account, 30, 35, start), end::settled, 30, start);
    EXPECT_EQ(book.stage(account, 1, 35, start + 9min).existing, 0);
    book.stage({"other", "x"}, 1, 35, start + 30min);
    EXPECT_EQ(book.accounts(), 1u);
}

TEST(ledger, absurd_fees_make_no_absurd_list_of_tickets) {
    ledger book;
    const auto staged = book.stage(account, amount(max_uint256()), amount(1, max_uint256()), start);
    EXPECT_EQ(staged.tickets, 4294967295u);
}

} // namespace
} // namespace rivulet::payment
