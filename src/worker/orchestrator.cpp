#include "worker/orchestrator.hpp"

#include "base/ids.hpp"
#include "worker/capacity_ledger.hpp"
#include "worker/job.hpp"
#include "worker/job_request.hpp"
#include "worker/passthrough_runner.hpp"
#include "worker/transcode_runner.hpp"

#include <boost/asio/detached.hpp>
#include <boost/json/array.hpp>

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>

namespace rivulet::worker {

namespace {

constexpr std::string_view passthrough = "passthrough";
constexpr std::string_view noop = "noop";
constexpr std::string_view avfilter = "avfilter";

constexpr duration thread_limit = std::chrono::seconds(3); // for threads inside a picture

constexpr session::capability_id no_capability = -1;

job_weight weight_of(std::string_view model) {
    return model == passthrough ? job_weight::passthrough : job_weight::transcoding;
}

// Plain text with a line end, as the network's orchestrators answer failures; gateways classify
// them by their words.
http::response plain(http::status status, std::string text) {
    http::response made;
    made.status = status;
    made.content_type = "text/plain; charset=utf-8";
    made.body = std::move(text) + "\n";
    return made;
}

} // namespace

const std::vector<std::string>& model_names() {
    static const std::vector<std::string> names{
        std::string(passthrough), std::string(noop), std::string(avfilter)};
    return names;
}

struct orchestrator::impl : std::enable_shared_from_this<orchestrator::impl> {
    impl(shards& s, trickle::channel_table& c, orchestrator_options o, logger l)
        : threads(s), channels(c), options(std::move(o)), log(std::move(l)),
          ledger(
              {options.capacity ? options.capacity
                                : std::max<std::size_t>(1, std::thread::hardware_concurrency()),
               options.passthrough_jobs}
          ) {
        if (options.models.empty())
            options.models = model_names();
    }

    // given
    shards& threads;
    trickle::channel_table& channels;
    orchestrator_options options;
    logger log;

    const std::shared_ptr<const token_mint> tokens = std::make_shared<token_mint>();

    // state
    capacity_ledger ledger;
    mutable std::mutex guard; // control path only
    std::condition_variable ended;
    std::map<std::string, std::shared_ptr<job>> running;
    std::vector<std::shared_ptr<job>> stuck; // ended, but a thread is still inside a frame
    bool stopping = false;

    bool offers(const std::string& model) const {
        return std::find(options.models.begin(), options.models.end(), model) !=
               options.models.end();
    }

    std::unique_ptr<runner> make_runner(
        const std::string& model,
        asio::any_io_executor home,
        std::weak_ptr<runner_host> host,
        const logger& job_log
    ) const {
        if (model == passthrough)
            return std::make_unique<passthrough_runner>(std::move(host));
        transcoder_options settings;
        settings.limit = {
            static_cast<int>(options.width_limit), static_cast<int>(options.height_limit)};
        return std::make_unique<transcode_runner>(
            home,
            std::move(host),
            model == avfilter ? graph_source::params : graph_source::none,
            std::move(settings),
            job_log
        );
    }

    // On the job's home shard.
    awaitable<error_code>
    start_job(job_request asked, std::string id, capacity_ledger::lease place) {
        asio::any_io_executor home = co_await asio::this_coro::executor;
        job_options settings;
        settings.id = id;
        settings.label = random_hex(4);
        settings.model = asked.model;
        settings.stream_id = std::move(asked.stream_id);
        settings.request_id = std::move(asked.request_id);
        settings.params = std::move(asked.params);
        settings.status_interval = options.status_interval;
        settings.input_timeout = options.input_timeout;
        const auto job_log = log.with("job " + settings.label);
        auto made =
            std::make_shared<job>(home, channels, std::move(settings), std::move(place), job_log);
        {
            const std::lock_guard lock(guard);
            if (stopping)
                co_return make_error_code(errc::closed);
            running.emplace(id, made);
        }
        job::make_runner make = [&](std::weak_ptr<runner_host> host) {
            return make_runner(asked.model, home, std::move(host), job_log);
        };
        job::on_ended told = [self = shared_from_this(), home](const std::shared_ptr<job>& which) {
            // In a later turn: the job is still inside its own coroutine.
            asio::post(home, [self, home, which]() mutable {
                self->forget(home, std::move(which));
            });
        };
        const auto failed = made->start(make, std::move(told));
        if (failed) {
            const std::lock_guard lock(guard);
            running.erase(id);
            ended.notify_all();
        }
        co_return failed;
    }

