// The messages of paying: net.Payment for the Livepeer-Payment header and net.PaymentResult, the
// answer to POST /payment. Protobuf stays in the .cpp. Pure.
// Fails with: protocol_violation and a text that names the field.
#pragma once

#include "base/error.hpp"
#include "payment/amount.hpp"
#include "payment/ticket.hpp"
#include "session/orchestrator_info.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::payment {

struct signed_ticket {
    std::uint32_t nonce = 0;
    std::string signature;
};

struct payment_message {
    std::string sender; // 20 bytes
    session::price_info expected_price;
    // With tickets only.
    std::optional<session::ticket_params> params;
    ticket_round created;
    std::vector<signed_ticket> tickets;
};

std::string to_protobuf(const payment_message& payment);
// The value of the Livepeer-Payment header.
std::string payment_header(const payment_message& payment);

// What a payment made elsewhere (a signer) is worth, for accounts and metrics. Zero for one without
// tickets; nothing for a header that can't be read.
struct payment_worth {
    std::string recipient; // 20 bytes
    std::uint64_t tickets = 0;
    integer face_value = 0;
    integer win_prob = 0;
    amount value = 0;
};

std::optional<payment_worth> worth_of(std::string_view payment_header);

// The orchestrator's newer ticket parameters, as a whole info. `known` is what the session had: its
// address, and the token that the job runs under, stay (an answer to a payment moves no job).
outcome<session::info_ptr>
parse_payment_result(std::string_view body, const session::orchestrator_info& known);

} // namespace rivulet::payment
