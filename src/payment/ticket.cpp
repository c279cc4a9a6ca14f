#include "payment/ticket.hpp"

#include "payment/signature.hpp"
#include "session/keccak.hpp"

#include <algorithm>

namespace rivulet::payment {
namespace {

// Exactly `size` bytes: zeros in front of a short one, the end of a long one.
std::string fixed(std::string_view raw, std::size_t size) {
    if (raw.size() > size)
        raw.remove_prefix(raw.size() - size);
    return std::string(size - raw.size(), '\0') + std::string(raw);
}

bool all_zero(std::string_view raw) {
    return std::ranges::all_of(raw, [](char c) { return c == 0; });
}

} // namespace

bool ticket_round::known() const {
    return round != 0 || !all_zero(block_hash);
}

std::string ticket_hash(const ticket& one) {
    auto text = fixed(one.recipient, 20) + fixed(one.sender, 20) + big_endian_32(one.face_value) +
                big_endian_32(one.win_prob) + big_endian_32(one.nonce) +
                fixed(one.recipient_rand_hash, 32);
    if (one.created.known())
        text += big_endian_32(one.created.round) + fixed(one.created.block_hash, 32);
    return keccak(text);
}

amount expected_value(const integer& face_value, const integer& win_prob) {
    return amount(integer(face_value * win_prob), max_uint256());
}

amount expected_value(const session::ticket_params& params) {
    return expected_value(from_big_endian(params.face_value), from_big_endian(params.win_prob));
}

std::string ticket_session_id(const session::ticket_params& params) {
    return "0x" + session::to_hex(params.recipient_rand_hash);
}

bool ticket_wins(
    std::string_view signature, const integer& recipient_rand, const integer& win_prob
) {
    const auto drawn = keccak(std::string(signature) + big_endian_32(recipient_rand));
    return from_big_endian(drawn) < win_prob;
}

ticket_problem check_tickets(
    const std::optional<session::ticket_params>& params,
    std::uint64_t count,
    std::int64_t last_l1_block,
    const sender_funds& funds,
    const ticket_limits& limits
) {
    if (!params)
        return ticket_problem::missing;
    const auto expires = from_big_endian(params->expiration_block);
    if (expires == 0)
        return ticket_problem::no_expiration;
    if (expires - last_l1_block <= 1)
        return ticket_problem::expired;
    const auto face_value = from_big_endian(params->face_value);
    const auto ev = expected_value(*params);
    if (ev <= 0)
        return ticket_problem::none;
    if (ev >= face_value)
        return ticket_problem::face_value_too_low;
    if (ev > limits.max_ticket_ev)
        return ticket_problem::ev_too_high;
    if (funds.withdraw_round != 0 && funds.withdraw_round <= funds.current_round + 1)
        return ticket_problem::withdrawing;
    if (funds.reserve <= 0)
        return ticket_problem::no_reserve;
    if (funds.deposit <= 0)
        return ticket_problem::no_deposit;
    if (ev * count > limits.max_total_ev)
        return ticket_problem::total_too_high;
    if (face_value > funds.deposit / std::max<std::int64_t>(limits.deposit_multiplier, 1))
        return ticket_problem::face_value_too_high;
    return ticket_problem::none;
}

std::string_view to_string(ticket_problem problem) {
    switch (problem) {
    case ticket_problem::none:
        return "usable";
    case ticket_problem::missing:
        return "ticketParams is nil";
    case ticket_problem::no_expiration:
        return "ticketParams expiration block is 0";
    case ticket_problem::expired:
        return "TicketParams expired";
    case ticket_problem::face_value_too_low:
        return "ticket faceValue too low: it is not above what the ticket is worth";
    case ticket_problem::ev_too_high:
        return "ticket EV higher than -maxTicketEV";
    case ticket_problem::withdrawing:
        return "our deposit is being withdrawn";
    case ticket_problem::no_reserve:
        return "we have no reserve";
    case ticket_problem::no_deposit:
        return "we have no deposit";
    case ticket_problem::total_too_high:
        return "total ticket EV higher than -maxTotalEV";
    case ticket_problem::face_value_too_high:
        return "ticket faceValue higher than our deposit / -depositMultiplier";
    }
    return "unknown";
}

} // namespace rivulet::payment
