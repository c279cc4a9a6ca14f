// Calls a node of Ethereum over JSON-RPC. Only reads are made with it; the node's URL often holds a
// key, so no text of ours repeats more of it than host and port.
// Thread: any shard; connections are kept for the shard that opened them.
// Fails with: connect_failed, tls_failed, timed_out, http_status (the node refused: its own words
// are the detail), invalid_argument (the contract did: the call was reverted), protocol_violation,
// too_large.
#pragma once

#include "base/asio.hpp"
#include "http/client.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::session {

class json_rpc {
  public:
    struct options {
        http::client_options client; // certificates are checked by default
        duration limit = std::chrono::seconds(10);
        std::size_t most_bytes = 1024 * 1024; // of a reply
        std::size_t kept = 8;                 // idle connections

        options() {}
    };

    // Fails with invalid_argument when `url` is none.
    static outcome<std::shared_ptr<json_rpc>> create(const std::string& url, options options = {});

    json_rpc(http::http_url peer, options options)
        : peer_(std::move(peer)), options_(std::move(options)) {}

    // The member "result".
    awaitable<outcome<boost::json::value>> call(std::string method, boost::json::array params);
    // A contract's function at the newest block: 20 bytes, call data; the raw bytes returned.
    awaitable<outcome<std::string>> eth_call(std::string contract, std::string data);
    awaitable<outcome<std::uint64_t>> block_number();
    awaitable<outcome<std::uint64_t>> chain_id();

    // "HOST:PORT", for texts.
    std::string endpoint() const { return peer_.endpoint(); }

    // Drops the kept connections.
    void stop();

  private:
    struct idle {
        asio::any_io_executor executor;
        http::connection_ptr connection;
    };

    awaitable<outcome<std::string>> exchange(std::string body, unsigned& status);
    http::connection_ptr take(const asio::any_io_executor& executor);
    void keep(const asio::any_io_executor& executor, http::connection_ptr connection);

    http::http_url peer_;
    options options_;
    std::atomic<std::int64_t> next_id_ = 1;
    std::mutex guard_;
    std::vector<idle> idle_;
    bool stopped_ = false;
};

// The "result" of the reply to request `id`, in a reply of any size that the caller allowed. Pure.
outcome<boost::json::value> parse_json_rpc_reply(std::string_view body, std::int64_t id);

// "0x1f" as a node writes numbers; nothing when it is none or needs more than 64 bits.
std::optional<std::uint64_t> parse_quantity(std::string_view text);

} // namespace rivulet::session
