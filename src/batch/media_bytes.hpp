// A file as those who look into it see it: some bytes of it at a time, wherever it is kept.
// Thread: as the source's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>

namespace rivulet::batch {

struct media_bytes {
    std::uint64_t size = 0;
    // How many it has from there on, as far as there is room; 0: it ends there, or can't be read.
    std::function<std::size_t(std::uint64_t offset, std::span<std::uint8_t> into)> read;

    media_bytes() {}
};

// `text` outlives it.
inline media_bytes bytes_of(std::string_view text) {
    media_bytes made;
    made.size = text.size();
    made.read = [text](std::uint64_t offset, std::span<std::uint8_t> into) -> std::size_t {
        if (offset >= text.size())
            return 0;
        const auto rest = text.substr(static_cast<std::size_t>(offset));
        const auto n = std::min(rest.size(), into.size());
        std::memcpy(into.data(), rest.data(), n);
        return n;
    };
    return made;
}

// All of `into`; false when the file is shorter.
inline bool
read_exactly(const media_bytes& from, std::uint64_t offset, std::span<std::uint8_t> into) {
    while (!into.empty()) {
        const auto n = from.read(offset, into);
        if (n == 0)
            return false;
        offset += n;
        into = into.subspan(n);
    }
    return true;
}

} // namespace rivulet::batch
