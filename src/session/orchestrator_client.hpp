// Asks one orchestrator to take a live job.
// Thread: the caller's shard; the client holds no state and may be copied.
// Fails with: timed_out, connect_failed, tls_failed, http_status (the detail is the orchestrator's
// own text), protocol_violation (the answer can't be used).
#pragma once

#include "base/asio.hpp"
#include "http/client.hpp"
#include "session/live_offer.hpp"

#include <string>

namespace rivulet::session {

// Values of the payment headers. Off-chain: a session without signature, no payment.
struct live_credentials {
    std::string segment; // Livepeer-Segment, base64
    std::string payment; // Livepeer-Payment, base64 or empty

    static live_credentials off_chain(const std::string& manifest);
};

class orchestrator_client {
  public:
    static constexpr auto start_limit = std::chrono::seconds(5); // connect, ask and answer

    orchestrator_client(http::client_options options, channel_hosts hosts)
        : options_(std::move(options)), hosts_(hosts) {}

    // `base` as orchestrator_base() returns it.
    awaitable<outcome<live_channels>> start_live(
        std::string base,
        live_request request,
        live_credentials credentials,
        duration limit = start_limit
    ) const;

  private:
    http::client_options options_;
    channel_hosts hosts_;
};

} // namespace rivulet::session
