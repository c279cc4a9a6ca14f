// How a job goes from its acceptance to its end.

#include "base/deadline.hpp"
#include "base/ids.hpp"
#include "batch/job_table_parts.hpp"
#include "ingest/peer_text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

constexpr std::size_t file_threads = 2;
constexpr unsigned most_lost_answers = 3;
constexpr auto come_again = std::chrono::seconds(10);
constexpr auto pause_after_failed_write = std::chrono::seconds(5);
constexpr auto end_limit = std::chrono::seconds(5);
// Without a folder the requests that wait are in memory. Those of others need room, too: jobs may
// hold this part of what all requests share, half of what bodies get of it.
constexpr std::uint64_t memory_request_bytes = 512ull << 20;
constexpr std::uint64_t memory_part = 4;

job_options bounded(job_options options) {
    if (options.folder.empty())
        options.request_bytes = std::min(options.request_bytes, memory_request_bytes);
    return options;
}

job_row new_row(const request& what, std::string base, std::string webhook) {
    job_row row;
    row.id = random_hex(16);
    row.pipeline = what.kind->name;
    row.model = what.model;
    row.created = row.updated = time_now();
    row.base = std::move(base);
    row.webhook = std::move(webhook);
    row.record = json::serialize(to_record(what));
    row.record_bytes = static_cast<std::int64_t>(row.record.size());
    if (what.file)
        row.upload = static_cast<std::int64_t>(what.file->content->size());
    return row;
}

std::uint64_t bytes_of(const job_row& row) {
    return static_cast<std::uint64_t>(row.record_bytes + std::max<std::int64_t>(row.upload, 0));
}

std::string error_body(const api_error& why, const std::string& id) {
    return json::serialize(to_json(why, request_id_of(id)));
}

api_error not_kept() {
    api_error why(http::status::service_unavailable, "the job can't be kept now, try again later");
    why.retry_after = come_again;
    return why;
}

// Somebody has the model, but all who answered are at work; or we have no memory ourselves.
bool found_all_full(const api_error& why) {
    if (why.type == gateway_full)
        return true;
    if (why.status != http::status::service_unavailable)
        return false;
    return std::any_of(why.tried.begin(), why.tried.end(), [](const json::value& each) {
        const auto* one = each.if_object();
        const auto* kind = one ? one->if_contains("kind") : nullptr;
        return kind && *kind == "capacity";
    });
}

// Ends when the job is to be left: cancelled, or the table ends.
awaitable<void> until_left(std::shared_ptr<job_table::impl> self, job_ptr now) {
    while (!now->over() && !self->stopping)
        co_await now->changed.wait();
}

// What leaves it would wait for its end in vain, so nothing does.
awaitable<answer<json::object>> guarded(
    process_request process,
    std::shared_ptr<const request> what,
    std::string request_id,
    std::string base,
    logger log
) {
    const auto id = request_id;
    try {
        auto work = process(std::move(what), std::move(request_id), std::move(base));
        co_return co_await std::move(work);
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted) // left on purpose
            log.error("{}: {}", id, e.what());
    } catch (const std::exception& e) {
        log.error("{}: {}", id, e.what());
    }
    co_return api_error(http::status::internal_server_error, "Internal Server Error");
}

// The place among the running ones.
class work_place {
  public:
    explicit work_place(std::shared_ptr<job_table::impl> table) : table_(std::move(table)) {
        ++table_->running;
    }

    ~work_place() {
        --table_->running;
        asio::post(table_->home(), [table = table_] { job_table::impl::pump(table); });
    }

    work_place(const work_place&) = delete;
    work_place& operator=(const work_place&) = delete;

  private:
    std::shared_ptr<job_table::impl> table_;
};

awaitable<void>
in_place(std::shared_ptr<work_place> place, std::shared_ptr<job_table::impl> self, job_ptr now) {
    co_await job_table::impl::run(std::move(self), std::move(now));
    place.reset();
}

} // namespace

