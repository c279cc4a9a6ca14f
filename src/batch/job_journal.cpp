#include "batch/job_journal.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rivulet::batch {
namespace {

constexpr std::int64_t application_id = 0x52564a42; // "RVJB"
constexpr std::int64_t version = 1;

constexpr const char* schema = R"(
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    pipeline TEXT NOT NULL,
    model TEXT NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    base TEXT NOT NULL,
    webhook TEXT NOT NULL,
    webhook_tries INTEGER NOT NULL,
    webhook_done INTEGER NOT NULL,
    upload INTEGER NOT NULL,
    body_bytes INTEGER NOT NULL,
    record TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX jobs_by_state ON jobs (state, updated);
)";

constexpr int first_over = static_cast<int>(job_state::done);

} // namespace

std::string_view to_string(job_state state) {
    switch (state) {
    case job_state::queued:
        return "queued";
    case job_state::running:
        return "running";
    case job_state::done:
        return "done";
    case job_state::failed:
        return "failed";
    case job_state::cancelled:
        return "cancelled";
    }
    return "queued";
}

// One use of a prepared statement; it is ready for the next one when this goes.
class job_journal::statement {
  public:
    statement(job_journal& in, std::string_view sql) : in_(in) {
        for (const auto& [text, kept] : in.prepared_)
            if (text == sql)
                made_ = kept;
        if (made_)
            return;
        failed_ = sqlite3_prepare_v3(
            in.database_.get(),
            sql.data(),
            static_cast<int>(sql.size()),
            SQLITE_PREPARE_PERSISTENT,
            &made_,
            nullptr
        );
        if (failed_ == SQLITE_OK)
            in.prepared_.emplace_back(sql, made_);
    }

    ~statement() {
        sqlite3_reset(made_);
        sqlite3_clear_bindings(made_);
    }

    statement(const statement&) = delete;
    statement& operator=(const statement&) = delete;

    // The text lives until the statement goes.
    statement& bind(std::string_view text) {
        const char* data = text.data() ? text.data() : "";
        note(sqlite3_bind_text64(made_, ++bound_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
        return *this;
    }

    statement& bind(std::int64_t number) {
        note(sqlite3_bind_int64(made_, ++bound_, number));
        return *this;
    }

    // True while there is a row.
    bool step() {
        if (failed_ != SQLITE_OK)
            return false;
        const int code = sqlite3_step(made_);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            failed_ = code;
        return code == SQLITE_ROW;
    }

    outcome<void> run() {
        while (step()) {
        }
        return end();
    }

    outcome<void> end() const {
        if (failed_ != SQLITE_OK)
            return in_.describe(failed_);
        return {};
    }

    std::int64_t number(int column) const { return sqlite3_column_int64(made_, column); }

    std::string text(int column) const {
        const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(made_, column));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(made_, column));
        return data ? std::string(data, size) : std::string();
    }

  private:
    void note(int code) {
        if (failed_ == SQLITE_OK)
            failed_ = code;
    }

    job_journal& in_;
    sqlite3_stmt* made_ = nullptr;
    int failed_ = SQLITE_OK;
    int bound_ = 0;
};

void job_journal::close_database::operator()(sqlite3* database) const {
    sqlite3_close_v2(database);
}

job_journal::~job_journal() {
    for (const auto& [text, kept] : prepared_)
        sqlite3_finalize(kept);
}

failure job_journal::describe(int code) const {
    const auto name = file_.empty() ? std::string("in memory") : file_.string();
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return failure(
            errc::already_exists,
            fmt::format("the job journal {} is in use by another process", name)
        );
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return failure(
            errc::media_error,
            fmt::format("the job journal {} is damaged: move it away to begin a new one", name)
        );
    case SQLITE_FULL:
        return failure(
            error_code(ENOSPC, boost::system::system_category()),
            fmt::format("the job journal {}: no space is left", name)
        );
    default:
        break;
    }
    const int cause = database_ ? sqlite3_system_errno(database_.get()) : 0;
    return failure(
        error_code(cause ? cause : EIO, boost::system::system_category()),
        fmt::format(
            "the job journal {}: {}",
            name,
            cause ? error_code(cause, boost::system::system_category()).message()
                  : std::string(sqlite3_errstr(code))
        )
    );
}

outcome<std::unique_ptr<job_journal>> job_journal::open(const std::filesystem::path& file) {
    std::unique_ptr<job_journal> made(new job_journal(file));
    if (auto ready = made->prepare_file(); !ready)
        return ready.error();
    if (auto connected = made->connect(); !connected)
        return connected.error();
    if (auto known = made->check_version(); !known)
        return known.error();
    return made;
}

