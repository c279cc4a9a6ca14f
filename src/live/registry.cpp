#include "live/registry.hpp"

#include "base/deadline.hpp"
#include "base/private_address.hpp"
#include "live/on_shard.hpp"
#include "live/playback.hpp"
#include "live/target_safety.hpp"

#include <boost/asio/use_future.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <future>
#include <unordered_map>

namespace rivulet::live {
namespace {

// A name may mean another address when a push connects, so every connection is asked for again.
egress::rtmp_push_options push_options(const registry_options& options) {
    auto push = options.push;
    if (!options.private_rtmp_output)
        push.allowed = [](const asio::ip::address& address) {
            return !is_private_address(address);
        };
    return push;
}

} // namespace

struct registry::part {
    part(asio::io_context& c, logger log) : context(c), tasks(c.get_executor(), std::move(log)) {}

    struct ended_stream {
        stream_snapshot snapshot;
        time_point until;
    };

    void forget_old(time_point now, std::size_t most) {
        while (!ended.empty() && (ended.front().until < now || ended.size() > most))
            ended.pop_front();
    }

    std::shared_ptr<stream> find_id(const std::string& id) const {
        for (const auto& [name, one] : streams)
            if (one->id() == id)
                return one;
        return nullptr;
    }

    std::shared_ptr<stream> find_name(const std::string& name) const {
        const auto it = streams.find(name);
        return it == streams.end() ? nullptr : it->second;
    }

    asio::io_context& context;
    std::unordered_map<std::string, std::shared_ptr<stream>> streams;
    std::deque<ended_stream> ended;
    task_group tasks; // winds streams up; last, so that its coroutines go first
};

void registry::name_set::add(const std::string& name) {
    const std::lock_guard lock(mutex_);
    names_.insert(name);
}

void registry::name_set::remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    names_.erase(name);
}

bool registry::name_set::has(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return names_.contains(name);
}

registry::registry(
    shards& shards,
    trickle::channel_table& channels,
    egress::feed_table& feeds,
    job_services jobs,
    registry_options options,
    logger log
)
    : shards_(shards), options_(std::move(options)), log_(std::move(log)), jobs_(std::move(jobs)),
      services_{
          channels,
          feeds,
          jobs_,
          options_.segments,
          push_options(options_),
          stream_listeners(options_.events.get(), options_.queue.get(), options_.metrics.get()),
          options_.filler,
          options_.viewers} {
    for (std::size_t i = 0; i < shards_.size(); ++i)
        parts_.push_back(std::make_unique<part>(shards_.at(i), log_));
}

registry::~registry() {
    stop(std::chrono::seconds(1));
}

awaitable<outcome<std::shared_ptr<ingest::unit_sink>>>
registry::admit(ingest::publish_request request, ingest::kick kick) {
    auto& here = home(request.stream);
    const auto refuse = [this, &request](const failure& why) {
        log_.info("{} publisher {} was refused: {}", request.protocol, request.remote, why.detail);
        return why;
    };
    auto params = parse_stream_params(request.stream, request.query);
    if (!params)
        co_return refuse(params.error());
    if (!options_.rtmp_output)
        params->rtmp_output.reset();
    if (params->rtmp_output) {
        const auto& target = *params->rtmp_output;
        outcome<void> allowed = egress::check_push_url(target.url);
        if (allowed && !options_.private_rtmp_output)
            allowed = co_await check_target(
                "rtmpOutput", target.host, target.port, options_.resolve_limit
            );
        if (!allowed)
            co_return refuse(allowed.error());
    }
    if (stopping_)
        co_return refuse(failure(errc::closed, "the gateway is stopping"));
    const auto name = params->name;
    const auto before = here.find_name(name);
    if (before) {
        here.streams.erase(name);
        names_.remove(name);
        before->cut(job_end_cause::replaced, "replaced by a newer publisher");
    }
    if (count_.fetch_add(1, std::memory_order_relaxed) >= options_.max_streams) {
        count_.fetch_sub(1, std::memory_order_relaxed);
        co_return refuse(failure(
            errc::too_many,
            fmt::format("the gateway already carries its limit of {} streams", options_.max_streams)
        ));
    }
    auto gone = [this, &here](stream& one) {
        const auto it = here.streams.find(one.name());
        // After a takeover the name belongs to the newer stream.
        if (it == here.streams.end() || it->second.get() != &one)
            return;
        const auto now = steady_clock::now();
        here.ended.push_back({one.snapshot(), now + options_.keep_ended});
        here.forget_old(now, options_.keep_ended_count);
        names_.remove(one.name());
        here.streams.erase(it);
    };
    auto over = [this] { count_.fetch_sub(1, std::memory_order_relaxed); };
    auto made = std::make_shared<stream>(
        here.context.get_executor(),
        services_,
        here.tasks,
        std::move(*params),
        std::move(request),
        std::move(kick),
        std::move(over),
        std::move(gone)
    );
    if (auto opened = made->open(); !opened) {
        count_.fetch_sub(1, std::memory_order_relaxed);
        co_return opened.error();
    }
    here.streams[name] = made;
    names_.add(name);
    std::shared_ptr<ingest::unit_sink> sink = std::move(made);
    co_return sink;
}

