#include "ingest/srt_poller.hpp"

#include "ingest/srt_library.hpp"

#include <array>
#include <pthread.h>

namespace rivulet::ingest {
namespace {

constexpr int most_events = 64;
constexpr std::int64_t wait_ms = 100; // how soon stop() is noticed

} // namespace

srt_poller::srt_poller(std::function<void()> every_second)
    : every_second_(std::move(every_second)) {
    start_srt();
    epoll_ = srt_epoll_create();
    srt_epoll_set(epoll_, SRT_EPOLL_ENABLE_EMPTY);
    thread_ = std::thread([this] { run(); });
}

srt_poller::~srt_poller() {
    stop();
    srt_epoll_release(epoll_);
}

bool srt_poller::add(int socket, std::shared_ptr<srt_watcher> watcher) {
    {
        const std::lock_guard guard(lock_);
        watchers_[socket] = std::move(watcher);
    }
    const int events = SRT_EPOLL_IN | SRT_EPOLL_ERR;
    if (srt_epoll_add_usock(epoll_, socket, &events) == 0)
        return true;
    remove(socket);
    return false;
}

void srt_poller::remove(int socket) {
    srt_epoll_remove_usock(epoll_, socket);
    std::shared_ptr<srt_watcher> gone; // destroyed without the lock
    const std::lock_guard guard(lock_);
    if (auto found = watchers_.find(socket); found != watchers_.end()) {
        gone = std::move(found->second);
        watchers_.erase(found);
    }
}

void srt_poller::stop() {
    stopping_ = true;
    if (thread_.joinable())
        thread_.join();
}

void srt_poller::run() {
    pthread_setname_np(pthread_self(), "srt-poll");
    std::array<SRT_EPOLL_EVENT, most_events> events;
    auto due = steady_clock::now() + std::chrono::seconds(1);
    while (!stopping_) {
        const int ready = srt_epoll_uwait(epoll_, events.data(), most_events, wait_ms);
        if (ready < 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
        for (int i = 0; i < ready; ++i) {
            const int socket = events[static_cast<std::size_t>(i)].fd;
            std::shared_ptr<srt_watcher> watcher;
            {
                const std::lock_guard guard(lock_);
                if (auto found = watchers_.find(socket); found != watchers_.end())
                    watcher = found->second;
            }
            if (watcher)
                watcher->srt_readable();
            else
                srt_epoll_remove_usock(epoll_, socket);
        }
        if (const auto now = steady_clock::now(); now >= due) {
            due = now + std::chrono::seconds(1);
            every_second_();
        }
    }
}

} // namespace rivulet::ingest