// Requests and results are nobody else's business, and SQLite makes its other files like this one.
outcome<void> job_journal::prepare_file() {
    if (file_.empty())
        return {};
    const int made = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (made < 0) {
        const error_code why(errno, boost::system::system_category());
        return failure(
            why,
            fmt::format("the job journal {} can't be written: {}", file_.string(), why.message())
        );
    }
    ::close(made);
    return {};
}

outcome<void> job_journal::connect() {
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(
        file_.empty() ? ":memory:" : file_.c_str(),
        &opened,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr
    );
    database_.reset(opened);
    if (code != SQLITE_OK)
        return describe(code);
    // A predecessor may be about to end.
    sqlite3_busy_timeout(opened, 500);
    for (const char* setting :
         {"PRAGMA locking_mode = EXCLUSIVE",
          "PRAGMA journal_mode = WAL",
          "PRAGMA synchronous = FULL",
          "PRAGMA journal_size_limit = 67108864",
          "PRAGMA trusted_schema = OFF"})
        if (auto set = run(setting); !set)
            return set;
    return {};
}

outcome<void> job_journal::check_version() {
    auto tables = number("SELECT count(*) FROM sqlite_schema");
    if (!tables)
        return tables.error();
    if (*tables == 0) {
        if (auto begun = begin(); !begun)
            return begun;
        const auto stamp = fmt::format(
            "PRAGMA application_id = {}; PRAGMA user_version = {};", application_id, version
        );
        for (const char* part : {schema, stamp.c_str()})
            if (auto made = run(part); !made)
                return made;
        return commit();
    }
    auto whose = number("PRAGMA application_id");
    if (!whose)
        return whose.error();
    if (*whose != application_id)
        return failure(
            errc::media_error,
            fmt::format("{} is no job journal: move it away to begin a new one", file_.string())
        );
    auto found = number("PRAGMA user_version");
    if (!found)
        return found.error();
    if (*found != version)
        return failure(
            errc::unsupported,
            fmt::format(
                "the job journal {} is of version {}, this program knows {}: start the program "
                "that wrote it, or move it away to begin a new one",
                file_.string(),
                *found,
                version
            )
        );
    return check_content();
}

outcome<void> job_journal::check_content() {
    statement check(*this, "PRAGMA quick_check(1)");
    const bool said = check.step();
    if (auto ended = check.end(); !ended)
        return ended;
    if (!said || check.text(0) != "ok")
        return describe(SQLITE_CORRUPT);
    return {};
}

outcome<void> job_journal::run(const char* sql) {
    const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK)
        return describe(code);
    return {};
}

outcome<std::int64_t> job_journal::number(const char* sql) {
    statement asked(*this, sql);
    const bool said = asked.step();
    if (auto ended = asked.end(); !ended)
        return ended.error();
    return said ? asked.number(0) : 0;
}

outcome<void> job_journal::begin() {
    return statement(*this, "BEGIN IMMEDIATE").run();
}

outcome<void> job_journal::commit() {
    return statement(*this, "COMMIT").run();
}

