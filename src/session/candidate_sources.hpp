// Which source of orchestrators the settings mean: the webhook, else the list, else the remote
// signer's discovery, else the chain (spec/orchestrators.md 4.1).
// Thread: any.
#pragma once

#include "http/client.hpp"
#include "session/candidate.hpp"
#include "session/chain_source.hpp"

#include <memory>
#include <string>
#include <vector>

namespace rivulet::session {

struct source_settings {
    std::string webhook_url;            // -orchWebhookUrl
    std::vector<std::string> addresses; // -orchAddr
    std::string signer_url;             // -remoteSignerUrl
    http::header_list signer_headers;   // -remoteSignerHeaders: for the signer only
    bool on_chain = false;              // an Ethereum network and -ethUrl
    chain_source_options chain;
    http::client_options client; // of webhook and signer; certificates are checked by default

    source_settings() {}
};

// Null when nothing is configured. Fails with invalid_argument and a text that names the option.
outcome<std::shared_ptr<candidate_source>>
make_candidate_source(asio::any_io_executor executor, source_settings settings, logger log);

} // namespace rivulet::session
