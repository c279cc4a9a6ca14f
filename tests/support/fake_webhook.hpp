// An HTTP service that answers as a test wants and keeps what it was asked: auth webhooks,
// heartbeat services, MediaMTX's API. Thread: the test's; the service has one of its own.
#pragma once

#include "base/shards.hpp"
#include "http/server.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet::test {

struct asked_of_webhook {
    std::string method, path, body, content_type, authorization, api_key;
};

class fake_webhook {
  public:
    struct answer {
        unsigned status = 200;
        std::string body = "{}";
        duration delay{0};
    };

    // `port` 0: any free one.
    explicit fake_webhook(std::uint16_t port = 0);
    ~fake_webhook();

    std::string url(const std::string& path = "/hook") const;

    std::uint16_t port() const { return port_; }

    // For every request from now on.
    void answers(answer with);
    void answers(std::function<answer(const asked_of_webhook&)> with);

    std::vector<asked_of_webhook> asked();

  private:
    awaitable<http::response> reply(const http::request& request);

    std::mutex mutex_;
    std::function<answer(const asked_of_webhook&)> with_;
    std::vector<asked_of_webhook> asked_;
    shards shards_{1};
    http::server server_;
    std::uint16_t port_ = 0;
};

// A port that nobody listens on.
std::uint16_t free_port();

} // namespace rivulet::test
