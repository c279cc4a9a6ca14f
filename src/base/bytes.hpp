// An immutable, reference-counted run of bytes. Copying shares; slicing shares.
// Thread: any; the bytes never change once the value exists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace rivulet {

class bytes {
  public:
    bytes() = default;

    // `keep_alive` owns the memory that `view` looks at (a mapped GstBuffer, an AVPacket, a block).
    bytes(std::shared_ptr<const void> keep_alive, std::span<const std::uint8_t> view)
        : owner_(std::move(keep_alive)), view_(view) {}

    static bytes copy_of(std::span<const std::uint8_t> source) {
        auto block = std::make_shared_for_overwrite<std::uint8_t[]>(source.size());
        if (!source.empty())
            std::memcpy(block.get(), source.data(), source.size());
        std::span<const std::uint8_t> view(block.get(), source.size());
        return {std::move(block), view};
    }

    static bytes copy_of(std::string_view text) {
        return copy_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    }

    const std::uint8_t* data() const { return view_.data(); }

    std::size_t size() const { return view_.size(); }

    bool empty() const { return view_.empty(); }

    std::span<const std::uint8_t> view() const { return view_; }

    std::string_view text() const {
        return {reinterpret_cast<const char*>(view_.data()), view_.size()};
    }

    bytes slice(std::size_t offset, std::size_t length) const {
        return {owner_, view_.subspan(offset, length)};
    }

  private:
    std::shared_ptr<const void> owner_;
    std::span<const std::uint8_t> view_;
};

} // namespace rivulet
