// Everything between the gateway and its orchestrators, made from the options: who they are, how
// they are asked, which one is chosen and how it is paid.
// Thread: the owner's, outside the shards.
// Owns: discovery, the session manager, payments.
#pragma once

#include "base/shards.hpp"
#include "gateway.hpp"
#include "http/client.hpp"
#include "observe/event_queue.hpp"
#include "observe/metrics.hpp"
#include "payment/payments.hpp"
#include "payment/records.hpp"
#include "session/grpc_info.hpp"
#include "session/manager.hpp"

#include <memory>
#include <string>
#include <vector>

namespace rivulet {

// True when the options name no orchestrators, so that the built-in one is needed.
bool needs_built_in(const gateway_options& options);

class network {
  public:
    // `built_in`: base of the built-in orchestrator, when there is one. `metrics` outlives it.
    // Fails with a text that names the setting.
    static outcome<std::unique_ptr<network>> open(
        shards& threads,
        const gateway_options& options,
        const std::string& built_in,
        observe::metrics& metrics,
        std::shared_ptr<observe::event_queue> events,
        const logger& log
    );

    // Asks the signer or opens the wallet, then looks around in the background. Blocks; a failure
    // says what to mend.
    outcome<void> start();
    // After the streams have ended, before the shards stop; destroy it after them.
    void stop();

    session::manager& sessions() { return *manager_; }

    payment::payments& payments() { return *payments_; }

  private:
    network(shards& threads, const logger& log) : threads_(threads), log_(log) {}

    outcome<void> choose_source(const gateway_options& options, const std::string& built_in);
    outcome<void> choose_payments(
        const gateway_options& options,
        observe::metrics& metrics,
        std::shared_ptr<observe::event_queue> events
    );
    outcome<void> sign_remotely(
        const gateway_options& options,
        http::client_options client,
        std::shared_ptr<const payment::records> accounts
    );
    outcome<void> sign_here(
        const gateway_options& options,
        http::client_options client,
        observe::metrics& metrics,
        std::shared_ptr<const payment::records> accounts
    );

    shards& threads_;
    logger log_;
    std::shared_ptr<session::grpc_info> infos_;
    std::shared_ptr<session::candidate_source> source_;
    std::shared_ptr<session::discovery> discovery_;
    std::shared_ptr<session::price_caps> caps_;
    std::unique_ptr<session::manager> manager_;
    std::unique_ptr<payment::payments> payments_;
};

} // namespace rivulet
