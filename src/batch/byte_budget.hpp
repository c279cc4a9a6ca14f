// Bytes that all who share a budget may hold together: memory, or room on the disk. Who gets none
// has to do without.
// Thread: the budget any; a share belongs to one user at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace rivulet::batch {

class byte_budget {
  public:
    explicit byte_budget(std::uint64_t most) : most_(most) {}

    std::uint64_t most() const { return most_; }

    std::uint64_t used() const { return used_; }

    std::uint64_t most_beside(std::uint64_t spare) const {
        return most_ - (spare < most_ ? spare : most_);
    }

  private:
    friend class byte_share;

    // False, and nothing is taken, when less than `spare` would be left.
    bool take(std::uint64_t bytes, std::uint64_t spare) {
        const auto all = most_beside(spare);
        auto used = used_.load();
        while (used <= all && bytes <= all - used)
            if (used_.compare_exchange_weak(used, used + bytes))
                return true;
        return false;
    }

    void give_back(std::uint64_t bytes) { used_ -= bytes; }

    const std::uint64_t most_;
    std::atomic<std::uint64_t> used_{0};
};

using byte_budget_ptr = std::shared_ptr<byte_budget>;

// What one user holds; it comes back when the user goes.
class byte_share {
  public:
    // Of no budget: there is always room, and nobody counts.
    byte_share() = default;

    // `spare`: so much is left to others, who can do without it less.
    explicit byte_share(byte_budget_ptr of, std::uint64_t spare = 0)
        : of_(std::move(of)), spare_(spare) {}

    byte_share(byte_share&& other) noexcept { *this = std::move(other); }

    byte_share& operator=(byte_share&& other) noexcept {
        std::swap(of_, other.of_);
        std::swap(spare_, other.spare_);
        std::swap(held_, other.held_);
        return *this;
    }

    ~byte_share() { give_back(held_); }

    std::uint64_t held() const { return held_; }

    // More it could not hold if it were alone.
    std::uint64_t most() const { return of_ ? of_->most_beside(spare_) : UINT64_MAX; }

    // So much more. False: there is no room, and nothing has changed.
    bool take(std::uint64_t bytes) {
        if (of_ && !of_->take(bytes, spare_))
            return false;
        held_ += bytes;
        return true;
    }

    void give_back(std::uint64_t bytes) {
        bytes = bytes < held_ ? bytes : held_;
        held_ -= bytes;
        if (of_)
            of_->give_back(bytes);
    }

    // So much in all, more or less than now.
    bool hold(std::uint64_t bytes) {
        if (bytes > held_)
            return take(bytes - held_);
        give_back(held_ - bytes);
        return true;
    }

  private:
    byte_budget_ptr of_;
    std::uint64_t spare_ = 0;
    std::uint64_t held_ = 0;
};

} // namespace rivulet::batch
