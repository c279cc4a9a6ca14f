// One thread that waits for every SRT socket of a server and tells who has something to read.
// Thread: add, remove and stop from any; watchers are called on the poller's thread.
// Owns: its thread and the set of sockets, not the sockets.
#pragma once

#include "base/asio.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace rivulet::ingest {

class srt_watcher {
  public:
    virtual ~srt_watcher() = default;
    // There is data, a caller, or an error. Must read until the socket would block.
    virtual void srt_readable() = 0;
};

class srt_poller {
  public:
    // `every_second` runs on the poller's thread.
    explicit srt_poller(std::function<void()> every_second);
    ~srt_poller(); // stop()
    srt_poller(const srt_poller&) = delete;
    srt_poller& operator=(const srt_poller&) = delete;

    bool add(int socket, std::shared_ptr<srt_watcher> watcher);
    // The watcher may be called once more if that call has begun.
    void remove(int socket);
    // Waits for the thread. Never from a watcher.
    void stop();

  private:
    void run();

    std::function<void()> every_second_;
    int epoll_;
    std::atomic<bool> stopping_{false};
    std::mutex lock_;
    std::unordered_map<int, std::shared_ptr<srt_watcher>> watchers_;
    std::thread thread_;
};

} // namespace rivulet::ingest
