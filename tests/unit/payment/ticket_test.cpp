#include "base/base64.hpp"
#include "payment/payment_message.hpp"
#include "payment/signature.hpp"
#include "payment/ticket.hpp"
#include "session/keccak.hpp"

#include <gtest/gtest.h>

namespace rivulet::payment {
namespace {

std::string hex(std::string_view text) {
    return *session::from_hex(text);
}

const std::string hash_b = "41b1a0649752af1b28b3dc29a1556eee781e4a4c3a1f7f53f90fa834de098c4d";
const std::string sender = "2c7536E3605D9C16a7a3D7b1898e529396a65c23";

std::string hash_text(const ticket& one) {
    return session::to_hex(ticket_hash(one));
}

ticket full_ticket() {
    ticket one;
    one.recipient = hex("73AEd7b5dEb30222fa896f399d46cC99c7BEe57F");
    one.sender = hex(sender);
    one.face_value = 1000000;
    one.win_prob = integer(1) << 255;
    one.nonce = 1;
    one.recipient_rand_hash = hex(hash_b);
    one.created.round = 5;
    one.created.block_hash =
        hex("7624778dedc75f8b322b9fa1632a610d40b85e106c7d9bf0e743a9ce291b9c6f");
    return one;
}

session::ticket_params params(const integer& face_value, const integer& win_prob, int expires) {
    session::ticket_params out;
    out.recipient = std::string(20, '\x11');
    out.face_value = big_endian(face_value);
    out.win_prob = big_endian(win_prob);
    out.recipient_rand_hash = std::string(32, '\x22');
    out.expiration_block = big_endian(expires);
    return out;
}

sender_funds rich() {
    sender_funds out;
    out.deposit = integer("1000000000000000000");
    out.reserve = integer("1000000000000000000");
    out.current_round = 100;
    return out;
}

TEST(payments_conformance, s6_ticket_hashes_are_those_of_the_vectors) {
    ticket nonce_1;
    nonce_1.nonce = 1;
    EXPECT_EQ(
        hash_text(nonce_1), "ce0918ba94518293e9712effbe5fca4f1f431089833a5b8c257cb1e024595f68"
    );
    ticket last_nonce;
    last_nonce.nonce = 4294967295u;
    EXPECT_EQ(
        hash_text(last_nonce), "e1393fc7f6de093780674022f96cb8e3872235167d037c04d554e58c0e63d280"
    );
    ticket valued;
    valued.face_value = 1;
    valued.win_prob = 500;
    EXPECT_EQ(
        hash_text(valued), "87ef13f2d37e4d5352a01d3c77b8179d80e0887f1953bfabfd0bfd7b0f689ddd"
    );
    ticket of_round;
    of_round.created.round = 10;
    of_round.created.block_hash = hex(hash_b);
    EXPECT_EQ(
        hash_text(of_round), "e502907c16036ab3d11b78c5a2e93c20f3d6415c67f91de4ed01348182b3b2e2"
    );
    EXPECT_EQ(
        hash_text(full_ticket()), "2487978aad87a0e1d91881f790da15168be5e283028ee1a1ad2f9f2330d276bd"
    );
    const auto key =
        *signing_key::of(hex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"));
    EXPECT_EQ(
        session::to_hex(key.sign(ticket_hash(full_ticket()))),
        "eef1ae22d2d2c0cb63f2a54cfce83d875dcc636cd87c8fe77b62c26262165dca3b21be79977d63d514d96988e1"
        "01ac18f105a4b4ab2ab0299fd3df1889a134dc1c"
    );
}

TEST(payments_conformance, s6_the_round_counts_unless_both_its_parts_are_zero) {
    ticket bare, zeros, round_only, hash_only;
    zeros.created.block_hash = std::string(32, '\0');
    round_only.created.round = 1;
    hash_only.created.block_hash = hex(hash_b);
    EXPECT_EQ(ticket_hash(bare), ticket_hash(zeros));
    EXPECT_NE(ticket_hash(bare), ticket_hash(round_only));
    EXPECT_NE(ticket_hash(bare), ticket_hash(hash_only));
}

TEST(payments_conformance, s7_the_expected_value_divides_by_2_to_the_256_minus_1) {
    EXPECT_EQ(expected_value(5, max_uint256()), amount(5));
    EXPECT_EQ(expected_value(1, 1), amount(1, max_uint256()));
    EXPECT_EQ(
        expected_value(1000000, integer(1) << 255),
        amount(integer(1000000) << 255, (integer(1) << 256) - 1)
    );
    EXPECT_NE(expected_value(2, integer(1) << 255), amount(1)); // that would be 2^256
}

TEST(payments_conformance, s9_one_block_left_is_expired_and_two_are_not) {
    const auto ev = params(1000, max_uint256() / 2, 1001);
    const auto at = [&](std::int64_t block) { return check_tickets(ev, 1, block, rich(), {}); };
    EXPECT_EQ(at(1002), ticket_problem::expired);
    EXPECT_EQ(at(1000), ticket_problem::expired);
    EXPECT_EQ(at(999), ticket_problem::none);
}

TEST(payments_conformance, s10_each_limit_refuses_with_words_of_its_own) {
    const auto half = max_uint256() / 2;
    ticket_limits limits;
    limits.max_ticket_ev = 1000;
    limits.max_total_ev = 5000;
    const auto check = [&](const integer& face, std::uint64_t count) {
        return check_tickets(params(face, half, 1000), count, 0, rich(), limits);
    };
    EXPECT_EQ(check(1900, 1), ticket_problem::none);
    EXPECT_EQ(check(2000, 1), ticket_problem::none); // just below 1000
    EXPECT_EQ(check(2002, 1), ticket_problem::ev_too_high);
    EXPECT_EQ(check(1900, 6), ticket_problem::total_too_high);
    auto poor = rich();
    poor.deposit = 3799;
    limits.deposit_multiplier = 2;
    EXPECT_EQ(
        check_tickets(params(1900, half, 1000), 1, 0, poor, limits),
        ticket_problem::face_value_too_high
    );
    poor.deposit = 3800;
    EXPECT_EQ(check_tickets(params(1900, half, 1000), 1, 0, poor, limits), ticket_problem::none);
    std::set<std::string_view> texts;
    for (auto problem :
         {ticket_problem::ev_too_high,
          ticket_problem::total_too_high,
          ticket_problem::face_value_too_high,
          ticket_problem::face_value_too_low,
          ticket_problem::expired})
        texts.insert(to_string(problem));
    EXPECT_EQ(texts.size(), 5u);
}

TEST(ticket, is_refused_for_what_the_chain_says_about_us) {
    const auto usable = params(1000, max_uint256() / 2, 1000);
    const auto with = [&](auto change) {
        auto funds = rich();
        change(funds);
        return check_tickets(usable, 1, 0, funds, {});
    };
    EXPECT_EQ(with([](auto& f) { f.withdraw_round = 101; }), ticket_problem::withdrawing);
    EXPECT_EQ(with([](auto& f) { f.withdraw_round = 102; }), ticket_problem::none);
    EXPECT_EQ(with([](auto& f) { f.reserve = 0; }), ticket_problem::no_reserve);
    EXPECT_EQ(with([](auto& f) { f.deposit = 0; }), ticket_problem::no_deposit);
    EXPECT_EQ(check_tickets({}, 1, 0, rich(), {}), ticket_problem::missing);
    EXPECT_EQ(check_tickets(params(1000, 1, 0), 1, 0, rich(), {}), ticket_problem::no_expiration);
    // Always winning, or worth nothing.
    EXPECT_EQ(
        check_tickets(params(1000, max_uint256(), 9), 1, 0, rich(), {}),
        ticket_problem::face_value_too_low
    );
    EXPECT_EQ(check_tickets(params(0, 0, 9), 1, 0, {}, {}), ticket_problem::none);
}

TEST(ticket, huge_numbers_of_a_stranger_are_only_numbers) {
    auto huge = params(max_uint256(), max_uint256() - 1, 1000);
    EXPECT_EQ(check_tickets(huge, 1, 0, rich(), {}), ticket_problem::ev_too_high);
    huge.expiration_block = std::string(5000, '\xff');
    EXPECT_EQ(check_tickets(huge, 1, 0, rich(), {}), ticket_problem::ev_too_high);
}

TEST(ticket, wins_below_its_probability_only) {
    const std::string signature(65, 'x');
    EXPECT_TRUE(ticket_wins(signature, 7, max_uint256()));
    EXPECT_FALSE(ticket_wins(signature, 7, 0));
    const auto drawn = from_big_endian(keccak(signature + big_endian_32(7)));
    EXPECT_FALSE(ticket_wins(signature, 7, drawn));
    EXPECT_TRUE(ticket_wins(signature, 7, drawn + 1));
}

TEST(payment_message, is_that_of_the_vector) {
    payment_message payment;
    payment.sender = hex(sender);
    payment.expected_price.per_unit = 1;
    payment.expected_price.pixels_per_unit = 1;
    EXPECT_EQ(payment_header(payment), "EhQsdTbjYF2cFqej17GJjlKTlqZcIyoECAEQAQ==");
}

TEST(payment_message, tells_what_it_is_worth) {
    payment_message payment;
    payment.sender = hex(sender);
    payment.params = params(1000, max_uint256(), 9);
    payment.tickets = {{1, std::string(65, 'a')}, {2, std::string(65, 'b')}};
    const auto worth = worth_of(payment_header(payment));
    ASSERT_TRUE(worth);
    EXPECT_EQ(worth->tickets, 2u);
    EXPECT_EQ(worth->value, amount(2000));
    EXPECT_EQ(worth->recipient, std::string(20, '\x11'));
    EXPECT_FALSE(worth_of("no base64"));
    EXPECT_EQ(worth_of("")->tickets, 0u);
}

TEST(amount, is_written_as_gwei_and_eth) {
    EXPECT_EQ(eth_text(integer("1500000000000000000")), "1.5");
    EXPECT_EQ(eth_text(1), "0.000000000000000001");
    EXPECT_EQ(eth_text(0), "0");
    EXPECT_DOUBLE_EQ(gwei(amount(3'000'000'000)), 3.0);
    EXPECT_EQ(big_endian_32(from_big_endian(std::string(40, '\xff'))), std::string(32, '\xff'));
    EXPECT_EQ(from_big_endian(""), 0);
}

} // namespace
} // namespace rivulet::payment
