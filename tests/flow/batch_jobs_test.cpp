// Asynchronous jobs over real sockets: what their clients see, what a crash leaves, how they end.
#include "batch/job_table.hpp"
#include "batch/request.hpp"
#include "support/batch_rig.hpp"
#include "support/fake_webhook.hpp"
#include "support/run_on.hpp"
#include "support/scratch.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

namespace rivulet {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using batch::api_error;
using batch::job_options;
using batch::job_table;
using test::ask;
using test::batch_rig;
using test::fake_batch_orchestrator;
using test::request_text;
using test::request_with_body;
using testing::HasSubstr;

template <class Condition>
bool soon(Condition holds) {
    for (const auto until = steady_clock::now() + 10s; steady_clock::now() < until;) {
        if (holds())
            return true;
        std::this_thread::sleep_for(2ms);
    }
    return false;
}

// Does the jobs' work as a test wants it.
class desk {
  public:
    using answers = batch::answer<json::object>;

    batch::process_request process() {
        return [this](std::shared_ptr<const batch::request> what, std::string, std::string base) {
            return work(std::move(what), std::move(base));
        };
    }

    std::atomic<bool> hold{false};
    std::atomic<int> begun{0}, left{0}, most_at_once{0};
    std::function<answers(const batch::request&, int number)> answer;

    std::vector<std::shared_ptr<const batch::request>> seen() {
        const std::lock_guard lock(guard_);
        return seen_;
    }

  private:
    struct presence {
        desk& of;
        bool complete = false;

        explicit presence(desk& d) : of(d) {
            const int now = ++of.at_once_;
            if (now > of.most_at_once)
                of.most_at_once = now;
        }

        ~presence() {
            --of.at_once_;
            if (!complete)
                ++of.left;
        }
    };

    awaitable<answers> work(std::shared_ptr<const batch::request> what, std::string base) {
        {
            const std::lock_guard lock(guard_);
            seen_.push_back(what);
        }
        const int number = begun++;
        presence here(*this);
        while (hold)
            co_await test::sleep_for(2ms);
        here.complete = true;
        if (answer)
            co_return answer(*what, number);
        co_return json::object{{"base", base}, {"model", what->model}};
    }

    std::mutex guard_;
    std::vector<std::shared_ptr<const batch::request>> seen_;
    std::atomic<int> at_once_{0};
};

class job_rig {
  public:
    explicit job_rig(desk& work, job_options options = {}, ingest::check_access check = {})
        : server_(shards_, {}, logger("http")) {
        auto opened = job_table::open(shards_, options, work.process(), metrics_, logger("jobs"));
        if (!opened)
            throw std::runtime_error(opened.error().detail);
        table_ = std::move(*opened);
        table_->add_routes(server_, std::move(check));
        port_ = server_.listen("127.0.0.1:0").value();
    }

    ~job_rig() {
        server_.stop(duration::zero());
        table_->stop();
        shards_.stop();
    }

    batch::answer<std::string>
    accept(std::shared_ptr<const batch::request> what, std::string webhook = {}) {
        batch::answer<std::string> made;
        test::run_on(shards_.at(1).get_executor(), accept_into(made, what, webhook));
        return made;
    }

    json::object job(const std::string& id) {
        const auto reply = ask(port_, request_text("GET", "/jobs/" + id));
        if (reply.status != 200)
            throw std::runtime_error(reply.body);
        return json::parse(reply.body).as_object();
    }

    std::string status(const std::string& id) {
        return std::string(job(id).at("status").as_string());
    }

    bool becomes(const std::string& id, const std::string& wanted) {
        return soon([&] { return status(id) == wanted; });
    }

    test::raw_reply cancel(const std::string& id) {
        return ask(port_, request_text("DELETE", "/jobs/" + id));
    }

    job_table& table() { return *table_; }

    std::uint16_t port() const { return port_; }

    std::string metrics() const { return metrics_.text(); }

