#include "batch/job_journal.hpp"
#include "support/scratch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sqlite3.h>
#include <sys/stat.h>

namespace rivulet::batch {
namespace {

using testing::HasSubstr;

job_row row(const std::string& id, std::int64_t created = 1000) {
    job_row made;
    made.id = id;
    made.pipeline = "text-to-image";
    made.model = "some/model";
    made.created = made.updated = created;
    made.base = "http://gw:8935";
    made.record = R"({"prompt":"a \u0000 cat"})";
    made.upload = 7;
    return made;
}

std::unique_ptr<job_journal> open(const std::filesystem::path& file) {
    auto opened = job_journal::open(file);
    if (!opened)
        throw std::runtime_error(opened.error().detail);
    return std::move(*opened);
}

void sql(const std::string& file, const char* text) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, text, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
}

TEST(job_journal, gives_back_what_was_put_in) {
    auto journal = open({});
    ASSERT_TRUE(journal->insert(row("a")));
    const auto found = journal->find("a").value();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pipeline, "text-to-image");
    EXPECT_EQ(found->model, "some/model");
    EXPECT_EQ(found->state, job_state::queued);
    EXPECT_EQ(found->created, 1000);
    EXPECT_EQ(found->base, "http://gw:8935");
    EXPECT_EQ(found->record, row("a").record);
    EXPECT_EQ(found->upload, 7);
    EXPECT_FALSE(journal->find("b").value());
}

TEST(job_journal, keeps_jobs_beyond_its_own_end) {
    test::scratch folder;
    {
        auto journal = open(folder / "jobs.sqlite");
        ASSERT_TRUE(journal->insert(row("a")));
        ASSERT_TRUE(journal->insert(row("b", 900)));
        ASSERT_TRUE(journal->set_running("a", 2000));
    }
    const auto rows = open(folder / "jobs.sqlite")->unfinished().value();
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].id, "b"); // the older one first
    EXPECT_EQ(rows[1].state, job_state::running);
    EXPECT_EQ(rows[1].attempts, 1u);
    EXPECT_EQ(rows[1].record_bytes, static_cast<std::int64_t>(row("a").record.size()));
}

TEST(job_journal, what_is_rolled_back_was_never_there) {
    auto journal = open({});
    ASSERT_TRUE(journal->begin());
    ASSERT_TRUE(journal->insert(row("a")));
    journal->roll_back();
    EXPECT_FALSE(journal->find("a").value());
    ASSERT_TRUE(journal->begin());
    ASSERT_TRUE(journal->insert(row("a")));
    ASSERT_TRUE(journal->commit());
    EXPECT_TRUE(journal->find("a").value());
}

TEST(job_journal, an_attempt_that_the_gateways_own_end_cut_short_does_not_count) {
    auto journal = open({});
    ASSERT_TRUE(journal->insert(row("a")));
    ASSERT_TRUE(journal->set_running("a", 2000));
    ASSERT_TRUE(journal->put_back("a", 3000));
    EXPECT_EQ(journal->find("a").value()->attempts, 0u);
    EXPECT_EQ(journal->find("a").value()->state, job_state::queued);
}

TEST(job_journal, what_is_over_is_not_begun_again) {
    auto journal = open({});
    ASSERT_TRUE(journal->insert(row("a")));
    ASSERT_TRUE(journal->set_over("a", job_state::cancelled, "{}", 2000));
    ASSERT_TRUE(journal->set_running("a", 3000));
    EXPECT_EQ(journal->find("a").value()->state, job_state::cancelled);
    EXPECT_TRUE(journal->unfinished().value().empty());
}

TEST(job_journal, forgets_the_request_at_the_end_and_the_rest_when_its_time_is_over) {
    auto journal = open({});
    for (const auto* id : {"a", "b", "c"})
        ASSERT_TRUE(journal->insert(row(id)));
    ASSERT_TRUE(journal->set_over("a", job_state::done, R"({"text":"x"})", 2000));
    ASSERT_TRUE(journal->set_over("b", job_state::failed, "{}", 3000));
    EXPECT_EQ(journal->find("a").value()->record, "");
    EXPECT_EQ(journal->find("a").value()->body, R"({"text":"x"})");
    EXPECT_EQ(journal->totals().value().jobs, 2u);
    EXPECT_EQ(journal->totals().value().result_bytes, 14u);
    EXPECT_EQ(journal->forget(3000).value(), 1u);
    EXPECT_FALSE(journal->find("a").value());
    EXPECT_TRUE(journal->find("b").value());
    // However old: it isn't over.
    EXPECT_EQ(journal->forget(1'000'000).value(), 1u);
    EXPECT_TRUE(journal->find("c").value());
}

