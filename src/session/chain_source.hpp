// Orchestrators that are registered on chain: read-only calls to Livepeer's contracts through an
// Ethereum node (spec/orchestrators.md 4.5). No account, no key, no transaction.
// Thread: any.
#pragma once

#include "http/client.hpp"
#include "session/refreshed_source.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::session {

struct chain_source_options {
    std::string eth_url;                          // -ethUrl
    std::string network = "arbitrum-one-mainnet"; // -network
    std::string controller;                       // -ethController: 0x…, instead of the network's
    bool ai_registry = true;                      // -aiServiceRegistry: the registry of AI nodes
    http::client_options client;                  // certificates are checked by default
    duration call_limit = std::chrono::seconds(10); // one call
    duration limit = std::chrono::minutes(2);       // one reading of everything
    std::size_t most = 1'000;                       // orchestrators
    std::size_t at_once = 8;                        // calls
    refresh_rules refresh;

    chain_source_options() { refresh.fresh = std::chrono::minutes(5); }
};

// 20 bytes. Nothing for a network without one ("offchain").
std::optional<std::string> controller_of(std::string_view network);

// Where AI orchestrators publish their addresses, on every network.
extern const std::string_view ai_service_registry;

// Fails with invalid_argument and a text for the person who configured it.
outcome<std::shared_ptr<candidate_source>>
make_chain_source(asio::any_io_executor executor, chain_source_options options, logger log);

} // namespace rivulet::session