  private:
    awaitable<void> accept_into(
        batch::answer<std::string>& made,
        std::shared_ptr<const batch::request> what,
        std::string webhook
    ) {
        made = co_await table_->accept(std::move(what), "http://gw:8935", std::move(webhook));
    }

    observe::metrics metrics_;
    shards shards_{2};
    http::server server_;
    std::shared_ptr<job_table> table_;
    std::uint16_t port_ = 0;
};

std::shared_ptr<const batch::request> picture(const std::string& prompt = "a cat") {
    auto made = batch::parse_json(
        *batch::find_pipeline("text-to-image"), json::serialize(json::object{{"prompt", prompt}})
    );
    return std::make_shared<const batch::request>(std::move(made.value()));
}

std::shared_ptr<const batch::request> upscaled(const std::string& bytes) {
    batch::upload file;
    file.filename = "cat.png";
    file.content_type = "image/png";
    auto content = std::make_shared<batch::spool>(batch::spool_limits());
    if (content->write({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}))
        throw std::runtime_error("no spool");
    file.content = std::move(content);
    auto made = batch::parse_form(
        *batch::find_pipeline("upscale"), {{"prompt", "sharp"}, {"seed", "7"}}, std::move(file)
    );
    batch::media_facts facts;
    facts.width = 40;
    facts.height = 30;
    facts.format = "png";
    batch::take_media(made.value(), facts).value();
    return std::make_shared<const batch::request>(std::move(*made));
}

std::string text_of(const batch::spool& content) {
    std::vector<std::uint8_t> bytes(content.size() + 1);
    const auto got = content.read(0, bytes).value();
    return std::string(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(got));
}

job_options in_folder(const std::filesystem::path& folder) {
    job_options made;
    made.folder = folder;
    made.settling = 3s;
    return made;
}

// What a crash at this moment would leave.
void copy_as_left(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

std::size_t files_in(const std::filesystem::path& folder) {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator(folder))
        count += each.exists() ? 1 : 0;
    return count;
}

TEST(jobs, a_job_goes_from_its_acceptance_to_its_result) {
    desk work;
    work.hold = true;
    job_rig rig(work);
    const auto id = rig.accept(picture()).value();
    EXPECT_EQ(id.size(), 32u);
    ASSERT_TRUE(rig.becomes(id, "running"));
    const auto under_way = ask(rig.port(), request_text("GET", "/jobs/" + id));
    EXPECT_EQ(under_way["Retry-After"], "1");
    EXPECT_EQ(under_way["Content-Type"], "application/json");
    work.hold = false;
    ASSERT_TRUE(rig.becomes(id, "done"));
    const auto body = rig.job(id);
    EXPECT_EQ(body.at("id"), json::value(id));
    EXPECT_EQ(body.at("pipeline"), "text-to-image");
    EXPECT_EQ(body.at("model"), "stabilityai/sdxl-turbo");
    EXPECT_EQ(body.at("result").at("base"), "http://gw:8935");
    EXPECT_EQ(rig.table().unfinished(), 0u);
    EXPECT_THAT(rig.metrics(), HasSubstr("rivulet_jobs_total{pipeline=\"text-to-image\""));
}

TEST(jobs, what_is_not_there_is_not_found) {
    desk work;
    job_rig rig(work);
    for (const auto* id : {"0123456789abcdef0123456789abcdef", "x", "%27%3b", "0"}) {
        EXPECT_EQ(ask(rig.port(), request_text("GET", "/jobs/" + std::string(id))).status, 404);
        EXPECT_EQ(rig.cancel(id).status, 404) << id;
    }
}

TEST(batch_conformance, s33_an_unknown_id_of_a_result_is_a_bad_request) {
    desk work;
    job_rig rig(work);
    const auto result_of = [&](const std::string& body) {
        return ask(rig.port(), request_with_body("POST", "/image-to-video/result", body));
    };
    for (const auto* id : {"0123456789abcdef0123456789abcdef", "1a2b3c4d", ""}) {
        const auto reply = result_of(json::serialize(json::object{{"request_id", id}}));
        EXPECT_EQ(reply.status, 400) << id;
        EXPECT_EQ(json::parse(reply.body).at("error").at("message"), "invalid request ID");
    }
    EXPECT_EQ(result_of("{").status, 400);
    EXPECT_EQ(result_of("{\"request_id\":1}").status, 400);
    EXPECT_EQ(result_of(std::string(5'000, ' ')).status, 413);
    EXPECT_EQ(ask(rig.port(), request_text("GET", "/image-to-video/result")).status, 405);
}

TEST(jobs, what_can_not_be_written_is_refused_and_costs_nothing) {
    test::scratch folder;
    desk work;
    job_rig rig(work, in_folder(folder / "jobs"));
    std::filesystem::remove_all(folder / "jobs/uploads");
    const auto refused = rig.accept(upscaled("not long"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, http::status::service_unavailable);
    EXPECT_THAT(refused.error().message, testing::Not(HasSubstr(folder / "jobs")));
    EXPECT_EQ(rig.table().unfinished(), 0u);
    const auto id = rig.accept(picture()).value();
    EXPECT_TRUE(rig.becomes(id, "done"));
}

TEST(jobs, more_than_may_run_wait_in_their_order) {
    desk work;
    work.hold = true;
    job_options options;
    options.running = 2;
    job_rig rig(work, options);
    std::vector<std::string> ids;
    for (int i = 0; i < 6; ++i)
        ids.push_back(rig.accept(picture(std::to_string(i))).value());
    ASSERT_TRUE(soon([&] { return work.begun == 2; }));
    EXPECT_EQ(rig.job(ids[2]).at("progress").at("ahead"), 0);
    EXPECT_EQ(rig.job(ids[5]).at("progress").at("ahead"), 3);
    EXPECT_EQ(rig.table().unfinished(), 6u);
    work.hold = false;
    for (const auto& id : ids)
        EXPECT_TRUE(rig.becomes(id, "done"));
    EXPECT_EQ(work.most_at_once, 2);
    const auto seen = work.seen();
    for (int i = 2; i < 6; ++i)
        EXPECT_EQ(
            seen[static_cast<std::size_t>(i)]->fields.at("prompt"), json::value(std::to_string(i))
        );
}

TEST(jobs, more_than_are_kept_are_refused) {
    desk work;
    work.hold = true;
    job_options options;
    options.most = 2;
    job_rig rig(work, options);
    const auto first = rig.accept(picture()).value();
    ASSERT_TRUE(rig.accept(picture()));
    const auto refused = rig.accept(picture());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, http::status::too_many_requests);
    EXPECT_TRUE(refused.error().retry_after);
    work.hold = false;
    ASSERT_TRUE(rig.becomes(first, "done"));
    // It is kept still: nothing vanishes before its time.
    EXPECT_FALSE(rig.accept(picture()));
}

TEST(jobs, requests_of_too_many_bytes_are_refused) {
    desk work;
    work.hold = true;
    job_options options;
    options.request_bytes = 3'000;
    job_rig rig(work, options);
    ASSERT_TRUE(rig.accept(picture(std::string(2'000, 'x'))));
    EXPECT_EQ(
        rig.accept(picture(std::string(2'000, 'x'))).error().status, http::status::too_many_requests
    );
    EXPECT_TRUE(rig.accept(picture()));
}

TEST(jobs, a_running_job_is_cancelled) {
    desk work;
    work.hold = true;
    job_rig rig(work);
    const auto id = rig.accept(picture()).value();
    ASSERT_TRUE(soon([&] { return work.begun == 1; }));
    const auto reply = rig.cancel(id);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(json::parse(reply.body).at("status"), "cancelled");
    EXPECT_TRUE(soon([&] { return work.left == 1; }));
    EXPECT_EQ(rig.status(id), "cancelled");
    EXPECT_EQ(rig.job(id).at("error").at("message"), "the job was cancelled");
    // Again: nothing more to do, and no mistake.
    EXPECT_EQ(rig.cancel(id).status, 200);
    EXPECT_EQ(rig.table().unfinished(), 0u);
}

TEST(jobs, a_waiting_job_is_cancelled_and_never_begun) {
    desk work;
    work.hold = true;
    job_options options;
    options.running = 1;
    job_rig rig(work, options);
    const auto first = rig.accept(picture()).value(), second = rig.accept(picture()).value();
    EXPECT_EQ(rig.cancel(second).status, 200);
    work.hold = false;
    ASSERT_TRUE(rig.becomes(first, "done"));
    EXPECT_EQ(rig.status(second), "cancelled");
    EXPECT_EQ(work.begun, 1);
}

TEST(jobs, a_job_that_is_over_can_not_be_cancelled) {
    desk work;
    job_rig rig(work);
    const auto id = rig.accept(picture()).value();
    ASSERT_TRUE(rig.becomes(id, "done"));
    const auto reply = rig.cancel(id);
    EXPECT_EQ(reply.status, 409);
    EXPECT_THAT(reply.body, HasSubstr("over already: done"));
    EXPECT_EQ(rig.status(id), "done");
}

TEST(jobs, an_exception_ends_one_job_only) {
    desk work;
    work.answer = [](const batch::request&, int number) -> desk::answers {
        if (number == 0)
            throw std::runtime_error("a bug");
        return json::object{{"text", "fine"}};
    };
    job_rig rig(work);
    const auto first = rig.accept(picture()).value();
    ASSERT_TRUE(rig.becomes(first, "failed"));
    EXPECT_EQ(rig.job(first).at("error").at("message"), "Internal Server Error");
    const auto second = rig.accept(picture()).value();
    EXPECT_TRUE(rig.becomes(second, "done"));
}

TEST(jobs, need_the_key_that_requests_need) {
    desk work;
    ingest::check_access check = [](ingest::access_request asked) -> awaitable<outcome<void>> {
        if (asked.key != "right")
            co_return failure(errc::unauthorized, "no such key");
        co_return outcome<void>();
    };
    job_rig rig(work, {}, check);
    const auto id = rig.accept(picture()).value();
    const auto bare = ask(rig.port(), request_text("GET", "/jobs/" + id));
    EXPECT_EQ(bare.status, 401);
    EXPECT_EQ(json::parse(bare.body).at("detail").at("msg"), "no such key");
    EXPECT_EQ(rig.cancel(id).status, 401);
    const auto result = request_with_body("POST", "/image-to-video/result", "{}");
    EXPECT_EQ(ask(rig.port(), result).status, 401);
    const auto with_key = request_text("GET", "/jobs/" + id, "Authorization: Bearer right\r\n");
    EXPECT_EQ(ask(rig.port(), with_key).status, 200);
}

TEST(jobs, what_was_accepted_survives_a_crash) {
    test::scratch folder;
    const std::string bytes(700'000, '\x5a');
    std::vector<std::string> ids;
    {
        desk work;
        work.hold = true;
        auto options = in_folder(folder / "first");
        options.running = 2;
        job_rig rig(work, options);
        for (int i = 0; i < 3; ++i)
            ids.push_back(rig.accept(picture(std::to_string(i))).value());
        ids.push_back(rig.accept(upscaled(bytes)).value());
        copy_as_left(folder / "first", folder / "second");
    }
    desk work;
    job_rig rig(work, in_folder(folder / "second"));
    for (const auto& id : ids)
        EXPECT_TRUE(rig.becomes(id, "done"));
    EXPECT_EQ(work.begun, 4);
    for (const auto& what : work.seen())
        if (what->file) {
            EXPECT_EQ(text_of(*what->file->content), bytes);
            EXPECT_EQ(what->file->filename, "cat.png");
            EXPECT_EQ(what->fields.at("seed"), 7);
            EXPECT_EQ(what->units(), 40 * 30);
        }
    // Nobody needs the file any more.
    EXPECT_TRUE(soon([&] { return files_in(folder / "second/uploads") == 0; }));
}

TEST(jobs, results_survive_a_restart) {
    test::scratch folder;
    std::string id;
    {
        desk work;
        job_rig rig(work, in_folder(folder / "jobs"));
        id = rig.accept(picture()).value();
        ASSERT_TRUE(rig.becomes(id, "done"));
    }
    desk work;
    job_rig rig(work, in_folder(folder / "jobs"));
    EXPECT_EQ(rig.job(id).at("result").at("base"), "http://gw:8935");
    EXPECT_EQ(work.begun, 0);
}

TEST(jobs, an_orderly_end_costs_no_attempt) {
    test::scratch folder;
    std::string id;
    for (int i = 0; i < 5; ++i) {
        desk work;
        work.hold = true;
        job_rig rig(work, in_folder(folder / "jobs"));
        if (id.empty())
            id = rig.accept(picture()).value();
        ASSERT_TRUE(soon([&] { return work.begun == 1; }));
    }
    desk work;
    job_rig rig(work, in_folder(folder / "jobs"));
    ASSERT_TRUE(rig.becomes(id, "done"));
    EXPECT_EQ(rig.job(id).at("progress").at("attempts"), 1);
}

TEST(jobs, a_job_that_was_running_at_three_crashes_is_given_up) {
    test::scratch folder;
    std::string id;
    for (int crash = 0; crash < 3; ++crash) {
        desk work;
        work.hold = true;
        job_rig rig(work, in_folder(folder / std::to_string(crash)));
        if (id.empty())
            id = rig.accept(picture()).value();
        ASSERT_TRUE(soon([&] { return work.begun == 1; })) << crash;
        copy_as_left(folder / std::to_string(crash), folder / std::to_string(crash + 1));
    }
    desk work;
    job_rig rig(work, in_folder(folder / "3"));
    EXPECT_EQ(rig.status(id), "failed");
    EXPECT_THAT(
        std::string(rig.job(id).at("error").at("message").as_string()), HasSubstr("ended 3 times")
    );
    EXPECT_EQ(work.begun, 0);
}

TEST(jobs, an_upload_that_a_disk_lost_fails_its_job_with_the_reason) {
    test::scratch folder;
    std::string id;
    {
        desk work;
        work.hold = true;
        job_rig rig(work, in_folder(folder / "jobs"));
        id = rig.accept(upscaled("not long")).value();
    }
    std::filesystem::remove_all(folder / "jobs/uploads");
    desk work;
    job_rig rig(work, in_folder(folder / "jobs"));
    ASSERT_TRUE(rig.becomes(id, "failed"));
    EXPECT_THAT(
        std::string(rig.job(id).at("error").at("message").as_string()), HasSubstr("can't be read")
    );
}

TEST(jobs, files_of_nobody_are_removed_at_the_start) {
    test::scratch folder;
    desk work;
    std::filesystem::create_directories(folder / "jobs/uploads");
    std::ofstream(folder / "jobs/uploads/0123456789abcdef0123456789abcdef") << "x";
    job_rig rig(work, in_folder(folder / "jobs"));
    EXPECT_EQ(files_in(folder / "jobs/uploads"), 0u);
}

TEST(jobs, after_a_restart_the_network_is_given_time) {
    test::scratch folder;
    std::string id;
    {
        desk work;
        work.hold = true;
        job_rig rig(work, in_folder(folder / "jobs"));
        id = rig.accept(picture()).value();
    }
    desk work;
    work.answer = [](const batch::request&, int number) -> desk::answers {
        if (number < 3)
            return api_error(http::status::service_unavailable, "nobody is known");
        return json::object{{"text", "fine"}};
    };
    job_rig rig(work, in_folder(folder / "jobs"));
    EXPECT_TRUE(rig.becomes(id, "done"));
    EXPECT_EQ(work.begun, 4);
    // A new one is told at once.
    work.begun = 0;
    const auto fresh = rig.accept(picture()).value();
    EXPECT_TRUE(rig.becomes(fresh, "failed"));
    EXPECT_EQ(rig.job(fresh).at("error").at("code"), 503);
}

TEST(jobs, who_finds_everybody_full_waits_at_the_queues_end) {
    desk work;
    work.answer = [](const batch::request& what, int) -> desk::answers {
        static std::atomic<int> refused{0};
        if (what.fields.at("prompt") == "popular" && refused++ < 3) {
            api_error full(http::status::service_unavailable, "nobody is free");
            full.tried = {json::object{{"orchestrator", "http://o"}, {"kind", "capacity"}}};
            return full;
        }
        return json::object{{"text", "fine"}};
    };
    job_options options;
    options.running = 1;
    options.pause_when_full = 20ms;
    job_rig rig(work, options);
    const auto first = rig.accept(picture("popular")).value();
    const auto second = rig.accept(picture()).value();
    ASSERT_TRUE(rig.becomes(second, "done"));
    ASSERT_TRUE(rig.becomes(first, "done"));
    EXPECT_EQ(rig.job(first).at("progress").at("attempts"), 1);
    EXPECT_EQ(work.begun, 5);
}

TEST(jobs, who_finds_everybody_full_is_not_patient_for_ever) {
    desk work;
    work.answer = [](const batch::request&, int) -> desk::answers {
        api_error full(http::status::service_unavailable, "nobody is free");
        full.tried = {json::object{{"orchestrator", "http://o"}, {"kind", "capacity"}}};
        return full;
    };
    job_options options;
    options.patience = 100ms;
    options.pause_when_full = 10ms;
    job_rig rig(work, options);
    const auto id = rig.accept(picture()).value();
    ASSERT_TRUE(rig.becomes(id, "failed"));
    EXPECT_GT(work.begun, 1);
    const auto waiting = rig.accept(picture()).value();
    EXPECT_EQ(rig.cancel(waiting).status, 200);
    EXPECT_TRUE(rig.becomes(waiting, "cancelled"));
}

TEST(jobs, what_is_over_expires) {
    desk work;
    job_options options;
    options.keep = 30ms;
    job_rig rig(work, options);
    const auto id = rig.accept(picture()).value();
    EXPECT_TRUE(soon([&] {
        return ask(rig.port(), request_text("GET", "/jobs/" + id)).status == 404;
    }));
}

TEST(jobs, the_end_is_told_until_somebody_listens) {
    test::fake_webhook hook;
    test::fake_webhook::answer busy;
    busy.status = 503;
    hook.answers(busy);
    test::scratch folder;
    desk work;
    std::string id;
    auto options = in_folder(folder / "jobs");
    options.webhooks.private_hosts = true;
    {
        job_rig rig(work, options);
        id = rig.accept(picture(), hook.url()).value();
        ASSERT_TRUE(soon([&] { return hook.asked().size() == 1; }));
    }
    hook.answers(test::fake_webhook::answer{});
    // The next process goes on with it.
    job_rig rig(work, options);
    ASSERT_TRUE(soon([&] { return hook.asked().size() == 2; }));
    const auto told = hook.asked().back();
    EXPECT_EQ(told.method, "POST");
    EXPECT_EQ(told.content_type, "application/json");
    const auto body = json::parse(told.body).as_object();
    EXPECT_EQ(body.at("id"), json::value(id));
    EXPECT_EQ(body.at("status"), "done");
    EXPECT_EQ(body.at("result").at("model"), "stabilityai/sdxl-turbo");
}

TEST(jobs, a_webhook_on_a_private_host_is_refused) {
    desk work;
    job_rig rig(work);
    const auto refused = rig.accept(picture(), "http://127.0.0.1:9/");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, http::status::bad_request);
    EXPECT_THAT(refused.error().message, HasSubstr("private network"));
    EXPECT_EQ(rig.table().unfinished(), 0u);
}

// --- with the whole service

std::string accepted_id(const test::raw_reply& reply) {
    EXPECT_EQ(reply.status, 202) << reply.body;
    return std::string(json::parse(reply.body).at("id").as_string());
}

test::raw_reply result_of(batch_rig& rig, const std::string& id) {
    return rig.post("/image-to-video/result", json::serialize(json::object{{"request_id", id}}));
}

TEST(batch_conformance, s31_an_async_video_of_an_unknown_model_is_complete_with_an_error) {
    batch_rig rig(0);
    const auto reply =
        ask(rig.port(), rig.good_request("image-to-video", "Prefer: respond-async\r\n"));
    const auto id = accepted_id(reply);
    ASSERT_TRUE(soon([&] { return result_of(rig, id).status == 200; }));
    const auto complete = result_of(rig, id);
    const auto body = json::parse(complete.body).as_object();
    EXPECT_EQ(body.at("status"), "complete");
    EXPECT_EQ(body.at("result").at("error").at("code"), 503);
    EXPECT_FALSE(body.at("result").at("error").at("message").as_string().empty());
    EXPECT_EQ(rig.get("/jobs/" + id).status, 200);
}

TEST(batch_conformance, s32_an_async_video_is_processing_and_then_complete) {
    batch_rig rig(1);
    std::atomic<bool> slow{true};
    rig[0].answer_with([&slow](const test::batch_question& asked) {
        auto made = fake_batch_orchestrator::good(asked);
        if (slow)
            made.delay = 300ms;
        return made;
    });
    const auto reply =
        ask(rig.port(), rig.good_request("image-to-video", "Prefer: wait=5, Respond-Async\r\n"));
    EXPECT_EQ(reply["Preference-Applied"], "respond-async");
    EXPECT_EQ(json::parse(reply.body).at("request_id"), json::parse(reply.body).at("id"));
    const auto id = accepted_id(reply);
    EXPECT_EQ(reply["Location"], "/jobs/" + id);
    const auto processing = result_of(rig, id);
    EXPECT_EQ(processing.status, 202);
    EXPECT_EQ(processing["Content-Type"], "application/json");
    EXPECT_EQ(json::parse(processing.body).at("status"), "processing");
    ASSERT_TRUE(soon([&] { return result_of(rig, id).status == 200; }));
    const auto complete = result_of(rig, id);
    EXPECT_EQ(complete["Content-Type"], "application/json");
    const auto body = json::parse(complete.body).as_object();
    EXPECT_EQ(body.at("status"), "complete");
    const auto& images = body.at("result").at("images").as_array();
    ASSERT_EQ(images.size(), 1u);
    EXPECT_EQ(rig.get(std::string(images[0].at("url").as_string())).status, 200);
}

TEST(jobs, every_pipeline_can_be_answered_later) {
    batch_rig rig(1);
    for (const auto& kind : batch::catalog()) {
        const auto reply =
            ask(rig.port(), rig.good_request(kind.name, "Prefer: respond-async\r\n"));
        const auto id = accepted_id(reply);
        std::string status;
        ASSERT_TRUE(soon([&] {
            status = std::string(json::parse(rig.get("/jobs/" + id).body).at("status").as_string());
            return status != "queued" && status != "running";
        })) << kind.name;
        EXPECT_EQ(status, "done") << kind.name << rig.get("/jobs/" + id).body;
    }
}

TEST(jobs, a_cancelled_job_leaves_its_orchestrator_at_once_and_without_a_mark) {
    batch_rig rig(1);
    test::batch_reply never;
    never.hang = true;
    rig[0].answer_next(never);
    const auto reply =
        ask(rig.port(), rig.good_request("text-to-image", "Prefer: respond-async\r\n"));
    const auto id = accepted_id(reply);
    rig[0].wait_for(1);
    EXPECT_EQ(ask(rig.port(), request_text("DELETE", "/jobs/" + id)).status, 200);
    EXPECT_LT(rig[0].wait_for_left_early(1), 500ms);
    EXPECT_TRUE(rig.suspended().empty());
}

} // namespace
} // namespace rivulet
