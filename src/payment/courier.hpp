// Carries one payment at a time to an orchestrator (POST /payment) and keeps it until its fate is
// known: what may have got lost on the way is sent again before anything newer is made, so no
// ticket is paid twice and none is lost (P6).
// Thread: the session's shard.
#pragma once

#include "base/asio.hpp"
#include "http/client.hpp"
#include "payment/payee.hpp"
#include "payment/payments.hpp"

#include <optional>
#include <string>

namespace rivulet::payment {

class courier {
  public:
    courier(http::client_options options, duration limit)
        : options_(std::move(options)), limit_(limit) {}

    enum class fate {
        taken,
        refused, // the orchestrator will not have it: it is dropped
        unknown  // it may have arrived: it is kept and the next call sends it again
    };

    struct report {
        fate how = fate::unknown;
        failure why; // unless taken

        report() {}

        report(fate f, failure w) : how(f), why(std::move(w)) {}
    };

    // A new payment; only while none is kept.
    awaitable<report> deliver(payee& whom, job_headers headers);
    // The kept one again.
    awaitable<report> deliver_again(payee& whom);

    bool keeps_one() const { return kept_.has_value(); }

  private:
    awaitable<report> post(payee& whom, bool again);

    http::client_options options_;
    duration limit_;
    std::optional<job_headers> kept_;
};

} // namespace rivulet::payment
