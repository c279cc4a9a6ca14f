#include "worker/orchestrator.hpp"

#include "base/ids.hpp"
#include "worker/batch_desk.hpp"
#include "worker/batch_forward.hpp"
#include "worker/bridge_runner.hpp"
#include "worker/capacity_ledger.hpp"
#include "worker/job.hpp"
#include "worker/job_request.hpp"
#include "worker/passthrough_runner.hpp"
#include "worker/runner_pool.hpp"
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

constexpr duration bridge_first_input = std::chrono::seconds(20);
constexpr duration thread_limit = std::chrono::seconds(3); // for threads inside a picture

constexpr session::capability_id no_capability = -1;

job_weight weight_of(std::string_view model) {
    return model == passthrough ? job_weight::passthrough : job_weight::transcoding;
}

http::response refusal(const failure& why) {
    auto status = http::status::internal_server_error;
    if (why.code == errc::no_capacity)
        status = http::status::service_unavailable;
    else if (why.code == errc::invalid_argument)
        status = http::status::bad_request;
    return plain_failure(status, why.detail);
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
              {options.capacity ? options.capacity : cores(),
               options.passthrough_jobs,
               options.batch_requests ? options.batch_requests : 8 * cores()}
          ) {
        if (options.models.empty() && options.runners.empty()) {
            options.models = model_names();
            for (const auto& each : batch_models())
                batch_names.emplace_back(each.name);
        } else {
            for (const auto& each : batch_models())
                if (std::erase(options.models, each.name))
                    batch_names.emplace_back(each.name);
        }
        if (options.runners.empty() || !batch_names.empty())
            open_desk();
        if (options.runners.empty())
            return;
        runner_options common;
        common.kind = parse_kind(options.runner_kind);
        common.token = options.runner_token;
        common.models = options.runner_models;
        auto made = runner_pool::make(threads, options.runners, std::move(common), log);
        if (made)
            pool = std::move(*made);
        else
            fault = made.error();
        disk.emplace(1);
    }

    static std::size_t cores() {
        return std::max<std::size_t>(1, std::thread::hardware_concurrency());
    }

    void open_desk() {
        desk_options settings;
        settings.models = batch_names;
        settings.threads = options.capacity ? options.capacity : cores();
        settings.public_url = options.public_url;
        auto made = batch_desk::open(std::move(settings), ledger, log);
        if (made)
            desk = std::move(*made);
        else
            fault = made.error();
    }

    // given
    shards& threads;
    trickle::channel_table& channels;
    orchestrator_options options; // its models: the live ones
    std::vector<std::string> batch_names;
    logger log;

    const std::shared_ptr<const token_mint> tokens = std::make_shared<token_mint>();

    std::unique_ptr<runner_pool> pool; // null without external runners
    std::unique_ptr<batch_desk> desk;  // null with external runners only
    const batch::reading_limits forwarding = forward_limits();
    std::optional<blocking_threads> disk; // of uploads on their way to runners
    std::optional<failure> fault;
    std::string channel_base; // for external runners; set before any job

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

    struct begun_job {
        std::shared_ptr<job> made;
        error_code failed;

        begun_job(std::shared_ptr<job> j, error_code f) : made(std::move(j)), failed(f) {}
    };

    using make_any = std::function<std::unique_ptr<runner>(std::weak_ptr<runner_host>, logger)>;

    // On the job's home shard.
    begun_job begin_job(
        const asio::any_io_executor& home,
        const std::string& id,
        job_options settings,
        capacity_ledger::lease place,
        const make_any& make_with
    ) {
        settings.id = id;
        settings.label = random_hex(4);
        settings.status_interval = options.status_interval;
        settings.input_timeout = options.input_timeout;
        settings.first_input_timeout =
            std::min(options.input_timeout, settings.first_input_timeout);
        const auto job_log = log.with("job " + settings.label);
        auto made =
            std::make_shared<job>(home, channels, std::move(settings), std::move(place), job_log);
        {
            const std::lock_guard lock(guard);
            if (stopping)
                return {nullptr, make_error_code(errc::closed)};
            running.emplace(id, made);
        }
        const job::make_runner make = [&](std::weak_ptr<runner_host> host) {
            return make_with(std::move(host), job_log);
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
        return {std::move(made), failed};
    }

    static job_options settings_of(job_request asked) {
        job_options settings;
        settings.model = std::move(asked.model);
        settings.stream_id = std::move(asked.stream_id);
        settings.request_id = std::move(asked.request_id);
        settings.params = std::move(asked.params);
        return settings;
    }

    awaitable<error_code>
    start_job(job_request asked, std::string id, capacity_ledger::lease place) {
        const asio::any_io_executor home = co_await asio::this_coro::executor;
        const make_any make = [this, home, model = asked.model](
                                  std::weak_ptr<runner_host> host, const logger& job_log
                              ) { return make_runner(model, home, std::move(host), job_log); };
        const auto begun =
            begin_job(home, id, settings_of(std::move(asked)), std::move(place), make);
        co_return begun.failed;
    }

    awaitable<outcome<void>> start_bridge(job_request asked, std::string id, runner_lease lease) {
        const asio::any_io_executor home = co_await asio::this_coro::executor;
        const auto facts = lease->known();
        bridge_options bridge;
        bridge.job = id;
        bridge.channel_base = channel_base;
        bridge.model = asked.model;
        bridge.stream_id = asked.stream_id;
        bridge.request_id = asked.request_id;
        auto settings = settings_of(std::move(asked));
        // ai-runner reports by itself; a gateway that has left meanwhile sends nothing at all.
        settings.reports = !facts || facts->kind == runner_kind::stream;
        settings.first_input_timeout = bridge_first_input;
        std::shared_ptr<bridge_runner::state> state;
        const make_any make = [&](std::weak_ptr<runner_host> host, const logger& job_log) {
            auto made = std::make_unique<bridge_runner>(
                home, std::move(host), channels, std::move(lease), bridge, job_log
            );
            state = made->shared();
            return made;
        };
        auto begun = begin_job(home, id, std::move(settings), {}, make);
        if (begun.failed)
            co_return failure(
                errc::no_capacity, "insufficient capacity: " + begun.failed.message()
            );
        auto started = co_await bridge_runner::start(state);
        if (!started)
            begun.made->end_within(started.error().detail, duration::zero());
        co_return started;
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

    // Nothing when the request may go on.
    std::optional<http::response> refuse_token(const http::request& request) const {
        if (!options.check_tokens)
            return std::nullopt;
        const auto fault = tokens->header_fault(request["Livepeer-Segment"], std::time(nullptr));
        if (fault.empty())
            return std::nullopt;
        return plain_failure(http::status::forbidden, std::string(fault));
    }

    awaitable<void>
    accept_batch(const batch::pipeline& kind, const http::request& head, http::exchange& peer) {
        if (auto refused = refuse_token(head)) {
            auto reply = std::move(*refused);
            co_await peer.reply(std::move(reply));
            co_return;
        }
        // A pipeline is served by one or the other: a runner goes first.
        if (pool && (!desk || !desk->serves(kind.id) || pool->knows(kind.id, {})))
            co_await forward_batch(*pool, kind.id, peer, forwarding, *disk);
        else
            co_await desk->serve(kind, head, peer);
    }

    awaitable<http::response> accept(const http::request& request) {
        auto asked = parse_job_request(request);
        if (!asked)
            co_return plain_failure(http::status::bad_request, asked.error().detail);
        const bool bridged =
            pool && pool->knows(session::capability::live_video_to_video, asked->model);
        if (!bridged && !offers(asked->model)) {
            log.info("no model \"{}\" for stream {}", asked->model, asked->stream_id);
            co_return plain_failure(
                http::status::service_unavailable,
                "insufficient capacity: no model \"" + asked->model + "\" here"
            );
        }
        runner_lease lease;
        result<capacity_ledger::lease> place = capacity_ledger::lease{};
        if (bridged)
            lease = pool->take(session::capability::live_video_to_video, asked->model);
        else
            place = ledger.take(weight_of(asked->model));
        if (!place || (bridged && !lease)) {
            log.info("no capacity left for stream {}", asked->stream_id);
            co_return plain_failure(http::status::service_unavailable, "insufficient capacity");
        }
        if (auto refused = refuse_token(request)) {
            log.info("no good token of stream {}", asked->stream_id);
            co_return std::move(*refused);
        }
        // The channels have no other protection than a name that nobody can guess.
        const auto id = random_hex(16);
        const auto reply = [&] {
            return http::json_response(
                job_reply(url_base(request, options.public_url), options.trickle_path, id)
            );
        };
        if (bridged) {
            auto starting = start_bridge(std::move(*asked), id, std::move(lease));
            const auto started =
                co_await asio::co_spawn(threads.of(id), std::move(starting), asio::use_awaitable);
            co_return started ? reply() : refusal(started.error());
        }
        auto starting = start_job(std::move(*asked), id, std::move(*place));
        const auto failed =
            co_await asio::co_spawn(threads.of(id), std::move(starting), asio::use_awaitable);
        if (failed == errc::too_many || failed == errc::closed || failed == errc::no_capacity)
            co_return plain_failure(
                http::status::service_unavailable, "insufficient capacity: " + failed.message()
            );
        if (failed)
            co_return plain_failure(
                http::status::internal_server_error, "the job did not start: " + failed.message()
            );
        co_return reply();
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
        if (pool) {
            made.models = pool->offers();
            made.hardware = pool->hardware();
            for (auto& each : made.models)
                each.price = price_of(each.capability, each.model);
        }
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
        if (!desk)
            return made;
        for (auto& each : desk->offers()) {
            each.price = price_of(each.capability, each.model);
            made.models.push_back(std::move(each));
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
        boost::json::object batch;
        if (desk)
            for (const auto& each : desk->offers())
                batch[session::pipeline_of(each.capability)] = each.model;
        made["batch_models"] = std::move(batch);
        made["batch_capacity"] = ledger.limit(job_weight::batch);
        made["batch_in_use"] = ledger.in_use(job_weight::batch);
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
        if (pool || desk)
            for (const auto& kind : batch::catalog())
                server.exchange_route(
                    http::verb::post,
                    "/" + std::string(kind.name),
                    [self, &kind](const http::request& head, http::exchange& peer) {
                        return self->accept_batch(kind, head, peer);
                    }
                );
        if (desk)
            desk->add_routes(server);
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
        if (desk)
            desk->stop();
        if (pool)
            pool->stop();
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

const std::optional<failure>& orchestrator::fault() const {
    return impl_->fault;
}

void orchestrator::begin(const std::string& own_url) {
    if (!impl_->pool)
        return;
    auto base = impl_->options.runner_callback.empty() ? own_url : impl_->options.runner_callback;
    while (base.ends_with('/'))
        base.pop_back();
    impl_->channel_base = base + impl_->options.trickle_path;
    impl_->pool->begin();
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
