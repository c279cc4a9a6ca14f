#include "batch/job_table.hpp"

#include "base/on_every_shard.hpp"
#include "batch/access_question.hpp"
#include "batch/job_table_parts.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <unordered_set>

namespace rivulet::batch {
namespace {

constexpr std::size_t id_digits = 32;
constexpr std::size_t result_request_bytes = 4096;
constexpr auto stop_limit = std::chrono::seconds(15);

// Fails jobs that were running at too many crashes: one of them may be the cause.
outcome<void> give_up_repeaters(
    job_journal& journal, std::vector<job_row>& rows, unsigned tries, const logger& log
) {
    if (auto begun = journal.begin(); !begun)
        return begun;
    for (auto it = rows.begin(); it != rows.end();) {
        if (it->state != job_state::running || it->attempts < tries) {
            ++it;
            continue;
        }
        const api_error why(
            http::status::internal_server_error,
            fmt::format("the gateway ended {} times while it worked on this job", it->attempts)
        );
        log.warn("{}: {}", it->id, why.message);
        const auto body = boost::json::serialize(to_json(why, request_id_of(it->id)));
        if (auto set = journal.set_over(it->id, job_state::failed, body, time_now()); !set) {
            journal.roll_back();
            return set;
        }
        it = rows.erase(it);
    }
    return journal.commit();
}

} // namespace

std::int64_t time_now() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

outcome<std::shared_ptr<job_table>> job_table::open(
    shards& threads,
    job_options options,
    process_request process,
    observe::metrics& metrics,
    logger log
) {
    std::filesystem::path file;
    if (!options.folder.empty()) {
        std::error_code failed;
        std::filesystem::create_directories(options.folder, failed);
        if (failed)
            return failure(
                error_code(failed.value(), boost::system::system_category()),
                fmt::format(
                    "the job folder {} can't be made: {}", options.folder.string(), failed.message()
                )
            );
        file = options.folder / "jobs.sqlite";
    }
    auto journal = job_journal::open(file);
    if (!journal)
        return journal.error();
    auto rows = (*journal)->unfinished();
    if (!rows)
        return rows.error();
    if (auto ready = give_up_repeaters(**journal, *rows, options.tries, log); !ready)
        return ready.error();
    auto untold = (*journal)->webhooks();
    if (!untold)
        return untold.error();
    auto totals = (*journal)->totals();
    if (!totals)
        return totals.error();
    auto parts = std::make_shared<impl>(
        threads, std::move(options), std::move(process), std::move(*journal), metrics, log
    );
    std::unordered_set<std::string> with_files;
    for (const auto& row : *rows)
        if (row.upload >= 0)
            with_files.insert(row.id);
    if (auto ready = parts->uploads->prepare(with_files); !ready)
        return ready.error();
    if (!rows->empty())
        log.info("{} jobs of an earlier process go on", rows->size());
    parts->recover(*rows, *totals);
    parts->start(parts, std::move(*untold));
    return std::make_shared<job_table>(std::move(parts));
}

job_table::job_table(std::shared_ptr<impl> parts) : impl_(std::move(parts)) {}

job_table::~job_table() {
    stop();
}

std::size_t job_table::unfinished() const {
    return impl_->unfinished_count;
}

void job_table::stop() {
    if (impl_->stopped.exchange(true))
        return;
    auto wind = [self = impl_](std::size_t shard) -> awaitable<void> {
        if (shard == self->home_shard)
            co_await impl::wind_down(self);
    };
    on_every_shard(impl_->shards_, stop_limit, std::move(wind));
    impl_->journal.stop();
}

awaitable<answer<std::string>>
job_table::accept(std::shared_ptr<const request> what, std::string base, std::string webhook) {
    auto work = impl::accept(impl_, std::move(what), std::move(base), std::move(webhook));
    co_return co_await asio::co_spawn(impl_->home(), std::move(work), asio::use_awaitable);
}

namespace {

using table_parts = std::shared_ptr<job_table::impl>;

bool may_be_an_id(const std::string& text) {
    return text.size() == id_digits &&
           text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

awaitable<std::optional<job_view>> look_up(table_parts parts, std::string id) {
    if (!may_be_an_id(id))
        co_return std::nullopt;
    auto work = job_table::impl::look(parts, std::move(id));
    co_return co_await asio::co_spawn(parts->home(), std::move(work), asio::use_awaitable);
}

std::string id_of(const http::request& asked) {
    const auto found = asked.params.find("id");
    return found == asked.params.end() ? std::string() : found->second;
}

awaitable<http::response>
show_job(table_parts parts, ingest::check_access check, const http::request& asked) {
    auto refused = co_await ask_access(check, asked);
    if (refused)
        co_return to_response(*refused, "");
    auto found = co_await look_up(std::move(parts), id_of(asked));
    co_return found ? job_reply(*found) : no_such_job();
}

awaitable<http::response>
cancel_job(table_parts parts, ingest::check_access check, const http::request& asked) {
    auto refused = co_await ask_access(check, asked);
    if (refused)
        co_return to_response(*refused, "");
    auto id = id_of(asked);
    if (!may_be_an_id(id))
        co_return no_such_job();
    auto work = job_table::impl::cancel(parts, std::move(id));
    auto ended = co_await asio::co_spawn(parts->home(), std::move(work), asio::use_awaitable);
    if (!ended)
        co_return to_response(ended.error(), "");
    co_return job_reply(*ended);
}

awaitable<http::response>
show_result(table_parts parts, ingest::check_access check, const http::request& asked) {
    auto refused = co_await ask_access(check, asked);
    if (refused)
        co_return to_response(*refused, "");
    auto id = parse_result_request(asked.body);
    if (!id)
        co_return to_response(id.error(), "");
    auto found = co_await look_up(std::move(parts), std::move(*id));
    co_return result_reply(found);
}

} // namespace

void job_table::add_routes(http::server& server, ingest::check_access check) {
    server.route(http::verb::get, "/jobs/{id}", [all = impl_, check](const http::request& asked) {
        return show_job(all, check, asked);
    });
    server.route(
        http::verb::delete_,
        "/jobs/{id}",
        [all = impl_, check](const http::request& asked) { return cancel_job(all, check, asked); }
    );
    server.route(
        http::verb::post,
        "/image-to-video/result",
        result_request_bytes,
        [all = impl_, check](const http::request& asked) { return show_result(all, check, asked); }
    );
}

} // namespace rivulet::batch