TEST(job_journal, knows_which_webhooks_are_not_delivered) {
    auto journal = open({});
    auto told = row("a"), silent = row("b");
    told.webhook = "https://hook.example/x";
    ASSERT_TRUE(journal->insert(told));
    ASSERT_TRUE(journal->insert(silent));
    EXPECT_TRUE(journal->webhooks().value().empty()); // not over
    ASSERT_TRUE(journal->set_over("a", job_state::done, "{}", 2000));
    ASSERT_TRUE(journal->set_over("b", job_state::done, "{}", 2000));
    ASSERT_TRUE(journal->set_webhook_tries("a", 3));
    const auto due = journal->webhooks().value();
    ASSERT_EQ(due.size(), 1u);
    EXPECT_EQ(due[0].id, "a");
    EXPECT_EQ(due[0].url, "https://hook.example/x");
    EXPECT_EQ(due[0].tries, 3u);
    ASSERT_TRUE(journal->set_webhook_done("a"));
    EXPECT_TRUE(journal->webhooks().value().empty());
}

TEST(job_journal, is_readable_for_nobody_else) {
    test::scratch folder;
    auto journal = open(folder / "jobs.sqlite");
    ASSERT_TRUE(journal->insert(row("a")));
    for (const auto* name : {"jobs.sqlite", "jobs.sqlite-wal"}) {
        struct stat found {};

        ASSERT_EQ(::stat((folder / name).c_str(), &found), 0) << name;
        EXPECT_EQ(found.st_mode & 0777, 0600u) << name;
    }
}

TEST(job_journal, a_newer_versions_journal_is_refused) {
    test::scratch folder;
    const auto file = folder / "jobs.sqlite";
    open(file).reset();
    sql(file, "PRAGMA user_version = 2");
    const auto opened = job_journal::open(file);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, errc::unsupported);
    EXPECT_THAT(opened.error().detail, HasSubstr("is of version 2"));
    EXPECT_THAT(opened.error().detail, HasSubstr(file));
}

TEST(job_journal, a_file_that_is_something_else_is_refused_and_left_alone) {
    test::scratch folder;
    const auto text = folder / "text", other = folder / "other";
    const std::string content(5000, 'x');
    std::ofstream(text) << content;
    auto opened = job_journal::open(text);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, errc::media_error);
    EXPECT_THAT(opened.error().detail, HasSubstr("move it away"));
    std::ifstream in(text);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), content);

    sql(other, "CREATE TABLE jobs (id TEXT)");
    opened = job_journal::open(other);
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().detail, HasSubstr("is no job journal"));
}

TEST(job_journal, a_damaged_journal_is_refused) {
    test::scratch folder;
    const auto file = folder / "jobs.sqlite";
    {
        auto journal = open(file);
        auto large = row("a");
        large.record = std::string(100'000, 'x');
        ASSERT_TRUE(journal->insert(large));
    }
    std::fstream damage(file, std::ios::in | std::ios::out | std::ios::binary);
    damage.seekp(4096);
    damage << std::string(8192, '\x5a');
    damage.close();
    const auto opened = job_journal::open(file);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, errc::media_error);
}

TEST(job_journal, belongs_to_one_process) {
    test::scratch folder;
    const auto first = open(folder / "jobs.sqlite");
    const auto second = job_journal::open(folder / "jobs.sqlite");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, errc::already_exists);
    EXPECT_THAT(second.error().detail, HasSubstr("in use by another process"));
}

TEST(job_journal, a_folder_that_is_not_there_is_named) {
    test::scratch folder;
    const auto opened = job_journal::open(folder / "none/jobs.sqlite");
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().detail, HasSubstr("none/jobs.sqlite can't be written: No such"));
}

} // namespace
} // namespace rivulet::batch
