// What is said to a remote signer and what it answers (spec/payments.md 10), with every size
// bounded: its answers become request headers. Pure.
// Fails with: invalid_argument, protocol_violation and a text for people.
#pragma once

#include "base/error.hpp"
#include "payment/payments.hpp"
#include "session/orchestrator_info.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::payment {

struct payment_question {
    std::string orchestrator;                 // the serialized OrchestratorInfo
    std::string capabilities;                 // serialized; may be empty
    std::optional<boost::json::object> state; // exactly as the signer gave it
    std::string manifest;                     // empty on the first call
    std::string type;                         // "lv2v"; empty: by `units`
    work_units units = 0;
};

// The body of POST /generate-live-payment.
std::string to_json(const payment_question& question);

struct signer_reply {
    enum class kind {
        paid,
        refresh,    // 480: it needs newer parameters from the orchestrator
        over_price, // 481
        no_tickets, // 482: nothing is due yet
        failed      // everything else
    };
    kind what = kind::failed;
    job_headers headers;
    boost::json::object state;
    std::string text; // when not paid

    signer_reply() {}
};

constexpr std::size_t signer_reply_bytes = 512 * 1024;

signer_reply parse_payment_reply(unsigned status, std::string_view body);

// Of POST /sign-orchestrator-info: the address that pays, and its signature.
outcome<session::caller_identity> parse_identity(unsigned status, std::string_view body);

} // namespace rivulet::payment