awaitable<bool> registry::update(std::string name, std::string body) {
    auto work = [&here = home(name), &name, &body] {
        const auto one = here.find_name(name);
        if (!one || !one->has_publisher())
            return false;
        one->update(std::move(body));
        return true;
    };
    co_return co_await on_shard(shards_.of(name), std::move(work));
}

awaitable<std::optional<std::string>> registry::name_of(std::string name_or_id) {
    auto by_name = [&here = home(name_or_id), &name_or_id] {
        const auto one = here.find_name(name_or_id);
        return one && one->has_publisher();
    };
    if (auto found = co_await on_shard(shards_.of(name_or_id), std::move(by_name)); found)
        co_return name_or_id;
    for (auto& each : parts_) {
        auto by_id = [&part = *each, &name_or_id]() -> std::optional<std::string> {
            const auto one = part.find_id(name_or_id);
            return one && one->has_publisher() ? std::optional(one->name()) : std::nullopt;
        };
        auto name = co_await on_shard(each->context, std::move(by_id));
        if (name)
            co_return name;
    }
    co_return std::nullopt;
}

awaitable<bool> registry::stop_stream(std::string name) {
    auto work = [&here = home(name), &name] {
        const auto one = here.find_name(name);
        if (!one || !one->has_publisher())
            return false;
        one->cut(job_end_cause::stopped, "stopped through the API");
        return true;
    };
    co_return co_await on_shard(shards_.of(name), std::move(work));
}

awaitable<std::size_t> registry::terminate(std::string id, std::string reason) {
    std::size_t ended = 0;
    for (auto& each : parts_) {
        auto cut_all = [&part = *each, &id, &reason] {
            std::vector<std::shared_ptr<stream>> hit;
            for (const auto& [name, one] : part.streams)
                if (one->id() == id && one->has_publisher())
                    hit.push_back(one);
            for (const auto& one : hit)
                one->cut(job_end_cause::stopped, reason);
            return hit.size();
        };
        ended += co_await on_shard(each->context, std::move(cut_all));
    }
    co_return ended;
}

awaitable<std::optional<stream_snapshot>> registry::find(std::string id_or_name) {
    std::optional<stream_snapshot> best;
    // A live stream outranks one that has ended, an id outranks a name, the newer the older.
    int best_rank = 0;
    for (auto& each : parts_) {
        auto look = [this, &part = *each, &id_or_name, &best, &best_rank] {
            const auto consider = [&](const stream_snapshot& s, int base) {
                const int rank = base + (s.stream_id == id_or_name ? 1 : 0);
                if (rank > best_rank ||
                    (rank == best_rank && best && s.started_ms > best->started_ms)) {
                    best = s;
                    best_rank = rank;
                }
            };
            if (const auto one = part.find_id(id_or_name))
                consider(one->snapshot(), 3);
            if (const auto one = part.find_name(id_or_name))
                consider(one->snapshot(), 3);
            part.forget_old(steady_clock::now(), options_.keep_ended_count);
            for (const auto& old : part.ended)
                if (old.snapshot.stream_id == id_or_name || old.snapshot.name == id_or_name)
                    consider(old.snapshot, 1);
            return true;
        };
        co_await on_shard(each->context, std::move(look));
    }
    co_return best;
}

