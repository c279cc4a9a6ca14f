// What a payer must know of the chain: the newest L1 block (tickets expire by it), the last round,
// and our own deposit and reserve. chain_watch reads them from a node in the background.
// Thread: any for now(); the rest on one at a time.
// Fails with: what json_rpc fails with; not_found (a contract is not registered).
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "observe/metrics.hpp"
#include "payment/ticket.hpp"
#include "session/json_rpc.hpp"

#include <memory>
#include <mutex>
#include <string>

namespace rivulet::payment {

struct chain_state {
    std::int64_t l1_block = 0;
    sender_funds funds;
    ticket_round round;
};

class chain_view {
  public:
    virtual ~chain_view() = default;
    // Reads everything once; then it keeps itself up to date.
    virtual awaitable<outcome<void>> start() = 0;
    virtual chain_state now() const = 0;

    virtual void stop() {}
};

struct chain_watch_options {
    std::string controller; // 20 bytes
    std::string account;    // 20 bytes
    duration block_poll = std::chrono::seconds(5);
    duration funds_poll = std::chrono::seconds(60);

    chain_watch_options() {}
};

// `metrics` outlives it.
std::shared_ptr<chain_view> make_chain_watch(
    asio::any_io_executor executor,
    std::shared_ptr<session::json_rpc> node,
    chain_watch_options options,
    observe::metrics& metrics,
    logger log
);

} // namespace rivulet::payment
