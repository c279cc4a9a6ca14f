// Places the pieces of one segment on shared pages, so that many small messages cost few
// allocations. A page lives as long as any block on it. Thread: one.
#pragma once

#include "base/bytes.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>

namespace rivulet::trickle {

class block_pages {
  public:
    // Room for at least `least` bytes, valid until the next call.
    std::uint8_t* room(std::size_t least) {
        if (size_ - used_ < least) {
            size_ = std::max(least, next_size_);
            page_ = std::make_shared_for_overwrite<std::uint8_t[]>(size_);
            used_ = 0;
            next_size_ = std::min(next_size_ * 2, largest_page);
        }
        return page_.get() + used_;
    }

    // The first `count` bytes of that room as an immutable block.
    bytes commit(std::size_t count) {
        const std::span<const std::uint8_t> view(page_.get() + used_, count);
        used_ += count;
        return {page_, view};
    }

  private:
    // Short segments (JSON) stay small, long ones get few pages.
    static constexpr std::size_t first_page = 1024;
    static constexpr std::size_t largest_page = 64 * 1024;

    std::shared_ptr<std::uint8_t[]> page_;
    std::size_t size_ = 0, used_ = 0;
    std::size_t next_size_ = first_page;
};

} // namespace rivulet::trickle
