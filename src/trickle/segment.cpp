#include "trickle/segment.hpp"

#include <algorithm>
#include <utility>

namespace rivulet::trickle {

bool segment::append(bytes block) {
    if (closed_)
        return false;
    if (block.empty())
        return true;
    size_ += block.size();
    blocks_.push_back(std::move(block));
    wake();
    return true;
}

void segment::close() {
    if (closed_)
        return;
    closed_ = true;
    wake();
}

void segment::evict() {
    if (evicted_)
        return;
    evicted_ = true;
    closed_ = true;
    wake();
}

void segment::watch(segment_watcher& watcher) {
    watchers_.push_back(&watcher);
}

void segment::unwatch(segment_watcher& watcher) {
    const auto found = std::find(watchers_.begin(), watchers_.end(), &watcher);
    if (found == watchers_.end())
        return;
    if (waking_)
        *found = nullptr;
    else
        watchers_.erase(found);
}

std::size_t segment::watchers() const {
    return watchers_.size() -
           static_cast<std::size_t>(std::count(watchers_.begin(), watchers_.end(), nullptr));
}

// A watcher may leave, others may come, and the segment may change from inside the call.
void segment::wake() {
    changed_ = true;
    if (waking_)
        return;
    waking_ = true;
    while (std::exchange(changed_, false))
        for (std::size_t i = 0; i < watchers_.size(); ++i)
            if (watchers_[i])
                watchers_[i]->segment_changed();
    waking_ = false;
    std::erase(watchers_, nullptr);
}

} // namespace rivulet::trickle
