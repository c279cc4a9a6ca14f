#include "worker/transcode_runner.hpp"

#include <boost/json/value.hpp>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <utility>
#include <variant>

namespace rivulet::worker {

namespace {

constexpr std::size_t queue_limit = 24u << 20;  // bytes of input not looked at yet
constexpr std::size_t output_limit = 32u << 20; // bytes of output the shard has not taken yet

// What the queue itself takes for an item and for a block: chunks without a byte must not be free.
constexpr std::size_t item_cost = 256;
constexpr std::size_t block_cost = 64;

struct media_item {
    trickle::channel_chunk chunk;
    time_point arrival;
    std::size_t cost;
};

struct params_item {
    boost::json::object params;
    filter_graph graph;
};

struct finish_item {};

using item = std::variant<media_item, params_item, finish_item>;

} // namespace

// What the shard and the transcoder's thread both see.
struct transcode_runner::shared : std::enable_shared_from_this<transcode_runner::shared> {
    shared(asio::any_io_executor executor, std::weak_ptr<runner_host> to, logger l)
        : home(std::move(executor)), host(std::move(to)), log(std::move(l)) {}

    // given
    asio::any_io_executor home;
    std::weak_ptr<runner_host> host;
    logger log;

    // the queue
    std::mutex guard;
    std::condition_variable filled;
    std::deque<item> queue;
    std::atomic<std::size_t> queued{0}; // bytes, with item_cost and block_cost

    std::atomic<std::size_t> unsent{0}; // bytes of output on their way to the shard
    std::atomic<bool> cancelled{false};
    std::atomic<bool> done{false};

    std::mutex way_home; // held while posting: afterwards the shard may be gone
    bool abandoned = false;

    // the thread's own
    std::unique_ptr<transcoder> work;
    bool segment_open = false;
    bool output_left_out = false;

    void put(item next) {
        {
            const std::lock_guard lock(guard);
            // Of several updates only the newest counts, so they never pile up.
            if (std::holds_alternative<params_item>(next))
                std::erase_if(queue, [](const item& old) {
                    return std::holds_alternative<params_item>(old);
                });
            queue.push_back(std::move(next));
        }
        filled.notify_one();
    }

    template <class Call>
    void go_home(Call call) {
        const std::lock_guard lock(way_home);
        if (!abandoned)
            asio::post(home, std::move(call));
    }

    template <class Call>
    void tell(Call call) {
        go_home([self = shared_from_this(), call = std::move(call)]() mutable {
            if (auto to = self->host.lock())
                call(*to);
        });
    }

    void output(bytes block, bool begins_segment) {
        if (begins_segment)
            output_left_out = unsent > output_limit;
        else if (unsent > output_limit)
            output_left_out = true;
        if (output_left_out)
            return;
        unsent += block.size();
        go_home([self = shared_from_this(), block = std::move(block), begins_segment] {
            self->unsent -= block.size();
            auto to = self->host.lock();
            if (!to)
                return;
            if (begins_segment)
                to->begin_segment();
            to->append(block);
        });
    }

    void run() {
        std::string cause;
        try {
            cause = loop();
        } catch (const std::exception& e) {
            cause = e.what();
        }
        done = true;
        tell([cause = std::move(cause)](runner_host& to) {
            to.end_segment();
            to.ended(cause);
        });
    }

    std::string loop() {
        for (;;) {
            item next = take();
            if (cancelled)
                return {};
            if (auto* media = std::get_if<media_item>(&next)) {
                consume(*media);
                queued -= media->cost;
            } else if (auto* change = std::get_if<params_item>(&next)) {
                apply(std::move(*change));
            } else {
                work->finish();
                return broken;
            }
            if (!broken.empty())
                return broken;
        }
    }

    item take() {
        std::unique_lock lock(guard);
        filled.wait(lock, [this] { return !queue.empty() || cancelled; });
        if (queue.empty())
            return finish_item{};
        item next = std::move(queue.front());
        queue.pop_front();
        return next;
    }

    void consume(const media_item& media) {
        if (media.chunk.segment_begins)
            work->begin_input_segment();
        for (const auto& block : media.chunk.blocks)
            work->push(block.view(), media.arrival);
    }

    void apply(params_item change) {
        auto done = [this, params = std::move(change.params)](outcome<void> applied) mutable {
            if (applied)
                tell([params = std::move(params)](runner_host& to) mutable {
                    to.params_applied(std::move(params));
                });
            else
                tell([detail = applied.error().detail](runner_host& to) {
                    to.failed("filter graph: " + detail);
                });
        };
        work->set_graph(std::move(change.graph), std::move(done));
    }

    std::string broken;
};

transcode_runner::transcode_runner(
    asio::any_io_executor home,
    std::weak_ptr<runner_host> host,
    graph_source source,
    transcoder_options options,
    logger log
)
    : source_(source), shared_(std::make_shared<shared>(home, std::move(host), std::move(log))) {
    auto* inside = shared_.get();
    options.cancelled = [inside] { return inside->cancelled.load(std::memory_order_relaxed); };
    transcoder_events events;
    events.output = [inside](bytes block, bool begins_segment) {
        inside->output(std::move(block), begins_segment);
    };
    events.failed = [inside](std::string message) {
        inside->tell([message = std::move(message)](runner_host& to) { to.failed(message); });
    };
    events.broken = [inside](std::string message) { inside->broken = std::move(message); };
    shared_->work = std::make_unique<transcoder>(std::move(options), std::move(events));
    thread_ = std::thread([self = shared_] {
        pthread_setname_np(pthread_self(), "worker-job");
        self->run();
    });
}

transcode_runner::~transcode_runner() {
    cancel();
    {
        const std::lock_guard lock(shared_->way_home);
        shared_->abandoned = true;
    }
    if (idle())
        thread_.join();
    else
        thread_.detach();
}

void transcode_runner::cancel() {
    shared_->cancelled = true;
    {
        const std::lock_guard lock(shared_->guard); // not between the check and the wait
    }
    shared_->filled.notify_one();
}

void transcode_runner::input(const trickle::channel_chunk& chunk, time_point now) {
    if (finished_)
        return;
    std::size_t cost = item_cost;
    for (const auto& block : chunk.blocks)
        cost += block.size() + block_cost;
    const bool full = shared_->queued + cost > queue_limit && shared_->queued > 0;
    if (full || (left_out_ && !chunk.segment_begins)) {
        if (!left_out_)
            if (auto host = shared_->host.lock())
                host->failed("the job is far behind: input left out up to the next segment");
        left_out_ = true;
        return;
    }
    left_out_ = false;
    shared_->queued += cost;
    shared_->put(media_item{chunk, now, cost});
}

void transcode_runner::set_params(boost::json::object params) {
    auto host = shared_->host.lock();
    if (!host || finished_)
        return;
    std::string_view text;
    if (source_ == graph_source::params) {
        if (const auto* value = params.if_contains("graph"); value && !value->is_null()) {
            const auto* string = value->if_string();
            if (!string)
                return host->failed("filter graph: \"graph\" must be a text, such as \"hflip\"");
            text = {string->data(), string->size()};
        }
    }
    auto graph = parse_filter_graph(text);
    if (!graph)
        return host->failed("filter graph: " + graph.error().detail);
    shared_->put(params_item{std::move(params), std::move(*graph)});
}

void transcode_runner::finish() {
    if (std::exchange(finished_, true))
        return;
    shared_->put(finish_item{});
}

bool transcode_runner::idle() const {
    return shared_->done;
}

frame_counters transcode_runner::counters() const {
    return shared_->work->counters();
}

} // namespace rivulet::worker
