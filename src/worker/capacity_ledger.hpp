// Counts the places for jobs. Transcoding jobs cost a core and are few; passthrough jobs only move
// references to blocks, so they have a much larger allowance of their own; so have batch requests,
// most of which wait for a thread.
// Thread: any; the counts are atomic.
#pragma once

#include "base/error.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace rivulet::worker {

enum class job_weight : std::size_t { transcoding, passthrough, batch };

class capacity_ledger {
    struct counts;

  public:
    struct limits {
        std::size_t transcoding = 1;
        std::size_t passthrough = 4'000;
        std::size_t batch = 8;
    };

    // One place; given back when it is destroyed, which may be after the ledger.
    class lease {
      public:
        lease() = default;
        lease(lease&& other) noexcept = default;

        lease& operator=(lease&& other) noexcept {
            if (this != &other) {
                release();
                counts_ = std::move(other.counts_);
                weight_ = other.weight_;
            }
            return *this;
        }

        ~lease() { release(); }

        explicit operator bool() const { return counts_ != nullptr; }

        void release();

      private:
        friend class capacity_ledger;

        lease(std::shared_ptr<counts> owner, job_weight weight)
            : counts_(std::move(owner)), weight_(weight) {}

        std::shared_ptr<counts> counts_;
        job_weight weight_ = job_weight::transcoding;
    };

    explicit capacity_ledger(limits limits);

    // Fails with errc::no_capacity when every place of that weight is taken, or after close().
    result<lease> take(job_weight weight);
    // Refuses every later take().
    void close();

    std::size_t in_use(job_weight weight) const;

    std::size_t limit(job_weight weight) const {
        switch (weight) {
        case job_weight::transcoding:
            return limits_.transcoding;
        case job_weight::passthrough:
            return limits_.passthrough;
        default:
            return limits_.batch;
        }
    }

  private:
    struct counts {
        std::array<std::atomic<std::size_t>, 3> used{};
        std::atomic<bool> closed{false};
    };

    limits limits_;
    std::shared_ptr<counts> counts_;
};

} // namespace rivulet::worker
