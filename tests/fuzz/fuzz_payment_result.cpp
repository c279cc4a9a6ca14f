// What an orchestrator answers to a payment, and payment headers: protobuf from strangers.
#include "base/base64.hpp"
#include "payment/payment_message.hpp"
#include "payment/ticket.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace rivulet;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static const auto known = [] {
        session::orchestrator_info info;
        info.transcoder = "https://o:8935";
        session::auth_token token;
        token.token = "t";
        token.session_id = "s";
        info.token = token;
        return info;
    }();
    if (const auto newer = payment::parse_payment_result(text, known)) {
        // An answer to a payment moves no job.
        if ((*newer)->transcoder != known.transcoder || !(*newer)->token ||
            (*newer)->token->session_id != "s")
            std::abort();
        if (const auto& tickets = (*newer)->tickets)
            (void)payment::expected_value(*tickets);
        payment::sender_funds funds;
        funds.deposit = funds.reserve = 1;
        (void)payment::check_tickets((*newer)->tickets, 3, 1000, funds, {});
    }
    (void)payment::worth_of(text);
    const auto worth = payment::worth_of(to_base64(text));
    if (worth && worth->value < 0)
        std::abort();
    return 0;
}
