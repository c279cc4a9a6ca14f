// Lists of orchestrators over HTTP: -orchWebhookUrl, and a remote signer's /discover-orchestrators,
// which answers the same (spec/orchestrators.md 4.3, 4.4).
// Thread: any.
#pragma once

#include "http/client.hpp"
#include "session/refreshed_source.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace rivulet::session {

struct webhook_list {
    std::vector<candidate> candidates; // repeated addresses once, the first one's score
    std::size_t skipped = 0;           // entries that can't be used
    std::string first_skipped;         // why, of the first one
};

// [{"address":"https://10.4.3.2:8935","score":0.5},…]: unknown members are ignored; an address
// without a scheme is skipped, one without a port gets 8935; `no_score` is taken for a missing
// score. At most 4,096 entries are kept. Fails with protocol_violation. Pure.
outcome<webhook_list> parse_webhook_list(std::string_view body, double no_score);

struct webhook_source_options {
    std::string name = "webhook"; // how errors and the log call it
    std::string url;
    http::header_list headers;
    http::client_options client; // certificates are checked by default
    duration limit = std::chrono::seconds(3);
    double no_score = 0; // the network's default
    refresh_rules refresh;

    webhook_source_options() {}
};

// Fails with invalid_argument when the URL is none. The URL's path and query are never logged: they
// may hold a key.
outcome<std::shared_ptr<candidate_source>>
make_webhook_source(asio::any_io_executor executor, webhook_source_options options, logger log);

} // namespace rivulet::session
