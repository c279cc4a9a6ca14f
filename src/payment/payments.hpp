// What an orchestrator is given besides the job: proof that discovery allowed it (the segment
// credentials) and money (spec/payments.md). Three ways behind one interface: off-chain (no money),
// a remote signer, a wallet of our own.
// Thread: a session belongs to the shard that opened it; payments itself is shared by all.
// Fails with: payment_refused (over a price limit, no tickets to be had), connect_failed,
// http_status; the text names who said what.
#pragma once

#include "base/asio.hpp"
#include "session/manager.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace rivulet::payment {

// Header values.
struct job_headers {
    std::string segment; // Livepeer-Segment, base64
    std::string payment; // Livepeer-Payment, base64 or empty

    job_headers() {}
};

// Pixels, or a pipeline's units of account.
using work_units = std::int64_t;

constexpr work_units live_units_per_second = 1280 * 720 * 30;       // spec 9
constexpr work_units live_start_units = 60 * live_units_per_second; // paid up front

// Everything owed to one orchestrator for one job: nothing of it survives a swap (P1).
class payment_session {
  public:
    virtual ~payment_session() = default;

    // Headers for the POST that starts a job or a batch request, with payment for `units`.
    virtual awaitable<outcome<job_headers>> start(work_units units) = 0;
    // A running live job: pays for `units` more (POST /payment). `manifest` is the orchestrator's
    // manifest_id. `no_tickets` is no error: nothing was due yet.
    enum class paid { yes, nothing_due };
    virtual awaitable<outcome<paid>> pay(work_units units, std::string manifest) = 0;
    // How the POST went that start()'s headers were on: not sent, answered 200, answered with an
    // error (then nothing was taken from the credit), or nobody knows.
    enum class sent { not_sent, accepted, refused, lost };
    virtual void settle(sent how, work_units used) = 0;
    // False when the orchestrator is free or payments are off: then no live loop runs.
    virtual bool is_paid() const = 0;
    // For /status: mode, paid so far, tickets, last error.
    virtual boost::json::object status() const = 0;
};

class payments {
  public:
    virtual ~payments() = default;
    // `with` outlives the session.
    virtual std::unique_ptr<payment_session> open(const session::attempt& with) = 0;

    // Who asks at discovery. Known once start() succeeded.
    virtual session::caller_identity identity() const { return {}; }

    // Checks what must be there (the signer answers, the key opens). A failure ends the program.
    virtual awaitable<outcome<void>> start() = 0;

    // Ends what runs in the background while the shards still turn; sessions go on.
    virtual void stop() {}
};

// No money: segment credentials without signature, an empty payment. `manager` renews tokens that
// are about to expire; without one they are used as they are. It outlives the sessions.
std::unique_ptr<payments> off_chain_payments(
    std::shared_ptr<session::discovery> discovery, session::manager* manager = nullptr
);

} // namespace rivulet::payment