job_table::impl::impl(
    shards& threads,
    job_options o,
    process_request p,
    std::unique_ptr<job_journal> kept_journal,
    observe::metrics& m,
    logger l
)
    : shards_(threads), home_shard(threads.index_of("jobs")), options(bounded(std::move(o))),
      process(std::move(p)), log(std::move(l)), metrics(m),
      uploads(std::make_shared<const job_uploads>(
          options.folder.empty() ? std::filesystem::path() : options.folder / "uploads"
      )),
      settled_by(steady_clock::now() + options.settling),
      queued_jobs(m.make_gauge("rivulet_jobs_queued", "Asynchronous jobs that wait")),
      running_jobs(m.make_gauge("rivulet_jobs_running", "Asynchronous jobs that are worked on")),
      ended_jobs(observe::counter_set(m, "rivulet_jobs_total", "Asynchronous jobs that are over")),
      works(home(), log), chores(home(), log), files(file_threads),
      journal(std::move(kept_journal)), teller(home(), journal, options.webhooks, m, log) {}

void job_table::impl::recover(const std::vector<job_row>& rows, const journal_totals& totals) {
    kept = totals;
    for (const auto& row : rows) {
        auto one = std::make_shared<job>(home(), row);
        one->row.state = job_state::queued;
        one->recovered = true;
        one->bytes = bytes_of(row);
        one->number = ++last_number;
        request_bytes += one->bytes;
        unfinished.emplace(row.id, one);
        queue.push_back(std::move(one));
    }
    unfinished_count = unfinished.size();
}

void job_table::impl::start(self_ptr self, std::vector<pending_webhook> untold) {
    asio::post(home(), [self = std::move(self), untold = std::move(untold)] {
        self->chores.spawn("expiry", forget_expired(self));
        for (const auto& each : untold)
            self->teller.add(each.id, each.tries);
        pump(self);
    });
}

void job_table::impl::count() {
    unfinished_count = unfinished.size();
    queued_jobs.set(static_cast<double>(queue.size()));
    running_jobs.set(static_cast<double>(running));
}

std::optional<api_error> job_table::impl::refusal(const job& of) const {
    if (stopping)
        return not_kept();
    if (!of.row.webhook.empty()) {
        auto allowed = check_webhook(of.row.webhook, options.webhooks);
        if (!allowed)
            return api_error(http::status::bad_request, allowed.error().detail);
    }
    const auto full = [](std::string text) {
        api_error why(http::status::too_many_requests, std::move(text));
        why.retry_after = come_again;
        return why;
    };
    if (unfinished.size() + arriving + kept.jobs >= options.most)
        return full(fmt::format("{} jobs are kept already (-maxJobs)", options.most));
    if (request_bytes + of.bytes > options.request_bytes)
        return full("the jobs that wait hold too many bytes already");
    if (options.memory && of.memory > 0) {
        const auto most = options.memory->most() / memory_part;
        if (of.memory > most)
            return api_error(
                http::status::payload_too_large,
                fmt::format(
                    "the request takes {} bytes in memory, more than the {} that jobs may hold "
                    "without -jobStore",
                    of.memory,
                    most
                )
            );
        if (request_memory + of.memory > most)
            return full("the jobs that wait hold too much memory already");
    }
    if (kept.result_bytes > options.result_bytes)
        return full("the results that are kept hold too many bytes already");
    return std::nullopt;
}

awaitable<answer<std::string>> job_table::impl::accept(
    self_ptr self, std::shared_ptr<const request> what, std::string base, std::string hook
) {
    // A client that leaves meanwhile has asked all the same.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    auto now =
        std::make_shared<job>(self->home(), new_row(*what, std::move(base), std::move(hook)));
    now->bytes = bytes_of(now->row);
    if (self->options.folder.empty() && what->held)
        now->memory = what->held->memory.held();
    if (auto no = self->refusal(*now))
        co_return *no;
    const auto id = now->row.id;
    // Counted from here on: others come while this one is written.
    ++self->arriving;
    self->request_bytes += now->bytes;
    self->request_memory += now->memory;
    auto kept = co_await write(self, now->row, *what);
    --self->arriving;
    if (!kept) {
        self->log.error("{}: {}", id, kept.error().detail);
        self->request_bytes -= now->bytes;
        self->request_memory -= now->memory;
        co_return not_kept();
    }
    self->log.info(
        "{}: {} with {} accepted", id, now->row.pipeline, ingest::peer_text(now->row.model)
    );
    now->row.record = std::string();
    now->number = ++self->last_number;
    now->what = std::move(what);
    self->unfinished.emplace(id, now);
    self->queue.push_back(now);
    pump(self);
    // While it waits, the disk has it.
    if (now->row.state == job_state::queued && !self->options.folder.empty())
        now->what.reset();
    co_return id;
}

