// Asks the operator's webhook about a publisher or viewer: one POST, tried again while nobody
// answers, over within a deadline.
// Thread: any shard; holds no state but counters.
// Fails with: unauthorized (the webhook said no, or nothing that can be understood), timed_out and
// no_capacity (it can't be asked now). The text is for the client: no address of the webhook in it.
#pragma once

#include "base/log.hpp"
#include "http/client.hpp"
#include "live/webhook_wire.hpp"
#include "observe/metrics.hpp"

#include <atomic>
#include <cstdint>
#include <string>

namespace rivulet::live {

struct auth_webhook_options {
    std::string url;
    std::string api_key; // sent as x-api-key and as Authorization, as go-livepeer does
    duration limit = std::chrono::seconds(5); // all attempts together
    duration first_pause = std::chrono::milliseconds(100);
    std::size_t at_once = 256; // questions under way; further ones are refused
    http::client_options client;
    observe::histogram timing; // of every question, see auth_webhook_histogram(); may be empty

    auth_webhook_options() {} // not an aggregate: see the coroutine traps in CONTRIBUTING
};

// livepeer_auth_webhook_time_milliseconds.
observe::histogram auth_webhook_histogram(observe::metrics& metrics);

class auth_webhook {
  public:
    // Fails when the address can't be used.
    static outcome<std::unique_ptr<auth_webhook>> create(auth_webhook_options options, logger log);

    awaitable<outcome<webhook_answer>> ask(webhook_question question);

    std::uint64_t retries() const { return retries_.load(std::memory_order_relaxed); }

    auth_webhook(auth_webhook_options options, http::http_url url, logger log);

  private:
    awaitable<outcome<http::response>> post(std::string body, time_point until);

    const auth_webhook_options options_;
    const http::http_url url_;
    const logger log_;
    std::atomic<std::size_t> under_way_{0};
    std::atomic<std::uint64_t> retries_{0};
};

} // namespace rivulet::live
