// How many batch requests are worked on at once (-maxConcurrentRequests). Further ones wait their
// turn in the order in which they came; who would stand behind too many, or has stood too long, is
// told to come again.
// Thread: any; a waiter stays on its shard.
// Fails with: 429 and when to come again.
#pragma once

#include "base/asio.hpp"
#include "batch/api_error.hpp"

#include <cstddef>
#include <memory>
#include <optional>

namespace rivulet::batch {

struct admission_limits {
    std::size_t running = 256;
    std::size_t waiting = 1'000;
    duration longest_wait = std::chrono::seconds(30);

    admission_limits() {}
};

class admission {
  public:
    explicit admission(admission_limits limits);

    struct hall;

    // The right to be worked on; the next one's turn comes when it goes.
    class place {
      public:
        place() = default;
        place(place&& other) noexcept = default;
        place& operator=(place&& other) noexcept;
        ~place();

      private:
        friend class admission;

        explicit place(std::shared_ptr<hall> in) : in_(std::move(in)) {}

        std::shared_ptr<hall> in_;
    };

    // What somebody who came now would be told; nothing when there may be a turn.
    std::optional<api_error> refusal() const;
    // A place that is free, when nobody waits for it.
    std::optional<place> enter_now();
    // Cancelling the waiting coroutine gives its turn up.
    awaitable<answer<place>> enter();

    std::size_t running() const;
    std::size_t waiting() const;

  private:
    std::shared_ptr<hall> hall_;
};

} // namespace rivulet::batch
