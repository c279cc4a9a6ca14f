// Payment through a remote signer: a service of the operator's that holds the key and the deposit
// (spec/payments.md 10 and 11). The gateway keeps the signer's opaque state, one for each attempt
// at one orchestrator, and never sees a key.
// Fails with: payment_refused (over its price limit, or it will not sign: the job must go
// elsewhere), others (tried again).
#pragma once

#include "base/log.hpp"
#include "http/client.hpp"
#include "payment/payee.hpp"
#include "payment/payments.hpp"
#include "payment/records.hpp"
#include "payment/signer_wire.hpp"

#include <memory>
#include <string>

namespace rivulet::payment {

struct remote_signer_options {
    std::string url;                    // -remoteSignerUrl
    http::header_list headers;          // -remoteSignerHeaders; secrets, for the signer only
    http::client_options signer;        // certificates are checked in full by default
    http::client_options orchestrators; // as for jobs
    duration start_limit = std::chrono::seconds(30);
    duration limit = std::chrono::seconds(5); // of one call: at most a payment interval

    remote_signer_options() {}
};

// The three calls; no state of its own. Thread: any.
class signer_client {
  public:
    // Fails with invalid_argument when the URL is none.
    static outcome<std::shared_ptr<signer_client>> create(remote_signer_options options);

    awaitable<outcome<session::caller_identity>> identify();
    // A reply of any status is a success here. Fails with connect_failed and the like.
    awaitable<outcome<signer_reply>> generate(payment_question question);

    const remote_signer_options& options() const { return options_; }

  private:
    signer_client() = default;

    remote_signer_options options_;
    std::string sign_url_, generate_url_;
};

std::unique_ptr<payment_session> signer_session(
    std::shared_ptr<signer_client> signer,
    std::unique_ptr<payee> whom,
    std::shared_ptr<const records> accounts,
    std::string sender // 20 bytes, for the accounts
);

// `discovery` may be null, `manager` and `metrics` outlive it. Fails with invalid_argument.
outcome<std::unique_ptr<payments>> remote_signer_payments(
    remote_signer_options options,
    std::shared_ptr<session::discovery> discovery,
    session::manager* manager,
    std::shared_ptr<const records> accounts,
    logger log
);

} // namespace rivulet::payment
