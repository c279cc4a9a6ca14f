#include "support/ts_clip.hpp"
#include "worker/transcode_runner.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace rivulet::worker {
namespace {

constexpr time_point start{std::chrono::hours(1)};

class silent_host final : public runner_host {
  public:
    void begin_segment() override {}

    void append(bytes) override {}

    void end_segment() override {}

    void output_begins() override {}

    void relay_event(bytes) override {}

    void params_applied(boost::json::object) override {}

    void failed(std::string) override { ++failures; }

    void ended(std::string) override {}

    int failures = 0;
};

// Stops the transcoder's thread inside its work until it is opened.
struct gate {
    std::promise<void> entered, opened;
    std::shared_future<void> open = opened.get_future().share();
    std::atomic<bool> seen{false};

    time_point pass() {
        if (!seen.exchange(true))
            entered.set_value();
        open.wait();
        return start;
    }
};

std::unique_ptr<transcode_runner> make_runner(
    asio::any_io_executor home, std::shared_ptr<silent_host> host, std::shared_ptr<gate> held
) {
    transcoder_options options;
    options.clock = [held] { return held->pass(); };
    return std::make_unique<transcode_runner>(
        home, host, graph_source::none, std::move(options), logger()
    );
}

trickle::channel_chunk some_media() {
    static const auto clip = test::make_clip();
    trickle::channel_chunk chunk;
    chunk.segment_begins = chunk.segment_ends = true;
    chunk.blocks = clip.segments.at(0).blocks;
    return chunk;
}

} // namespace

TEST(transcode_runner, goes_while_its_thread_is_stuck_and_the_thread_touches_nothing_afterwards) {
    auto home = std::make_unique<asio::io_context>();
    auto host = std::make_shared<silent_host>();
    auto held = std::make_shared<gate>();
    auto runner = make_runner(home->get_executor(), host, held);
    runner->input(some_media(), start);
    held->entered.get_future().wait();
    runner->finish();
    runner->cancel();
    EXPECT_FALSE(runner->idle());
    runner.reset(); // would wait for ever
    home.reset();   // the shards are gone before the thread comes back
    host.reset();
    std::weak_ptr<gate> in_use = held;
    held->opened.set_value();
    held.reset();
    while (!in_use.expired()) // the thread took all that it owned along
        std::this_thread::yield();
}

TEST(transcode_runner, cancel_ends_a_backlog) {
    asio::io_context home;
    auto host = std::make_shared<silent_host>();
    auto held = std::make_shared<gate>();
    auto runner = make_runner(home.get_executor(), host, held);
    for (int i = 0; i < 50; ++i)
        runner->input(some_media(), start);
    held->entered.get_future().wait();
    runner->cancel();
    held->opened.set_value();
    while (!runner->idle())
        std::this_thread::yield();
    EXPECT_LE(runner->counters().in, 2u);
}

TEST(transcode_runner, chunks_without_a_byte_fill_its_queue_as_well) {
    asio::io_context home;
    auto host = std::make_shared<silent_host>();
    auto held = std::make_shared<gate>();
    auto runner = make_runner(home.get_executor(), host, held);
    runner->input(some_media(), start);
    held->entered.get_future().wait();
    trickle::channel_chunk empty;
    empty.segment_begins = empty.segment_ends = true;
    int accepted = 0;
    while (host->failures == 0 && accepted < 200'000) {
        runner->input(empty, start);
        ++accepted;
    }
    EXPECT_LT(accepted, 100'000);
    runner->cancel();
    held->opened.set_value();
}

} // namespace rivulet::worker