awaitable<std::vector<stream_snapshot>> registry::list() {
    std::vector<stream_snapshot> all;
    for (auto& each : parts_) {
        auto collect = [&part = *each, &all] {
            for (const auto& [name, one] : part.streams)
                if (one->has_publisher())
                    all.push_back(one->snapshot(stream::detail::list_entry));
            return true;
        };
        co_await on_shard(each->context, std::move(collect));
    }
    std::ranges::sort(all, {}, &stream_snapshot::name);
    co_return all;
}

awaitable<std::string> registry::locate_playback(std::string path) {
    const auto readings = playback_readings(path);
    for (const auto& reading : readings) {
        auto exists = [&here = home(reading.stream), &reading] {
            return here.find_name(reading.stream) != nullptr;
        };
        const bool found = co_await on_shard(shards_.of(reading.stream), std::move(exists));
        if (found)
            co_return reading.stream;
    }
    co_return readings.back().stream;
}

std::string registry::stream_of(const std::string& path) const {
    const auto readings = playback_readings(path);
    for (const auto& reading : readings)
        if (names_.has(reading.stream))
            return reading.stream;
    return readings.back().stream;
}

std::optional<std::string> registry::playback_channel(const std::string& path) {
    const auto channel = [](const playback_path& reading) {
        return reading.processed ? reading.stream + std::string(output_suffix) : reading.stream;
    };
    const auto readings = playback_readings(path);
    for (const auto& reading : readings) {
        if (shards_.index_of(reading.stream) != shards_.current()) {
            // The likelier reading counts, as for those who decided whether it may be watched.
            if (names_.has(reading.stream))
                return std::nullopt;
            continue;
        }
        const auto one = home(reading.stream).find_name(reading.stream);
        if (!one)
            continue;
        const bool other_session = !reading.request.empty() && one->request_id() != reading.request;
        return other_session ? std::nullopt : std::optional(channel(reading));
    }
    // Nobody publishes it: a stream may come yet, what looks like a session that is over will not.
    return readings.size() == 1 ? std::optional(channel(readings.front())) : std::nullopt;
}

void registry::request_keyframe(const std::string& channel) {
    const auto one = home(channel).find_name(channel);
    if (one && one->has_publisher() && one->request_keyframe)
        one->request_keyframe();
}

awaitable<void> registry::stop_part(part& on, duration limit) {
    std::vector<std::shared_ptr<stream>> streams;
    for (const auto& [name, one] : on.streams)
        streams.push_back(one);
    for (const auto& one : streams)
        one->cut(job_end_cause::stopped, "the gateway is stopping");
    const auto until = steady_clock::now() + limit;
    while (on.tasks.running() > 0 && steady_clock::now() < until)
        co_await expire_after(std::chrono::milliseconds(20));
    on.tasks.close();
    co_await on.tasks.join(std::chrono::seconds(1));
    for (const auto& [name, one] : on.streams)
        names_.remove(name);
    on.streams.clear();
}

void registry::stop(duration limit) {
    if (stopped_)
        return;
    stopped_ = true;
    stopping_ = true;
    std::vector<std::future<void>> ends;
    for (auto& each : parts_)
        ends.push_back(
            asio::co_spawn(each->context.get_executor(), stop_part(*each, limit), asio::use_future)
        );
    for (auto& end : ends)
        end.wait();
}

} // namespace rivulet::live
