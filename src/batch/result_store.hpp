// Files that answers point to: kept for a while under names that nobody guesses, in memory or in a
// folder, and served at /stream/{id}/{name} (spec/batch.md 5). Bytes are stored as they came, after
// it was seen that they are what they claim to be.
// Thread: any. Owns: the bytes, or the folder's files; what expires is removed.
// Fails with: too_large, too_many (the store is full of younger files), the system's codes.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/off_shard.hpp"
#include "http/server.hpp"
#include "observe/metrics.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace rivulet::batch {

struct result_store_options {
    std::filesystem::path folder;     // empty: in memory
    std::uint64_t bytes = 512u << 20; // of all files
    std::uint64_t file_bytes = 300'000'000;
    duration keep = std::chrono::hours(1);

    result_store_options() {}
};

class result_store {
  public:
    // `metrics` outlives it. With a folder: takes over what an earlier process left there.
    static outcome<std::shared_ptr<result_store>>
    open(result_store_options options, observe::metrics& metrics, logger log);
    ~result_store();

    // The path under which it is served: "/stream/<32 hex>/<16 hex>.png". `extension` without a
    // dot.
    // Writes the file when there is a folder: off the shards.
    outcome<std::string> put(std::string bytes, std::string_view extension, time_point now);
    // Removes what has expired; put() does so too. Call it every minute or so, off the shards.
    void sweep(time_point now);

    std::uint64_t limit_of_file() const;

    // GET and HEAD of /stream/{id}/{name}: ranges, Content-Type, CORS. Before it listens; the store
    // outlives the server's connections, as do the threads that read its files (null: the shard
    // does).
    void add_routes(http::server& server, blocking_threads* disk = nullptr);

    struct impl;
    explicit result_store(std::unique_ptr<impl> parts);

  private:
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::batch
