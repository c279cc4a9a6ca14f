// Who watches a stream while its orchestrators come and go: an RTMP player and a WHEP viewer, each
// with the times and arrivals of every picture.
// Thread: the owner's for construction and questions; each viewer has a thread of its own.
#pragma once

#include "base/asio.hpp"
#include "support/rtmp_client.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace rivulet::test {

struct seen_picture {
    std::int64_t time = 0; // 90 kHz, unwrapped
    time_point at;
};

// What a viewer saw.
class sightings {
  public:
    void add(std::int64_t time, time_point at);
    // The longest wait for a picture between `from` and `to`; what lasts at `to` counts.
    duration longest_wait(time_point from, time_point to) const;
    // Pictures whose time did not rise above the one before.
    std::size_t steps_back() const;
    std::size_t count() const;

  private:
    mutable std::mutex mutex_;
    std::vector<seen_picture> all_;
};

class rtmp_watcher {
  public:
    explicit rtmp_watcher(const std::string& url);
    ~rtmp_watcher();

    const sightings& seen() const { return seen_; }

    // The player's connection has ended.
    bool gone() const { return gone_; }

  private:
    asio::io_context context_;
    sightings seen_;
    std::atomic<bool> gone_{false};
    std::thread thread_;
};

class whep_watcher {
  public:
    whep_watcher(std::uint16_t http_port, const std::string& path);
    ~whep_watcher();

    const sightings& seen() const { return seen_; }

    bool accepted() const { return accepted_; }

    bool gone() const { return gone_; }

  private:
    void watch(std::uint16_t http_port, const std::string& path);

    sightings seen_;
    std::atomic<bool> stop_{false}, gone_{false}, accepted_{false}, asked_{false};
    std::thread thread_;
};

} // namespace rivulet::test
