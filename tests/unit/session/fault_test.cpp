#include "base/asio.hpp"
#include "session/fault.hpp"

#include <boost/asio/error.hpp>
#include <gtest/gtest.h>

namespace rivulet::session {
namespace {

struct reply_row {
    unsigned status;
    const char* body;
    fault_kind kind;
};

TEST(fault, statuses_decide_and_known_texts_refine_them) {
    const reply_row rows[] = {
        {503, "insufficient capacity\n", fault_kind::capacity},
        {503, "", fault_kind::capacity},
        {429, "slow down", fault_kind::capacity},
        {500, "insufficient capacity", fault_kind::capacity},
        {403, "OrchestratorCapped", fault_kind::capacity},
        {403, "ErrSegSig", fault_kind::payment},
        {403, "missing auth token", fault_kind::payment},
        {403, "expired auth token", fault_kind::tickets_expired},
        {403, "invalid auth token", fault_kind::tickets_expired},
        {402, "anything", fault_kind::payment},
        {400, "Insufficient balance", fault_kind::payment},
        {400, "invalid ticket signature", fault_kind::payment},
        {400, "orchestrator 0x1 is inactive in round 7", fault_kind::payment},
        {481, "over the limit", fault_kind::payment},
        {482, "no tickets", fault_kind::payment},
        {480, "refresh", fault_kind::tickets_expired},
        {400, "TicketParams expired", fault_kind::tickets_expired},
        {400, "invalid ticket senderNonce: 3", fault_kind::ticket_nonce},
        {400, "undecodable image", fault_kind::bad_request},
        {413, "", fault_kind::bad_request},
        {422, "[{\"loc\":1}]", fault_kind::bad_request},
        {500, "audio-to-text container returned 415: not sound", fault_kind::bad_request},
        {500, "text-to-image container returned 400: bad prompt", fault_kind::bad_request},
        {500, "Unable to calculate duration", fault_kind::bad_request},
        {500, "CUDA out of memory", fault_kind::internal},
        {502, "", fault_kind::internal},
        {504, "", fault_kind::timed_out},
        {404, "no such path", fault_kind::protocol},
        {302, "", fault_kind::protocol},
    };
    for (const auto& row : rows) {
        const auto said = to_fault(row.status, row.body);
        EXPECT_EQ(said.kind, row.kind) << row.status << " " << row.body;
        EXPECT_EQ(said.status, row.status);
        EXPECT_FALSE(said.text.empty());
    }
}

TEST(fault, failures_of_a_call_have_their_kinds) {
    EXPECT_EQ(to_fault(failure(errc::timed_out, "x")).kind, fault_kind::timed_out);
    EXPECT_EQ(to_fault(failure(errc::connect_failed, "x")).kind, fault_kind::unreachable);
    EXPECT_EQ(to_fault(failure(errc::tls_failed, "x")).kind, fault_kind::unreachable);
    EXPECT_EQ(
        to_fault(failure(error_code(asio::error::connection_reset), "x")).kind,
        fault_kind::unreachable
    );
    EXPECT_EQ(to_fault(failure(errc::protocol_violation, "x")).kind, fault_kind::protocol);
    EXPECT_EQ(to_fault(failure(errc::too_large, "endless")).kind, fault_kind::protocol);
    EXPECT_EQ(to_fault(failure(errc::cancelled, "x")).kind, fault_kind::client_gone);
    EXPECT_EQ(to_fault(failure(errc::payment_refused, "x")).kind, fault_kind::payment);
    EXPECT_EQ(
        to_fault(failure(errc::http_status, "Invalid orchestrator request: OrchestratorCapped"))
            .kind,
        fault_kind::capacity
    );
}

TEST(fault, the_status_in_a_call_s_words_counts) {
    const auto said = to_fault(failure(errc::http_status, "answered 402: pay first"));
    EXPECT_EQ(said.kind, fault_kind::payment);
    EXPECT_EQ(said.status, 402u);
    EXPECT_EQ(to_fault(failure(errc::http_status, "answered 99999: x")).status, 0u);
    EXPECT_EQ(to_fault(failure(errc::http_status, "answered ")).kind, fault_kind::internal);
}

TEST(fault, a_payer_that_fails_is_no_fault_of_the_orchestrator) {
    for (const auto code :
         {errc::connect_failed, errc::timed_out, errc::http_status, errc::invalid_argument}) {
        const auto why = to_payment_fault(failure(code, "signer: it is down"));
        EXPECT_EQ(why.kind, fault_kind::payment);
        EXPECT_EQ(remedy_for(why.kind, 1), remedy::set_aside);
    }
    EXPECT_EQ(to_payment_fault(failure(errc::cancelled, "")).kind, fault_kind::client_gone);
}

TEST(fault, what_a_peer_said_is_one_short_line_of_valid_text) {
    const auto said = to_fault(500, "a\r\nb\x01\xff" + std::string(5000, 'x') + "\n");
    EXPECT_LE(said.text.size(), 300u);
    EXPECT_EQ(said.text.substr(0, 6), "a  b ?");
    EXPECT_EQ(to_fault(500, "bad\n\n").text, "bad");
}

TEST(fault, who_is_at_fault_decides_what_follows) {
    using enum remedy;
    EXPECT_EQ(remedy_for(fault_kind::tickets_expired, 1), same_again);
    EXPECT_EQ(remedy_for(fault_kind::tickets_expired, 2), same_again);
    EXPECT_EQ(remedy_for(fault_kind::tickets_expired, 3), set_aside);
    for (const auto kind :
         {fault_kind::capacity,
          fault_kind::ticket_nonce,
          fault_kind::payment,
          fault_kind::declined})
        EXPECT_EQ(remedy_for(kind, 1), set_aside);
    for (const auto kind : {fault_kind::bad_request, fault_kind::client_gone})
        EXPECT_EQ(remedy_for(kind, 1), give_up);
    for (const auto kind :
         {fault_kind::unreachable,
          fault_kind::timed_out,
          fault_kind::internal,
          fault_kind::protocol,
          fault_kind::slow,
          fault_kind::stalled})
        EXPECT_EQ(remedy_for(kind, 1), suspend);
    EXPECT_EQ(remedy_for(fault_kind::lost, 1), try_another);
}

} // namespace
} // namespace rivulet::session
