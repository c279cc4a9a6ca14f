// The RTMP pull client against the RTMP server: a stream of another server published here.
#include "ingest/rtmp_pull.hpp"
#include "support/rtmp_client.hpp"
#include "support/rtmp_rig.hpp"
#include "support/run_on.hpp"

#include <gtest/gtest.h>

#include <thread>

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;

namespace {

template <class Condition>
bool soon(Condition holds, std::chrono::milliseconds limit = 10s) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

// Read by the test's thread, written on the shard.
struct seen {
    std::mutex guard;
    std::vector<media::stream_format> formats;
    std::size_t video = 0, audio = 0;
    std::vector<std::string> ends;  // of the sink
    std::vector<std::string> ended; // rtmp_pull_options::ended
    int asked = 0;

    template <class Look>
    auto read(Look look) {
        const std::lock_guard lock(guard);
        return look(*this);
    }

    std::size_t pictures() {
        return read([](auto& s) { return s.video; });
    }

    std::size_t end_count() {
        return read([](auto& s) { return s.ends.size(); });
    }
};

class recording_sink final : public ingest::unit_sink {
  public:
    explicit recording_sink(std::shared_ptr<seen> book) : book_(std::move(book)) {}

    void format_changed(const media::stream_format& format) override {
        const std::lock_guard lock(book_->guard);
        book_->formats.push_back(format);
    }

    void unit(media::access_unit unit) override {
        const std::lock_guard lock(book_->guard);
        ++(unit.kind == media::track_kind::video ? book_->video : book_->audio);
    }

    void ended(const std::string& reason) override {
        const std::lock_guard lock(book_->guard);
        book_->ends.push_back(reason);
    }

  private:
    std::shared_ptr<seen> book_;
};

struct rtmp_pull_flow : testing::Test {
    ~rtmp_pull_flow() override {
        publishing.reset();
        on_shard([this] { pull.reset(); });
    }

    void on_shard(std::function<void()> work) {
        std::packaged_task<void()> task(std::move(work));
        auto done = task.get_future();
        asio::post(source.executor(), [&task] { task(); });
        done.get();
    }

    void start_pull(const std::string& url, ingest::rtmp_pull_options options = {}) {
        options.ended = [book = book](std::string reason) {
            const std::lock_guard lock(book->guard);
            book->ended.push_back(reason);
        };
        on_shard([&] {
            pull = std::make_unique<ingest::rtmp_pull>(
                source.executor(),
                url,
                std::make_shared<recording_sink>(book),
                std::move(options),
                logger("pull")
            );
        });
    }

    // Publishes to the source until reset.
    void start_publisher(const std::string& path) {
        static const auto tags = std::make_shared<const std::vector<media::flv_tag>>(
            load_flv(std::string(RIVULET_TEST_DATA) + "/media/av.flv").value()
        );
        const auto url = source.url(path);
        on_shard([&] {
            publishing = std::make_unique<task_group>(source.executor(), logger("publisher"));
            publishing->spawn("publisher", publish(url, tags));
        });
    }

    void stop_publisher() {
        on_shard([this] { publishing.reset(); });
    }

    static awaitable<void>
    publish(std::string url, std::shared_ptr<const std::vector<media::flv_tag>> tags) {
        rtmp_publish_options options;
        options.loop = true;
        auto done = co_await rtmp_publish(url, tags, options);
        if (!done)
            logger("publisher").info("{}", done.error().detail);
    }

    ingest::rtmp_pull_status status() {
        ingest::rtmp_pull_status now;
        on_shard([&] { now = pull->status(); });
        return now;
    }

    rtmp_rig source;
    std::shared_ptr<seen> book = std::make_shared<seen>();
    std::unique_ptr<task_group> publishing;
    std::unique_ptr<ingest::rtmp_pull> pull;
};

} // namespace

TEST_F(rtmp_pull_flow, publishes_a_stream_of_another_server_and_ends_with_it) {
    start_publisher("live/cam");
    start_pull(source.url("live/cam"));
    ASSERT_TRUE(soon([&] { return book->pictures() > 20; }));
    EXPECT_EQ(book->read([](auto& s) { return s.formats.back().video->type; }), media::codec::h264);
    EXPECT_EQ(book->read([](auto& s) { return s.formats.back().audio->type; }), media::codec::aac);
    EXPECT_GT(book->read([](auto& s) { return s.audio; }), 10u);
    EXPECT_EQ(status().state, ingest::pull_state::playing);
    EXPECT_EQ(book->end_count(), 0u);
    stop_publisher();
    ASSERT_TRUE(soon([&] { return book->read([](auto& s) { return s.ended.size(); }) == 1; }));
    EXPECT_EQ(book->end_count(), 1u);
    EXPECT_EQ(status().state, ingest::pull_state::ended);
}

