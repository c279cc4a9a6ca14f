// An Ethereum node over JSON-RPC with Livepeer's contracts in it: a controller, the pool of
// orchestrators and their addresses. Thread: the test's; the service has one of its own.
#pragma once

#include "base/shards.hpp"
#include "http/server.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::test {

struct registered_orchestrator {
    std::string account; // 20 bytes
    std::string uri;
    bool active = true;
};

class fake_node {
  public:
    fake_node();
    ~fake_node();

    // With something behind the host that must never be logged.
    std::string url() const;
    // 20 bytes each.
    static std::string controller();

    // The pool, in its order; `ai` are the addresses of the AI registry, the rest of the other.
    void set(std::vector<registered_orchestrator> pool);
    // What the AI registry has instead, by account.
    void set_ai(std::map<std::string, std::string> uris);
    // Every call fails so from now on; nothing: they work.
    void refuse(std::optional<http::response> with);
    void delay(duration by);
    // No contract is there: the node is of another network.
    void forget_contracts(bool forget);

    std::size_t calls();
    std::size_t most_at_once();

  private:
    awaitable<http::response> reply(const http::request& request);
    std::string call(const std::string& to, const std::string& data);

    std::mutex mutex_;
    std::vector<registered_orchestrator> pool_;
    std::optional<std::map<std::string, std::string>> ai_;
    std::optional<http::response> refusal_;
    duration delay_{0};
    bool forget_ = false;
    std::size_t calls_ = 0, at_once_ = 0, most_at_once_ = 0;
    shards shards_{1};
    http::server server_;
    std::uint16_t port_ = 0;
};

} // namespace rivulet::test
