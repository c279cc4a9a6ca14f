// Probabilistic tickets (spec/payments.md 6): the hash that is signed, what a ticket is worth,
// whether it wins, and whether an orchestrator's parameters may be used. Pure.
#pragma once

#include "payment/amount.hpp"
#include "session/orchestrator_info.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::payment {

// Lets tickets lapse with the round they were made in. Used only when both parts are there.
struct ticket_round {
    std::int64_t round = 0;
    std::string block_hash; // 32 bytes or none

    bool known() const;
};

struct ticket {
    std::string recipient, sender; // 20 bytes; none counts as zeros
    integer face_value = 0, win_prob = 0;
    std::uint32_t nonce = 0;
    std::string recipient_rand_hash; // 32 bytes; none counts as zeros
    ticket_round created;
};

std::string ticket_hash(const ticket& one); // 32 bytes

// face_value · win_prob / (2^256 − 1).
amount expected_value(const integer& face_value, const integer& win_prob);
amount expected_value(const session::ticket_params& params);

// "0x" and the recipient's hash: names a run of nonces.
std::string ticket_session_id(const session::ticket_params& params);

// For doubles: a gateway never sees the recipient's number.
bool ticket_wins(
    std::string_view signature, const integer& recipient_rand, const integer& win_prob
);

// What the chain says about us.
struct sender_funds {
    integer deposit = 0, reserve = 0;
    std::int64_t withdraw_round = 0; // 0: no withdrawal under way
    std::int64_t current_round = 0;
};

struct ticket_limits {
    integer max_ticket_ev = 3'000'000'000'000; // -maxTicketEV, wei
    integer max_total_ev = 20'000'000'000'000; // -maxTotalEV, of one payment
    std::int64_t deposit_multiplier = 1;       // -depositMultiplier
};

enum class ticket_problem {
    none,
    missing,
    no_expiration,
    expired, // the only one that fresh parameters cure
    face_value_too_low,
    ev_too_high,
    withdrawing,
    no_reserve,
    no_deposit,
    total_too_high,
    face_value_too_high
};

// Before `count` tickets with these parameters are signed. `last_l1_block` is the chain's newest.
ticket_problem check_tickets(
    const std::optional<session::ticket_params>& params,
    std::uint64_t count,
    std::int64_t last_l1_block,
    const sender_funds& funds,
    const ticket_limits& limits
);

// For people, in the network's words where it has some.
std::string_view to_string(ticket_problem problem);

} // namespace rivulet::payment
