// Payment with a key of our own (spec/payments.md 5 to 8): tickets are made and signed here, funds
// and blocks come from the chain. Off unless a keystore is given.
// Fails with: payment_refused (limits, price, funds: the job must go elsewhere), others (tried
// again).
#pragma once

#include "base/log.hpp"
#include "http/client.hpp"
#include "payment/chain_view.hpp"
#include "payment/keystore.hpp"
#include "payment/ledger.hpp"
#include "payment/nonce_book.hpp"
#include "payment/payee.hpp"
#include "payment/payments.hpp"
#include "payment/records.hpp"
#include "payment/signature.hpp"
#include "payment/ticket.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace rivulet::payment {

// What all sessions of a wallet share. Thread: any.
struct wallet {
    wallet(signing_key k, std::shared_ptr<chain_view> c, std::shared_ptr<const records> a)
        : key(std::move(k)), chain(std::move(c)), accounts(std::move(a)) {}

    signing_key key;
    std::shared_ptr<chain_view> chain;
    std::shared_ptr<const records> accounts;
    ticket_limits limits;
    http::client_options orchestrators;            // as for jobs
    duration post_limit = std::chrono::seconds(5); // of POST /payment
    ledger book;
    nonce_book nonces;
};

struct wallet_options {
    key_location key;                        // -ethKeystorePath, -ethAcctAddr, -ethPassword
    std::string eth_url;                     // -ethUrl
    std::string network;                     // -network
    std::string controller;                  // -ethController; empty: the network's
    std::string max_ticket_ev, max_total_ev; // -maxTicketEV, -maxTotalEV: wei; empty: default
    std::int64_t deposit_multiplier = 1;     // -depositMultiplier
    http::client_options orchestrators;      // as for jobs

    wallet_options() {}
};

// Opens the key (blocking, about a second) and prepares the chain's watch. `metrics` outlives it.
// Fails with what keystore.hpp says, or invalid_argument and the option that is wrong.
outcome<std::shared_ptr<wallet>> open_wallet(
    asio::any_io_executor executor,
    const wallet_options& options,
    observe::metrics& metrics,
    std::shared_ptr<const records> accounts,
    logger log
);

std::unique_ptr<payment_session>
wallet_session(std::shared_ptr<wallet> wallet, std::unique_ptr<payee> whom);

// `discovery` may be null, `manager` outlives it.
std::unique_ptr<payments> wallet_payments(
    std::shared_ptr<wallet> wallet,
    std::shared_ptr<session::discovery> discovery,
    session::manager* manager,
    logger log
);

} // namespace rivulet::payment