TEST_F(rtmp_pull_flow, takes_an_address_without_an_application) {
    start_publisher("live/cam");
    start_pull(source.url("cam"));
    EXPECT_TRUE(soon([&] { return book->pictures() > 5; }));
}

TEST_F(rtmp_pull_flow, connects_again_while_the_source_exists) {
    start_publisher("live/cam");
    ingest::rtmp_pull_options options;
    options.exists = [book = book]() -> awaitable<bool> {
        const std::lock_guard lock(book->guard);
        co_return ++book->asked < 4;
    };
    options.backoff_first = options.backoff_last = 50ms;
    start_pull(source.url("live/cam"), std::move(options));
    ASSERT_TRUE(soon([&] { return book->pictures() > 5; }));
    stop_publisher();
    start_publisher("live/cam");
    const auto before = book->pictures();
    ASSERT_TRUE(soon([&] { return book->pictures() > before + 10; }));
    EXPECT_EQ(book->end_count(), 0u);
    EXPECT_GE(book->read([](auto& s) { return s.asked; }), 1);
    EXPECT_GE(status().connects, 2u);
    for (int i = 0; i < 5 && book->end_count() == 0; ++i) {
        const auto connects = status().connects;
        stop_publisher();
        start_publisher("live/cam");
        soon([&] { return book->end_count() > 0 || status().connects > connects; });
    }
    ASSERT_TRUE(soon([&] { return book->end_count() == 1; }));
    EXPECT_TRUE(book->read([](auto& s) { return s.ends[0].starts_with("the source is gone"); }));
}

TEST_F(rtmp_pull_flow, ends_at_once_when_it_is_stopped) {
    start_publisher("live/cam");
    start_pull(source.url("live/cam"));
    ASSERT_TRUE(soon([&] { return book->pictures() > 5; }));
    on_shard([&] {
        pull->stop("kicked");
        pull->stop("again");
    });
    EXPECT_EQ(book->read([](auto& s) { return s.ends; }), std::vector<std::string>{"kicked"});
    EXPECT_TRUE(soon([&] { return source.server().stats().players == 0; }));
    EXPECT_TRUE(book->read([](auto& s) { return s.ended.empty(); }));
}

TEST_F(rtmp_pull_flow, gives_up_on_a_source_that_sends_nothing_for_long) {
    ingest::rtmp_pull_options options;
    options.backoff_first = options.backoff_last = 50ms;
    options.handshake_limit = 200ms; // the server waits longer for a stream to begin
    options.give_up = 1s;
    start_pull(source.url("live/nobody"), std::move(options));
    ASSERT_TRUE(soon([&] { return book->end_count() == 1; }));
    EXPECT_GE(status().connects, 2u);
    EXPECT_TRUE(book->read([](auto& s) { return s.ends[0].starts_with("no media for too long"); }));
}

TEST_F(rtmp_pull_flow, does_not_come_back_to_what_can_never_work) {
    ingest::rtmp_pull_options options;
    options.allowed = [](const asio::ip::address&) { return false; };
    start_pull(source.url("live/cam"), std::move(options));
    ASSERT_TRUE(soon([&] { return book->end_count() == 1; }));
    EXPECT_NE(book->read([](auto& s) { return s.ends[0]; }).find("not allowed"), std::string::npos);
    on_shard([this] { pull.reset(); });

    book = std::make_shared<seen>();
    start_pull("http://127.0.0.1/cam");
    ASSERT_TRUE(soon([&] { return book->end_count() == 1; }));
    on_shard([this] { pull.reset(); });

    book = std::make_shared<seen>();
    start_pull("rtmps://127.0.0.1:1/live/cam");
    ASSERT_TRUE(soon([&] { return book->end_count() == 1; }));
    EXPECT_EQ(book->read([](auto& s) { return s.ends[0]; }), "rtmps:// is not enabled");
}
