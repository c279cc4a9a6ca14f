// What went wrong at one orchestrator, and what that asks for: whose fault it is decides whether it
// is left alone for a while (spec/orchestrators.md 6). Codes and statuses first; the network's own
// texts where there is nothing better. Pure.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace rivulet::session {

enum class fault_kind {
    capacity,        // "insufficient capacity", OrchestratorCapped: full, not broken
    tickets_expired, // "TicketParams expired", "expired auth token": again with fresh ones
    ticket_nonce,    // "invalid ticket senderNonce"
    payment,         // 402, 403, "Insufficient balance", 481: it does not take our money or token
    bad_request,     // the client's own mistake; nobody will take it
    declined,        // 400 of the orchestrator itself: another may well take it
    client_gone,     // the client left
    unreachable,     // connect, TLS, connection lost
    timed_out,       // no answer in time
    internal,        // 5xx: it failed
    protocol,        // an answer that can't be used
    slow,            // live: segments pile up
    stalled,         // live: no output, no events
    lost             // live: its channels are gone
};

struct fault {
    fault_kind kind = fault_kind::internal;
    unsigned status = 0; // HTTP's, when there was one
    std::string text;    // for people, at most 300 bytes of what it said

    fault() {}

    fault(fault_kind k, std::string t, unsigned s = 0) : kind(k), status(s), text(std::move(t)) {}
};

// From a client call that failed (code and detail), or from a status and body that are no success.
fault to_fault(const failure& why);
fault to_fault(unsigned status, std::string_view body);
// From a payer that failed (the signer is down, no tickets): never the orchestrator's own fault.
fault to_payment_fault(const failure& why);

enum class remedy {
    same_again,  // the same orchestrator, with fresh ticket parameters
    try_another, // without a mark against it
    set_aside,   // not again for this request
    suspend,     // its own fault: not again for a while
    give_up      // the request is at fault
};

// `tries_here`: tries of this request at this orchestrator so far, this one included.
remedy remedy_for(fault_kind kind, int tries_here);

std::string_view to_string(fault_kind kind);

} // namespace rivulet::session
