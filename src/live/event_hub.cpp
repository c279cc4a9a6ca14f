#include "live/event_hub.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace rivulet::live {
namespace {

std::int64_t unix_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

} // namespace

event_hub::event_hub(event_log_limits limits)
    : event_hub(static_cast<std::uint64_t>(unix_ms()), limits) {}

event_hub::event_hub(std::uint64_t last, event_log_limits limits) : log_(last, limits) {}

void event_hub::publish(
    std::string_view stream, std::string_view type, const boost::json::object& data
) {
    const auto now = unix_ms();
    const std::lock_guard lock(guard_);
    log_.add(stream, type, data, now);
    for (auto* each : watches_)
        if (each->stream_.empty() || each->stream_ == stream)
            each->wake_();
}

event_hub::watch::watch(std::shared_ptr<event_hub> hub, std::string stream, std::uint64_t cursor)
    : hub_(std::move(hub)), stream_(std::move(stream)), cursor_(cursor) {}

event_hub::watch::~watch() {
    const std::lock_guard lock(hub_->guard_);
    std::erase(hub_->watches_, this);
}

event_log::text event_hub::watch::next() {
    const std::lock_guard lock(hub_->guard_);
    return hub_->log_.next(cursor_, stream_, unix_ms());
}

std::unique_ptr<event_hub::watch> event_hub::begin(
    std::string stream, std::optional<std::uint64_t> after, std::function<void()> wake
) {
    const std::lock_guard lock(guard_);
    auto cursor = after.value_or(log_.last());
    if (after == 0u)
        cursor = log_.oldest() - 1;
    std::unique_ptr<watch> made(new watch(shared_from_this(), std::move(stream), cursor));
    made->wake_ = std::move(wake);
    watches_.push_back(made.get());
    return made;
}

std::uint64_t event_hub::last() const {
    const std::lock_guard lock(guard_);
    return log_.last();
}

std::size_t event_hub::watchers() const {
    const std::lock_guard lock(guard_);
    return watches_.size();
}

} // namespace rivulet::live
