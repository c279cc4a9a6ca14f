#include "batch/service.hpp"

#include "base/on_every_shard.hpp"
#include "batch/public_url.hpp"
#include "batch/service_parts.hpp"

#include <future>

namespace rivulet::batch {
namespace {

// Disk and libav: more at once would only take turns.
constexpr std::size_t blocking_thread_count = 4;
constexpr auto sweep_interval = std::chrono::seconds(10);
constexpr auto stop_limit = std::chrono::seconds(5);
// Pipelines times statuses.
constexpr std::size_t most_reply_series = 200;

admission_limits door_limits(const service_options& options) {
    admission_limits out;
    out.running = options.running;
    out.waiting = options.waiting;
    out.longest_wait = options.longest_wait;
    return out;
}

// One that fails (no memory) is no reason not to try the next one: the store would fill for ever.
awaitable<void> sweep_results(
    std::shared_ptr<result_store> store, std::shared_ptr<blocking_threads> threads, logger log
) {
    for (;;) {
        asio::steady_timer timer(co_await asio::this_coro::executor, sweep_interval);
        auto [ec] = co_await timer.async_wait(as_tuple);
        if (ec)
            co_return;
        auto sweep = [store, log] {
            try {
                store->sweep(steady_clock::now());
            } catch (const std::exception& e) {
                log.error("old results could not be removed: {}", e.what());
            }
            return true;
        };
        co_await threads->run(std::move(sweep));
    }
}

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
    return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

// One memory for all of them.
service_options with_memory(service_options options, byte_budget_ptr memory) {
    options.reading.memory = memory;
    options.reading.spare_memory = options.memory / 2;
    // As many uploads as are worked on: room for them there must be anyhow.
    options.reading.disk =
        std::make_shared<byte_budget>(product(options.running, options.reading.form_bytes));
    options.dispatch.memory = memory;
    options.media.memory = memory;
    options.jobs.memory = memory;
    return options;
}

// A job's result is written down at once.
awaitable<answer<boost::json::object>> process_job(
    dispatcher& orchestrators,
    result_media& media,
    std::shared_ptr<const request> what,
    std::string id,
    std::string base
) {
    auto done =
        co_await process(orchestrators, media, std::move(what), std::move(id), std::move(base));
    if (!done)
        co_return done.error();
    co_return std::move(done->body);
}

} // namespace

service::impl::impl(
    shards& threads_of_network,
    session::manager& s,
    payment::payments& payments,
    observe::metrics& metrics,
    ingest::check_access c,
    service_options o,
    logger l,
    std::shared_ptr<result_store> store
)
    : sessions(s), check(std::move(c)), memory(std::make_shared<byte_budget>(o.memory)),
      options(with_memory(std::move(o), memory)), log(std::move(l)),
      base(public_base(options.gateway_host)), shards_(threads_of_network),
      threads(std::make_shared<blocking_threads>(blocking_thread_count)),
      connections(threads_of_network, options.client), results(std::move(store)),
      media(results, *threads, options.media),
      orchestrators(sessions, payments, connections, metrics, options.dispatch, log),
      doors(door_limits(options)) {
    replies = {
        [&metrics](const observe::labels& with) {
            return metrics.make_counter(
                "rivulet_batch_replies_total", "Replies of the batch pipelines", with
            );
        },
        most_reply_series};
    const auto running =
        metrics.make_gauge("rivulet_batch_running", "Batch requests that are worked on");
    const auto waiting =
        metrics.make_gauge("rivulet_batch_waiting", "Batch requests that wait for their turn");
    const auto arriving =
        metrics.make_gauge("rivulet_batch_reading", "Batch requests whose body is on its way");
    const auto held = metrics.make_gauge(
        "rivulet_batch_memory_bytes", "What batch requests hold of -batchMemory"
    );
    const auto uploads = metrics.make_gauge(
        "rivulet_batch_upload_bytes", "What uploads of batch requests hold on the disk"
    );
    counted = metrics.before_text([this, running, waiting, arriving, held, uploads] {
        running.set(static_cast<double>(doors.running()));
        waiting.set(static_cast<double>(doors.waiting()));
        arriving.set(static_cast<double>(reading));
        held.set(static_cast<double>(memory->used()));
        uploads.set(static_cast<double>(options.reading.disk->used()));
    });
}

outcome<std::unique_ptr<service>> service::open(
    shards& threads,
    session::manager& sessions,
    payment::payments& payments,
    observe::metrics& metrics,
    ingest::check_access check,
    service_options options,
    logger log
) {
    auto results = result_store::open(options.results, metrics, log.with("results"));
    if (!results)
        return failure(results.error().code, "-resultStore: " + results.error().detail);
    auto parts = std::make_unique<impl>(
        threads,
        sessions,
        payments,
        metrics,
        std::move(check),
        std::move(options),
        log,
        std::move(*results)
    );
    auto* const all = parts.get();
    // Jobs of an earlier process begin at once, so they come last.
    process_request work =
        [all](std::shared_ptr<const request> what, std::string id, std::string base) {
            return process_job(
                all->orchestrators, all->media, std::move(what), std::move(id), std::move(base)
            );
        };
    auto jobs =
        job_table::open(threads, all->options.jobs, std::move(work), metrics, log.with("jobs"));
    if (!jobs)
        return failure(jobs.error().code, "-jobStore: " + jobs.error().detail);
    parts->jobs = std::move(*jobs);
    std::promise<void> begun;
    asio::post(threads.at(0), [all, &begun] {
        all->sweeper = std::make_unique<task_group>(
            all->shards_.at(0).get_executor(), all->log.with("results")
        );
        all->sweeper->spawn("sweep", sweep_results(all->results, all->disk, all->log));
        begun.set_value();
    });
    begun.get_future().wait();
    return std::make_unique<service>(std::move(parts));
}

service::service(std::unique_ptr<impl> parts) : impl_(std::move(parts)) {}

service::~service() {
    stop();
}

void service::add_routes(http::server& server) {
    auto* const all = impl_.get();
    for (const auto& kind : catalog()) {
        auto handle = [all, &kind](const http::request& head, http::exchange& peer) {
            return all->answer_pipeline(kind, head, peer);
        };
        server.exchange_route(http::verb::post, "/" + std::string(kind.name), handle);
    }
    auto chat = [all](const http::request& head, http::exchange& peer) {
        return all->answer_chat(head, peer);
    };
    server.exchange_route(http::verb::post, "/v1/chat/completions", chat);
    all->add_information(server);
    all->jobs->add_routes(server, all->check);
    all->results->add_routes(server, all->disk.get());
}

void service::stop() {
    if (impl_->stopping.exchange(true))
        return;
    auto* const all = impl_.get();
    all->jobs->stop();
    on_every_shard(all->shards_, stop_limit, [all](std::size_t shard) -> awaitable<void> {
        if (shard != 0)
            co_return;
        all->sweeper->close();
        co_await all->sweeper->join(stop_limit);
        all->sweeper.reset();
    });
    all->connections.stop();
}

} // namespace rivulet::batch
