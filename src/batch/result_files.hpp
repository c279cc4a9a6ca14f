// The folder of a result store: one file a result, written whole or not at all, readable by nobody
// else. Files that aren't results stay untouched.
// Thread: any but a shard, apart from open_file(); a name is written and removed by one at a time.
// Owns: a lock on the folder, so that two processes don't evict each other's files.
// Fails with: already_exists (another process has it), the system's codes; texts name the path.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::batch {

// "<32 hex>-<16 hex>.ext"
bool is_result_name(std::string_view name);

class result_files {
  public:
    struct left_over {
        std::string name;
        std::uint64_t size = 0;
        duration age{};

        left_over() {}
    };

    // Creates the folder when it isn't there; removes what was only half written.
    static outcome<std::unique_ptr<result_files>> open(std::filesystem::path folder);
    ~result_files();
    result_files(const result_files&) = delete;
    result_files& operator=(const result_files&) = delete;

    std::vector<left_over> list() const;
    outcome<void> write(const std::string& name, std::string_view bytes);
    void remove(const std::string& name);
    // A descriptor for reading, the caller's to close; -1 when there is none.
    int open_file(const std::string& name) const;

    result_files(std::filesystem::path folder, int lock)
        : folder_(std::move(folder)), lock_(lock) {}

  private:
    const std::filesystem::path folder_;
    const int lock_;
};

} // namespace rivulet::batch
