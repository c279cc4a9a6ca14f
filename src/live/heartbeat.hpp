// Tells an operator's service every few seconds which streams run, and ends those that its answer
// names (their owner's credit is used up).
// Thread: construct, start, stop and destroy from outside the shards; runs on the first one.
// Owns: its coroutine.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "base/task_group.hpp"
#include "http/client.hpp"
#include "live/registry.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::live {

struct heartbeat_options {
    std::string url;
    http::header_list headers;
    duration interval = std::chrono::seconds(5);
    duration limit = std::chrono::seconds(5); // for one answer
    http::client_options client;
};

// "name:value,name2:value2", as -liveAIHeartbeatHeaders takes them. Fails with invalid_argument and
// a text that shows no value.
outcome<http::header_list> parse_headers(std::string_view text);

// {"ids":[…]}, or {"ids":null} when there is none.
std::string heartbeat_body(const std::vector<std::string>& ids);
// The ids to end: `terminatedStreamIds`; none when the answer says nothing.
outcome<std::vector<std::string>> parse_heartbeat_answer(std::string_view body);

class heartbeat {
  public:
    heartbeat(shards& shards, registry& streams, heartbeat_options options, logger log);
    ~heartbeat();
    heartbeat(const heartbeat&) = delete;
    heartbeat& operator=(const heartbeat&) = delete;

    // Fails when the address can't be used.
    outcome<void> start();
    // Blocks for a moment; idempotent. Before the registry stops.
    void stop();

  private:
    awaitable<void> run();
    awaitable<void> beat();

    asio::io_context& home_;
    registry& streams_;
    const heartbeat_options options_;
    const logger log_;
    task_group tasks_;
    std::string complaint_; // the last one logged
    bool stopped_ = false;
};

} // namespace rivulet::live
