// The bytes of one upload: in memory up to a limit, then in a temporary file without a name, which
// is gone with the last descriptor whatever happens to the process.
// Thread: one writer, then any number of readers; write() and read() may touch the disk, so large
// ones belong off the shard (base/off_shard.hpp).
// Fails with: too_large, the system's codes (disk full).
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace rivulet::batch {

struct spool_limits {
    std::size_t memory = 256 * 1024;
    std::uint64_t most = 100ull << 20;
    std::filesystem::path folder; // of the temporary file; empty: the system's

    spool_limits() {}
};

class spool {
  public:
    explicit spool(spool_limits limits);
    ~spool();
    spool(const spool&) = delete;
    spool& operator=(const spool&) = delete;

    error_code write(std::span<const std::uint8_t> piece);
    std::uint64_t size() const;
    // True while a further piece of that size stays in memory.
    bool fits_memory(std::size_t piece) const;
    // All of it, while it is in memory.
    std::optional<std::string_view> view() const;
    // As many bytes as there are from `offset`; 0 at the end.
    result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) const;

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::batch
