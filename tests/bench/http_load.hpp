// The two ends of the batch benchmark, each one thread over epoll: a stub that answers every
// request with the same bytes at once, and a generator that keeps a rate and measures from the
// moment each request was due, so that a stall is not forgotten.
// Thread: each object's own; the calls block.
#pragma once

#include "trickle_latency.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

namespace rivulet::bench {

// Answers HTTP/1.1 requests with a Content-Length on 127.0.0.1; keeps connections open.
class http_stub {
  public:
    // `reply`: head and body.
    explicit http_stub(std::string reply);
    ~http_stub();
    http_stub(const http_stub&) = delete;
    http_stub& operator=(const http_stub&) = delete;

    std::uint16_t port() const { return port_; }

    std::uint64_t answered() const { return answered_; }

  private:
    void run();

    const std::string reply_;
    int listener_ = -1, epoll_ = -1, wake_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<std::uint64_t> answered_{0};
    std::thread thread_;
};

struct load {
    std::uint16_t port = 0;
    std::string request; // head and body, as sent
    int connections = 32;
    double rate = 0; // requests per second; 0: each connection asks again at once
    std::chrono::milliseconds length{3000};
};

struct load_result {
    latency_histogram latency;
    std::uint64_t answered = 0,
                  failed = 0; // failed: another status than 200, or a broken connection
    double seconds = 0;
    std::string first_failure;

    double per_second() const { return seconds > 0 ? static_cast<double>(answered) / seconds : 0; }
};

// Replies need a Content-Length.
load_result run_load(const load& wanted);

} // namespace rivulet::bench
