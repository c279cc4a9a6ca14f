// Tells whoever asked for a job that it is over: a POST of what GET /jobs/{id} shows, repeated with
// growing pauses until it is taken. Clients choose the address, so it is none of this machine or a
// private network unless that is allowed.
// Thread: the pure parts any; deliver() any shard.
// Fails with: invalid_argument, unauthorized, http_status and the client's codes; no text shows
// more of the address than host and port.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "batch/job_journal.hpp"
#include "http/client.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::batch {

struct webhook_rules {
    bool private_hosts = false;
    std::string secret; // what the signature is made with; empty: none is sent
    duration limit = std::chrono::seconds(15); // of one delivery

    webhook_rules() {}
};

// Whether an address may be told; literals only, names are looked at when they are connected to.
outcome<http::http_url> check_webhook(std::string_view address, const webhook_rules& rules);

// When the next try follows, after so many; nothing when it was the last.
std::optional<duration> webhook_pause(unsigned tries);

// Rivulet-Job, Rivulet-Status and, with a secret, "Rivulet-Signature: t=SECONDS,v1=HEX": the
// HMAC-SHA256 of "SECONDS.BODY".
http::header_list webhook_headers(
    const webhook_rules& rules,
    std::string_view id,
    job_state state,
    std::string_view body,
    std::int64_t seconds
);

enum class webhook_end {
    taken,
    refused, // it will never be: 410, or an address that isn't allowed
    again
};

struct webhook_report {
    webhook_end end = webhook_end::again;
    std::string text; // what was wrong

    webhook_report() {}
};

awaitable<webhook_report>
deliver(std::string address, http::header_list headers, std::string body, webhook_rules rules);

} // namespace rivulet::batch
