// Whose turn it is when only so many requests are worked on at once: first come, first served, and
// a queue with an end. Ids are given in the order of arrival. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>

namespace rivulet::batch {

class admission_queue {
  public:
    admission_queue(std::size_t running, std::size_t waiting)
        : most_running_(running), most_waiting_(waiting) {}

    enum class entry { begun, queued, full };

    // False when it would have to wait.
    bool enter_now() {
        if (running_ >= most_running_ || !waiting_.empty())
            return false;
        ++running_;
        return true;
    }

    // Whoever came now would be sent away.
    bool full() const { return running_ >= most_running_ && waiting_.size() >= most_waiting_; }

    entry enter(std::uint64_t id) {
        if (enter_now())
            return entry::begun;
        if (full())
            return entry::full;
        waiting_.insert(waiting_.end(), id);
        return entry::queued;
    }

    // One that had begun is over; who begins in its place.
    std::optional<std::uint64_t> leave() {
        if (waiting_.empty()) {
            --running_;
            return std::nullopt;
        }
        const auto next = *waiting_.begin();
        waiting_.erase(waiting_.begin());
        return next;
    }

    // One that waits goes away. False when it wasn't waiting any more.
    bool give_up(std::uint64_t id) { return waiting_.erase(id) > 0; }

    std::size_t running() const { return running_; }

    std::size_t waiting() const { return waiting_.size(); }

  private:
    std::size_t most_running_, most_waiting_;
    std::size_t running_ = 0;
    std::set<std::uint64_t> waiting_;
};

} // namespace rivulet::batch