awaitable<outcome<void>>
job_table::impl::write(self_ptr self, const job_row& row, const request& what) {
    if (what.file) {
        auto save = [uploads = self->uploads, id = row.id, content = what.file->content] {
            return uploads->save(id, *content);
        };
        auto saved = co_await self->files.run(std::move(save));
        if (!saved)
            co_return saved;
    }
    journal_thread::work insert = [row](job_journal& journal) { return journal.insert(row); };
    auto inserted = co_await self->journal.run(std::move(insert));
    if (!inserted && what.file)
        co_await remove_upload(self, row.id);
    co_return inserted;
}

awaitable<void> job_table::impl::remove_upload(self_ptr self, std::string id) {
    auto remove = [uploads = self->uploads, id = std::move(id)] {
        uploads->remove(id);
        return true;
    };
    co_await self->files.run(std::move(remove));
}

void job_table::impl::pump(const self_ptr& self) {
    while (!self->stopping && self->running < self->options.running && !self->queue.empty()) {
        auto next = std::move(self->queue.front());
        self->queue.pop_front();
        next->row.state = job_state::running;
        next->begun = steady_clock::now();
        auto place = std::make_shared<work_place>(self);
        self->works.spawn("job", in_place(std::move(place), self, std::move(next)));
    }
    self->count();
}

awaitable<void> job_table::impl::run(self_ptr self, job_ptr now) {
    const auto id = now->row.id;
    for (bool begun = false; !begun && !now->over();) {
        if (self->stopping)
            co_return;
        journal_thread::work begin = [id](job_journal& journal) {
            return journal.set_running(id, time_now());
        };
        auto noted = co_await self->journal.run(std::move(begin));
        begun = noted.has_value();
        if (!begun) {
            self->log.warn("{}: {}", id, noted.error().detail);
            co_await now->changed.wait_until(steady_clock::now() + pause_after_failed_write);
        }
    }
    if (now->over())
        co_return;
    ++now->row.attempts;
    now->row.updated = time_now();
    auto what = now->what;
    bool room = true;
    if (!what) {
        auto loaded = co_await load(self, now);
        room = loaded || loaded.error().code != errc::no_capacity;
        if (!loaded && room) {
            self->log.error("{}: {}", id, loaded.error().detail);
            const api_error why(
                http::status::internal_server_error,
                loaded.error().code == errc::too_large
                    ? loaded.error().detail
                    : "the job's request can't be read any more after a restart"
            );
            if (!now->over())
                co_await settle(self, now, job_state::failed, error_body(why, id));
            co_return;
        }
        if (loaded)
            what = std::move(*loaded);
    }
    answer<json::object> made = memory_is_full();
    if (room)
        made = co_await work_off(self, now, std::move(what));
    if (now->over())
        co_return; // cancelled; who did it wrote it down
    if (made) {
        auto body = json::serialize(*made);
        co_await settle(self, now, job_state::done, std::move(body));
        co_return;
    }
    const auto age = std::chrono::milliseconds(time_now() - now->row.created);
    if (made.error().answer_lost)
        ++now->lost_answers;
    const bool again = found_all_full(made.error()) && age < self->options.patience &&
                       now->lost_answers < most_lost_answers;
    if (again || self->stopping) {
        journal_thread::work back = [id](job_journal& journal) {
            return journal.put_back(id, time_now());
        };
        auto noted = co_await self->journal.run(std::move(back));
        if (!noted)
            self->log.warn("{}: {}", id, noted.error().detail);
        if (self->stopping || now->over())
            co_return;
        now->row.state = job_state::queued;
        now->row.updated = time_now();
        --now->row.attempts;
        // Others need the memory while it waits; the disk has it.
        if (!self->options.folder.empty())
            now->what.reset();
        self->works.spawn("waiting job", wait_for_capacity(self, now));
        co_return;
    }
    co_await settle(self, now, job_state::failed, error_body(made.error(), id));
}

