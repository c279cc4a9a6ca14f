// The journal of asynchronous jobs in SQLite: one row per job, from the moment it was accepted
// until it expires. What a call has written is on the disk when commit() has returned. Thread: one
// at a time; every call may wait for the disk. Owns: the database; with a file also the lock that
// keeps a second process out of it. Fails with: unsupported (a newer version's), media_error
// (damaged), already_exists (in use), the system's codes; the text names the file and the cure.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace rivulet::batch {

enum class job_state { queued, running, done, failed, cancelled };

std::string_view to_string(job_state state);

inline bool is_over(job_state state) {
    return state >= job_state::done;
}

// Times are milliseconds since 1970, so that they mean the same after a restart.
struct job_row {
    std::string id, pipeline, model;
    job_state state = job_state::queued;
    unsigned attempts = 0; // that were begun
    std::int64_t created = 0, updated = 0;
    std::string base, webhook;
    std::string record; // the request without its file, JSON; see to_record()
    std::int64_t record_bytes = 0;
    std::int64_t upload = -1; // bytes of its file; -1: it has none
    std::string body;         // once over: the result or the error, JSON

    job_row() {}
};

// A completion webhook that wasn't delivered yet.
struct pending_webhook {
    std::string id, url;
    unsigned tries = 0;

    pending_webhook() {}
};

struct journal_totals {
    std::uint64_t jobs = 0, result_bytes = 0; // of those that are over

    journal_totals() {}
};

class job_journal {
  public:
    // An empty path: in memory, gone with the object.
    static outcome<std::unique_ptr<job_journal>> open(const std::filesystem::path& file);
    ~job_journal();
    job_journal(const job_journal&) = delete;
    job_journal& operator=(const job_journal&) = delete;

    // Everything between the two is durable at once, or not at all.
    outcome<void> begin();
    outcome<void> commit();
    void roll_back();

    outcome<void> insert(const job_row& job);
    // An attempt begins.
    outcome<void> set_running(std::string_view id, std::int64_t now);
    // An attempt that wasn't ended by the job, but by the gateway's own end: it doesn't count.
    outcome<void> put_back(std::string_view id, std::int64_t now);
    // Over; the request isn't needed any more and is forgotten.
    outcome<void>
    set_over(std::string_view id, job_state state, std::string_view body, std::int64_t now);
    outcome<void> set_webhook_tries(std::string_view id, unsigned tries);
    outcome<void> set_webhook_done(std::string_view id);

    outcome<std::optional<job_row>> find(std::string_view id);
    // Oldest first, without their records.
    outcome<std::vector<job_row>> unfinished();
    outcome<std::vector<pending_webhook>> webhooks();
    outcome<journal_totals> totals();
    // Forgets what has been over since `before`; how many.
    outcome<std::uint64_t> forget(std::int64_t before);

  private:
    class statement;

    struct close_database {
        void operator()(sqlite3* database) const;
    };

    explicit job_journal(std::filesystem::path file) : file_(std::move(file)) {}

    outcome<void> prepare_file();
    outcome<void> connect();
    outcome<void> check_version();
    outcome<void> check_content();
    outcome<void> run(const char* sql);
    outcome<std::int64_t> number(const char* sql);
    failure describe(int code) const;

    const std::filesystem::path file_;
    std::unique_ptr<sqlite3, close_database> database_;
    std::vector<std::pair<std::string_view, sqlite3_stmt*>> prepared_;
};

} // namespace rivulet::batch