    void forget(asio::any_io_executor home, std::shared_ptr<job> which) {
        const std::lock_guard lock(guard);
        running.erase(which->id());
        if (!which->idle()) {
            log.warn("job {}: its thread is still inside a picture", which->label());
            asio::co_spawn(home, bury(shared_from_this(), which), asio::detached);
            stuck.push_back(std::move(which));
        }
        ended.notify_all();
    }

    // Lets go of a stuck job once its thread has come back.
    static awaitable<void> bury(std::shared_ptr<impl> self, std::weak_ptr<job> which) {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        for (;;) {
            timer.expires_after(std::chrono::seconds(1));
            co_await timer.async_wait(as_tuple);
            const auto held = which.lock();
            if (!held)
                co_return;
            if (held->idle()) {
                const std::lock_guard lock(self->guard);
                std::erase(self->stuck, held);
                co_return;
            }
        }
    }

    awaitable<http::response> accept(const http::request& request) {
        auto asked = parse_job_request(request);
        if (!asked)
            co_return plain(http::status::bad_request, asked.error().detail);
        if (!offers(asked->model)) {
            log.info("no model \"{}\" for stream {}", asked->model, asked->stream_id);
            co_return plain(
                http::status::service_unavailable,
                "insufficient capacity: no model \"" + asked->model + "\" here"
            );
        }
        auto place = ledger.take(weight_of(asked->model));
        if (!place) {
            log.info("no capacity left for stream {}", asked->stream_id);
            co_return plain(http::status::service_unavailable, "insufficient capacity");
        }
        if (options.check_tokens) {
            const auto fault =
                tokens->header_fault(request["Livepeer-Segment"], std::time(nullptr));
            if (!fault.empty()) {
                log.info("{} of stream {}", fault, asked->stream_id);
                co_return plain(http::status::forbidden, std::string(fault));
            }
        }
        // The channels have no other protection than a name that nobody can guess.
        const auto id = random_hex(16);
        auto starting = start_job(std::move(*asked), id, std::move(*place));
        const auto failed =
            co_await asio::co_spawn(threads.of(id), std::move(starting), asio::use_awaitable);
        if (failed == errc::too_many || failed == errc::closed || failed == errc::no_capacity)
            co_return plain(
                http::status::service_unavailable, "insufficient capacity: " + failed.message()
            );
        if (failed)
            co_return plain(
                http::status::internal_server_error, "the job did not start: " + failed.message()
            );
        co_return http::json_response(
            job_reply(url_base(request, options.public_url), options.trickle_path, id)
        );
    }

    // Without a capability: what has no price of its own costs.
    std::optional<session::price_info>
    price_of(session::capability_id id, const std::string& model) const {
        const auto found = options.prices ? options.prices->cap_of(id, model) : std::nullopt;
        if (!found)
            return std::nullopt;
        session::price_info made;
        made.per_unit = found->numerator;
        made.pixels_per_unit = found->denominator;
        return made;
    }

    node_offer offer() const {
        node_offer made;
        made.version = options.version;
        made.nodes = options.nodes;
        made.base_price = price_of(no_capability, {});
        for (const auto& model : options.models) {
            const auto weight = weight_of(model);
            const auto in_use = ledger.in_use(weight);
            offered_model row;
            row.model = model;
            row.in_use = static_cast<std::uint32_t>(in_use);
            row.capacity =
                static_cast<std::uint32_t>(std::max(ledger.limit(weight), in_use) - in_use);
            row.runner_version = RIVULET_VERSION;
            row.price = price_of(row.capability, model);
            made.models.push_back(std::move(row));
        }
        return made;
    }