awaitable<void> job_table::impl::wait_for_capacity(self_ptr self, job_ptr now) {
    const auto until = steady_clock::now() + self->options.pause_when_full;
    while (!now->over() && !self->stopping && steady_clock::now() < until)
        co_await now->changed.wait_until(until);
    if (now->over() || self->stopping)
        co_return;
    now->number = ++self->last_number;
    self->queue.push_back(now);
    pump(self);
}

awaitable<outcome<std::shared_ptr<const request>>>
job_table::impl::load(self_ptr self, job_ptr now) {
    auto found = std::make_shared<std::optional<job_row>>();
    journal_thread::work look = [found, id = now->row.id](job_journal& journal) -> outcome<void> {
        auto row = journal.find(id);
        if (!row)
            return row.error();
        *found = std::move(*row);
        return {};
    };
    auto looked = co_await self->journal.run(std::move(look));
    if (!looked)
        co_return looked.error();
    if (!*found)
        co_return failure(errc::not_found, "the journal lost it");
    std::optional<upload> file;
    if (now->row.upload >= 0) {
        auto fetch = [uploads = self->uploads,
                      id = now->row.id,
                      size = static_cast<std::uint64_t>(now->row.upload)] {
            return uploads->load(id, size);
        };
        auto content = co_await self->files.run(std::move(fetch));
        if (!content)
            co_return content.error();
        file.emplace();
        file->content = std::move(*content);
    }
    error_code failed;
    const auto record = json::parse((*found)->record, failed);
    if (failed || !record.is_object())
        co_return failure(errc::media_error, "its record is no JSON object");
    auto made = from_record(record.get_object(), std::move(file));
    if (!made)
        co_return made.error();
    auto held = std::make_shared<holding>();
    held->memory = byte_share(self->options.memory);
    auto settled = settle_holding(*made, std::move(held));
    if (!settled)
        // What would not fit into an empty memory need not be waited for.
        co_return failure(
            settled.error().status == http::status::payload_too_large ? errc::too_large
                                                                      : errc::no_capacity,
            settled.error().message
        );
    co_return std::make_shared<const request>(std::move(*made));
}

awaitable<answer<json::object>>
job_table::impl::work_off(self_ptr self, job_ptr now, std::shared_ptr<const request> what) {
    using namespace asio::experimental::awaitable_operators;
    for (;;) {
        auto work =
            guarded(self->process, what, request_id_of(now->row.id), now->row.base, self->log);
        auto left = until_left(self, now);
        auto either = co_await (std::move(work) || std::move(left));
        if (either.index() == 1)
            co_return api_error(http::status::service_unavailable, "the gateway ends");
        auto made = std::move(std::get<0>(either));
        const bool nobody = !made && made.error().status == http::status::service_unavailable;
        if (!nobody || !now->recovered || steady_clock::now() >= self->settled_by || now->over())
            co_return made;
        co_await now->changed.wait_until(steady_clock::now() + self->options.settling / 30);
        if (now->over() || self->stopping)
            co_return made;
    }
}

awaitable<void>
job_table::impl::settle(self_ptr self, job_ptr now, job_state state, std::string body) {
    const auto id = now->row.id;
    now->row.state = state;
    now->row.updated = time_now();
    now->row.body = body;
    now->what.reset();
    now->changed.notify_all();
    const auto size = body.size();
    const auto text = std::make_shared<const std::string>(std::move(body));
    for (bool written = false; !written;) {
        journal_thread::work end = [id, state, text, at = now->row.updated](job_journal& journal) {
            return journal.set_over(id, state, *text, at);
        };
        auto noted = co_await self->journal.run(std::move(end));
        written = noted.has_value();
        if (written)
            break;
        self->log.error("{}: {}", id, noted.error().detail);
        if (self->stopping)
            co_return; // it is begun again by the next process
        co_await now->changed.wait_until(steady_clock::now() + pause_after_failed_write);
    }
    self->unfinished.erase(id);
    self->request_bytes -= now->bytes;
    self->request_memory -= now->memory;
    ++self->kept.jobs;
    self->kept.result_bytes += size;
    self->count();
    self->ended_jobs
        .with({{"pipeline", now->row.pipeline}, {"status", std::string(to_string(state))}})
        .add();
    self->log.info(
        "{}: {} after {} ms, {} attempts",
        id,
        to_string(state),
        now->row.updated - now->row.created,
        now->row.attempts
    );
    if (!now->row.webhook.empty())
        self->teller.add(id, 0);
    if (now->row.upload >= 0)
        co_await remove_upload(self, id);
}

