// Memory that all who share it may fill together. Who gets none has to do without.
// Thread: any.
#pragma once

#include <atomic>
#include <cstdint>

namespace rivulet::batch {

class byte_budget {
  public:
    explicit byte_budget(std::uint64_t most) : most_(most) {}

    // One user's share; it comes back when the user goes.
    class share {
      public:
        explicit share(byte_budget& of) : of_(of) {}

        ~share() { of_.used_ -= taken_; }

        share(const share&) = delete;
        share& operator=(const share&) = delete;

        // False: there is no room for so much more.
        bool take(std::uint64_t bytes) {
            taken_ += bytes;
            return (of_.used_ += bytes) <= of_.most_;
        }

      private:
        byte_budget& of_;
        std::uint64_t taken_ = 0;
    };

    std::uint64_t used() const { return used_; }

  private:
    const std::uint64_t most_;
    std::atomic<std::uint64_t> used_{0};
};

} // namespace rivulet::batch
