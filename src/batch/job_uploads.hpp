// The files of jobs that aren't over, one each beside the journal, named by the job's id.
// Thread: any but a shard: every call waits for the disk.
// Fails with: the system's codes; the text names the file.
#pragma once

#include "base/error.hpp"
#include "batch/spool.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_set>

namespace rivulet::batch {

class job_uploads {
  public:
    // Without a folder nothing is kept.
    explicit job_uploads(std::filesystem::path folder) : folder_(std::move(folder)) {}

    // Makes the folder, readable for nobody else, and removes files of jobs that aren't `known`.
    outcome<void> prepare(const std::unordered_set<std::string>& known) const;
    // On the disk once it returns.
    outcome<void> save(const std::string& id, const spool& content) const;
    // `size`: what was saved; another one means damage.
    outcome<std::shared_ptr<const spool>> load(const std::string& id, std::uint64_t size) const;
    void remove(const std::string& id) const;

  private:
    outcome<void> sync_folder() const;

    std::filesystem::path folder_;
};

} // namespace rivulet::batch
