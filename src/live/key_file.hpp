// The stream keys of -streamKeys, read again when the file changes. A file that can't be read or
// has a mistake leaves the keys as they were and is reported once.
// Thread: any.
// Fails with: invalid_argument, and a text that names the file and the line.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "live/stream_keys.hpp"

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

namespace rivulet::live {

class key_file {
  public:
    static outcome<std::shared_ptr<key_file>> open(std::filesystem::path path, logger log);

    // The keys of now: looks at the file at most once a second.
    std::shared_ptr<const stream_keys> keys(time_point now);

    key_file(std::filesystem::path path, logger log);

  private:
    // What tells one version of the file from another.
    struct version {
        std::int64_t seconds = 0, nanoseconds = 0;
        std::uint64_t size = 0, inode = 0;
        bool operator==(const version&) const = default;
    };

    result<version> look() const;
    outcome<stream_keys> read() const;

    const std::filesystem::path path_;
    const logger log_;
    std::mutex mutex_; // guards the rest
    std::shared_ptr<const stream_keys> keys_;
    version version_;
    std::string complaint_; // the last one logged
    time_point next_look_{};
};

} // namespace rivulet::live