void job_journal::roll_back() {
    // Some failures have ended the transaction already.
    if (sqlite3_get_autocommit(database_.get()) == 0)
        sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

outcome<void> job_journal::insert(const job_row& job) {
    statement put(
        *this,
        "INSERT INTO jobs (id, pipeline, model, state, attempts, created, updated, base, webhook, "
        "webhook_tries, webhook_done, upload, body_bytes, record, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 0, ?, '')"
    );
    put.bind(job.id).bind(job.pipeline).bind(job.model);
    put.bind(static_cast<std::int64_t>(job.state)).bind(std::int64_t{job.attempts});
    put.bind(job.created).bind(job.updated).bind(job.base).bind(job.webhook);
    put.bind(job.upload).bind(job.record);
    return put.run();
}

outcome<void> job_journal::set_running(std::string_view id, std::int64_t now) {
    statement set(
        *this,
        "UPDATE jobs SET state = 1, attempts = attempts + 1, updated = ? WHERE id = ? "
        "AND state < 2"
    );
    return set.bind(now).bind(id).run();
}

outcome<void> job_journal::put_back(std::string_view id, std::int64_t now) {
    statement set(
        *this,
        "UPDATE jobs SET state = 0, attempts = max(attempts - 1, 0), updated = ? WHERE id = ? "
        "AND state = 1"
    );
    return set.bind(now).bind(id).run();
}

outcome<void> job_journal::set_over(
    std::string_view id, job_state state, std::string_view body, std::int64_t now
) {
    statement set(
        *this,
        "UPDATE jobs SET state = ?, body = ?, body_bytes = ?, updated = ?, record = '', "
        "upload = -1 WHERE id = ?"
    );
    set.bind(static_cast<std::int64_t>(state)).bind(body);
    set.bind(static_cast<std::int64_t>(body.size())).bind(now).bind(id);
    return set.run();
}

outcome<void> job_journal::set_webhook_tries(std::string_view id, unsigned tries) {
    statement set(*this, "UPDATE jobs SET webhook_tries = ? WHERE id = ?");
    return set.bind(std::int64_t{tries}).bind(id).run();
}

outcome<void> job_journal::set_webhook_done(std::string_view id) {
    statement set(*this, "UPDATE jobs SET webhook_done = 1 WHERE id = ?");
    return set.bind(id).run();
}

namespace {

// What a row may hold that this version doesn't know is treated as not begun.
job_state to_state(std::int64_t number) {
    return number >= 0 && number <= static_cast<std::int64_t>(job_state::cancelled)
               ? static_cast<job_state>(number)
               : job_state::queued;
}

template <class Statement>
job_row read_row(const Statement& from) {
    job_row row;
    row.id = from.text(0);
    row.pipeline = from.text(1);
    row.model = from.text(2);
    row.state = to_state(from.number(3));
    row.attempts = static_cast<unsigned>(from.number(4));
    row.created = from.number(5);
    row.updated = from.number(6);
    row.base = from.text(7);
    row.webhook = from.text(8);
    row.upload = from.number(9);
    return row;
}

} // namespace

outcome<std::optional<job_row>> job_journal::find(std::string_view id) {
    statement asked(
        *this,
        "SELECT id, pipeline, model, state, attempts, created, updated, base, webhook, upload, "
        "record, body FROM jobs WHERE id = ?"
    );
    std::optional<job_row> found;
    if (asked.bind(id).step()) {
        found = read_row(asked);
        found->record = asked.text(10);
        found->body = asked.text(11);
    }
    if (auto ended = asked.end(); !ended)
        return ended.error();
    return found;
}

outcome<std::vector<job_row>> job_journal::unfinished() {
    statement asked(
        *this,
        "SELECT id, pipeline, model, state, attempts, created, updated, base, webhook, upload, "
        "length(CAST(record AS BLOB)) FROM jobs WHERE state < ? ORDER BY created, rowid"
    );
    std::vector<job_row> found;
    asked.bind(std::int64_t{first_over});
    while (asked.step()) {
        found.push_back(read_row(asked));
        found.back().record_bytes = asked.number(10);
    }
    if (auto ended = asked.end(); !ended)
        return ended.error();
    return found;
}

outcome<std::vector<pending_webhook>> job_journal::webhooks() {
    statement asked(
        *this,
        "SELECT id, webhook, webhook_tries FROM jobs WHERE state >= ? AND webhook != '' AND "
        "webhook_done = 0 ORDER BY updated"
    );
    std::vector<pending_webhook> found;
    asked.bind(std::int64_t{first_over});
    while (asked.step()) {
        pending_webhook each;
        each.id = asked.text(0);
        each.url = asked.text(1);
        each.tries = static_cast<unsigned>(asked.number(2));
        found.push_back(std::move(each));
    }
    if (auto ended = asked.end(); !ended)
        return ended.error();
    return found;
}

outcome<journal_totals> job_journal::totals() {
    statement asked(
        *this, "SELECT count(*), coalesce(sum(body_bytes), 0) FROM jobs WHERE state >= ?"
    );
    journal_totals found;
    if (asked.bind(std::int64_t{first_over}).step()) {
        found.jobs = static_cast<std::uint64_t>(asked.number(0));
        found.result_bytes = static_cast<std::uint64_t>(asked.number(1));
    }
    if (auto ended = asked.end(); !ended)
        return ended.error();
    return found;
}

outcome<std::uint64_t> job_journal::forget(std::int64_t before) {
    statement gone(*this, "DELETE FROM jobs WHERE state >= ? AND updated < ?");
    if (auto ended = gone.bind(std::int64_t{first_over}).bind(before).run(); !ended)
        return ended.error();
    return static_cast<std::uint64_t>(sqlite3_changes64(database_.get()));
}

} // namespace rivulet::batch
