#include "bench/swap_viewers.hpp"

#include "bench/stream_probe.hpp"
#include "support/whep_viewer.hpp"

#include <boost/asio/detached.hpp>

#include <algorithm>

namespace rivulet::test {

using namespace std::chrono_literals;

namespace {

awaitable<void> play(std::string url, sightings& seen, std::atomic<bool>& gone) {
    std::function<bool(const rtmp_played&)> on_tag = [&seen](const rtmp_played& played) {
        if (const auto pts = video_frame_pts(played.tag))
            seen.add(*pts * 90, played.received);
        return true;
    };
    (void)co_await rtmp_play(std::move(url), std::move(on_tag));
    gone = true;
}

} // namespace

void sightings::add(std::int64_t time, time_point at) {
    const std::lock_guard lock(mutex_);
    all_.push_back({time, at});
}

duration sightings::longest_wait(time_point from, time_point to) const {
    const std::lock_guard lock(mutex_);
    auto one = std::ranges::lower_bound(all_, from, {}, &seen_picture::at);
    auto before = one == all_.begin() ? from : (one - 1)->at;
    duration longest{};
    for (; one != all_.end() && one->at <= to; before = one->at, ++one)
        longest = std::max(longest, one->at - before);
    return std::max(longest, to - before);
}

std::size_t sightings::steps_back() const {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (std::size_t i = 1; i < all_.size(); ++i)
        count += all_[i].time < all_[i - 1].time;
    return count;
}

std::size_t sightings::count() const {
    const std::lock_guard lock(mutex_);
    return all_.size();
}

rtmp_watcher::rtmp_watcher(const std::string& url) {
    asio::co_spawn(context_, play(url, seen_, gone_), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
}

rtmp_watcher::~rtmp_watcher() {
    context_.stop();
    thread_.join();
}

whep_watcher::whep_watcher(std::uint16_t http_port, const std::string& path)
    : thread_([this, http_port, path] { watch(http_port, path); }) {
    while (!asked_)
        std::this_thread::sleep_for(10ms);
}

whep_watcher::~whep_watcher() {
    stop_ = true;
    thread_.join();
}

void whep_watcher::watch(std::uint16_t http_port, const std::string& path) {
    whep_viewer viewer(http_port, path);
    accepted_ = viewer.accepted();
    asked_ = true;
    std::uint64_t newest = 0;
    std::int64_t time = 0;
    std::uint32_t stamp = 0;
    bool first = true;
    while (!stop_ && accepted_) {
        viewer.step(20ms);
        const auto& packets = viewer.video().packets;
        for (auto one = packets.upper_bound(newest); one != packets.end(); ++one) {
            newest = one->first;
            if (!first && one->second.timestamp == stamp)
                continue;
            time += first ? 0 : static_cast<std::int32_t>(one->second.timestamp - stamp);
            stamp = one->second.timestamp;
            first = false;
            seen_.add(time, one->second.at);
        }
        gone_ = viewer.gone() || viewer.video().bye;
    }
}

} // namespace rivulet::test