    boost::json::object capabilities() const {
        boost::json::object made;
        made["pipeline"] = "live-video-to-video";
        made["models"] = boost::json::array(options.models.begin(), options.models.end());
        made["capacity"] = ledger.limit(job_weight::transcoding);
        made["capacity_in_use"] = ledger.in_use(job_weight::transcoding);
        made["passthrough_capacity"] = ledger.limit(job_weight::passthrough);
        made["passthrough_in_use"] = ledger.in_use(job_weight::passthrough);
        return made;
    }

    boost::json::object status() const {
        auto made = capabilities();
        boost::json::array jobs;
        {
            const std::lock_guard lock(guard);
            for (const auto& [id, each] : running)
                jobs.push_back(each->summary());
        }
        made["jobs"] = std::move(jobs);
        return made;
    }

    boost::json::object health() const {
        const std::lock_guard lock(guard);
        return {{"status", running.empty() ? "IDLE" : "OK"}};
    }

    void add_routes(http::server& server) {
        auto self = shared_from_this();
        server.route(
            http::verb::post,
            "/live-video-to-video",
            [self](const http::request& request) { return self->accept(request); }
        );
        const auto page = [&](const char* path, boost::json::object (impl::*content)() const) {
            server.route(
                http::verb::get,
                path,
                [self, content](const http::request&) -> awaitable<http::response> {
                    co_return http::json_response(((*self).*content)());
                }
            );
        };
        page("/health", &impl::health);
        page("/status", &impl::status);
        page("/capabilities", &impl::capabilities);
        page("/version", &impl::version);
    }

    boost::json::object version() const {
        return {{"pipeline", "live-video-to-video"}, {"version", RIVULET_VERSION}};
    }

    void stop(duration limit) {
        ledger.close();
        std::unique_lock lock(guard);
        stopping = true;
        for (const auto& [id, each] : running)
            asio::post(threads.of(id), [which = each, limit] {
                which->end_within("the worker stops", limit);
            });
        const auto all_ended = ended.wait_for(lock, limit + std::chrono::seconds(2), [this] {
            return running.empty();
        });
        if (!all_ended)
            log.error("{} jobs did not end in time", running.size());
        // A thread ends with the picture it is in. One that does not is left behind: it owns all
        // that it touches, so the process can go.
        const auto until = steady_clock::now() + thread_limit;
        const auto idle = [](const auto& each) { return each->idle(); };
        while (!std::all_of(stuck.begin(), stuck.end(), idle) && steady_clock::now() < until)
            ended.wait_for(lock, std::chrono::milliseconds(20));
        const auto left = std::exchange(stuck, {});
        lock.unlock();
        if (const auto busy = left.size() - std::count_if(left.begin(), left.end(), idle))
            log.error("{} threads are left behind inside a picture", busy);
    }
};

orchestrator::orchestrator(
    shards& shards,
    http::server& server,
    trickle::channel_table& channels,
    orchestrator_options options,
    logger log
)
    : impl_(std::make_shared<impl>(shards, channels, std::move(options), std::move(log))) {
    impl_->add_routes(server);
}

orchestrator::~orchestrator() {
    stop(std::chrono::seconds(5));
}

void orchestrator::stop(duration limit) {
    impl_->stop(limit);
}

node_offer orchestrator::offer() const {
    return impl_->offer();
}

std::shared_ptr<const token_mint> orchestrator::tokens() const {
    return impl_->tokens;
}

std::size_t orchestrator::jobs() const {
    const std::lock_guard lock(impl_->guard);
    return impl_->running.size();
}

} // namespace rivulet::worker