job_view job_table::impl::view_of(const job& of) const {
    job_view view;
    view.row = of.row;
    if (of.row.state == job_state::running)
        view.seconds = std::chrono::duration<double>(steady_clock::now() - of.begun).count();
    if (of.row.state == job_state::queued)
        view.ahead = static_cast<std::size_t>(std::distance(
            queue.begin(),
            std::lower_bound(
                queue.begin(),
                queue.end(),
                of.number,
                [](const job_ptr& each, std::uint64_t number) { return each->number < number; }
            )
        ));
    return view;
}

awaitable<std::optional<job_view>> job_table::impl::look(self_ptr self, std::string id) {
    if (const auto found = self->unfinished.find(id); found != self->unfinished.end())
        co_return self->view_of(*found->second);
    auto row = std::make_shared<std::optional<job_row>>();
    journal_thread::work find = [row, id](job_journal& journal) -> outcome<void> {
        auto read = journal.find(id);
        if (!read)
            return read.error();
        *row = std::move(*read);
        return {};
    };
    auto looked = co_await self->journal.run(std::move(find));
    if (!looked)
        self->log.warn("{}: {}", id, looked.error().detail);
    if (!looked || !*row)
        co_return std::nullopt;
    job_view view;
    view.row = std::move(**row);
    co_return view;
}

awaitable<answer<job_view>> job_table::impl::cancel(self_ptr self, std::string id) {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    auto seen = co_await look(self, id);
    if (!seen)
        co_return api_error(http::status::not_found, "there is no such job");
    if (seen->row.state == job_state::cancelled)
        co_return *seen;
    const auto found = self->unfinished.find(id);
    if (found == self->unfinished.end() || found->second->over())
        co_return api_error(
            http::status::conflict,
            fmt::format("the job is over already: {}", to_string(seen->row.state))
        );
    const auto now = found->second;
    const auto place = std::find(self->queue.begin(), self->queue.end(), now);
    if (place != self->queue.end())
        self->queue.erase(place);
    const json::object why{{"error", json::object{{"message", "the job was cancelled"}}}};
    co_await settle(self, now, job_state::cancelled, json::serialize(why));
    co_return self->view_of(*now);
}

awaitable<void> job_table::impl::forget_expired(self_ptr self) {
    using namespace std::chrono;
    const auto keep = duration_cast<milliseconds>(self->options.keep).count();
    const auto pause = std::min<duration>(self->options.keep, minutes(1));
    for (;;) {
        auto left = std::make_shared<journal_totals>();
        journal_thread::work forget = [left, keep](job_journal& journal) -> outcome<void> {
            if (auto gone = journal.forget(time_now() - keep); !gone)
                return gone.error();
            auto totals = journal.totals();
            if (!totals)
                return totals.error();
            *left = *totals;
            return {};
        };
        auto forgotten = co_await self->journal.run(std::move(forget));
        if (forgotten)
            self->kept = *left;
        else
            self->log.warn("{}", forgotten.error().detail);
        asio::steady_timer timer(co_await asio::this_coro::executor, pause);
        auto [ec] = co_await timer.async_wait(as_tuple);
        if (ec)
            co_return;
    }
}

awaitable<void> job_table::impl::wind_down(self_ptr self) {
    self->stopping = true;
    self->chores.close();
    self->teller.close();
    for (const auto& [id, each] : self->unfinished)
        each->changed.notify_all();
    auto ended = co_await self->works.join(end_limit);
    self->works.close();
    if (!ended)
        ended = co_await self->works.join(end_limit);
    if (!ended)
        self->log.error("a job does not end");
    if (self->options.folder.empty() && !self->unfinished.empty())
        self->log.warn(
            "{} jobs are gone, with -jobStore they would go on later", self->unfinished.size()
        );
    co_await self->chores.join(end_limit);
    co_await self->teller.join(end_limit);
}

} // namespace rivulet::batch
