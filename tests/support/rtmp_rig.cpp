#include "support/rtmp_rig.hpp"

#include <stdexcept>

namespace rivulet::test {

using namespace std::chrono_literals;

// Shared with sinks; the test's thread reads it, the shards write it.
struct rtmp_rig::book {
    mutable std::mutex guard;
    std::vector<std::shared_ptr<published>> all;
    std::map<std::string, ingest::kick> kicks;
};

namespace {

// Runs on the shard and waits for it.
void run_at(asio::io_context& where, std::function<void()> work) {
    std::packaged_task<void()> task(std::move(work));
    auto done = task.get_future();
    asio::post(where, [&task] { task(); });
    done.get();
}

} // namespace

class rtmp_rig::sink final : public ingest::unit_sink {
  public:
    sink(
        trickle::channel_table& table,
        trickle::channel_ptr channel,
        std::shared_ptr<book> book,
        std::shared_ptr<published> entry
    )
        : table_(table), writer_(std::move(channel)), book_(std::move(book)),
          entry_(std::move(entry)) {}

    void format_changed(const media::stream_format& format) override {
        muxer_.set_format(format);
        std::lock_guard lock(book_->guard);
        entry_->formats.push_back(format);
    }

    void unit(media::access_unit unit) override {
        {
            std::lock_guard lock(book_->guard);
            entry_->units.push_back(unit);
        }
        const auto decision = segmenter_.step(unit, steady_clock::now());
        if (decision.action == media::segment_action::drop ||
            decision.action == media::segment_action::end_then_drop)
            return;
        if (decision.action == media::segment_action::cut_then_write) {
            writer_.begin_segment();
            muxer_.begin_segment();
        }
        if (auto ts = muxer_.write(unit))
            writer_.append(std::move(*ts));
    }

    void ended(const std::string& reason) override {
        writer_.close();
        table_.remove(writer_.target());
        std::lock_guard lock(book_->guard);
        entry_->ended = true;
        entry_->end_reason = reason;
    }

  private:
    trickle::channel_table& table_;
    trickle::channel_writer writer_;
    std::shared_ptr<book> book_;
    std::shared_ptr<published> entry_;
    media::segmenter segmenter_;
    media::ts_muxer muxer_;
};

ingest::rtmp_options rtmp_rig::fast_options() {
    ingest::rtmp_options options;
    options.port = 0;
    return options;
}

rtmp_rig::rtmp_rig(ingest::rtmp_options options, egress::rtmp_play_options play)
    : book_(std::make_shared<book>()) {
    channels_ = std::make_unique<trickle::channel_table>(
        shards_, trickle::table_options{}, logger("channels")
    );
    feeds_ = std::make_unique<egress::feed_table>(
        shards_, *channels_, egress::feed_options{}, logger("feeds")
    );
    ingest::rtmp_callbacks callbacks;
    callbacks.publish = admission();
    callbacks.play = egress::rtmp_play(feeds_->finder(), play, play_stats_);
    server_ = std::make_unique<ingest::rtmp_server>(
        shards_, std::move(options), std::move(callbacks), logger("rtmp")
    );
    port_ = server_->listen().value();
}

ingest::admit_publisher rtmp_rig::admission() {
    return [this](
               ingest::publish_request request, ingest::kick kick
           ) -> awaitable<outcome<std::shared_ptr<ingest::unit_sink>>> {
        if (request.stream == "full")
            co_return failure(errc::no_capacity, "no capacity for another stream");
        auto channel = channels_->replace(request.stream, "video/mp2t");
        if (!channel)
            co_return failure(channel.error(), "no channel");
        auto entry = std::make_shared<published>();
        entry->request = request;
        ingest::kick older;
        {
            std::lock_guard lock(book_->guard);
            older = std::exchange(book_->kicks[request.stream], kick);
            book_->all.push_back(entry);
        }
        if (older)
            older(ingest::kick_cause::replaced, "replaced by a newer publisher");
        std::shared_ptr<ingest::unit_sink> made =
            std::make_shared<sink>(*channels_, *channel, book_, entry);
        co_return made;
    };
}

rtmp_rig::~rtmp_rig() {
    server_->stop(0s);
    feeds_->stop();
    channels_->stop();
    server_.reset();
    shards_.stop();
}

std::vector<published> rtmp_rig::publishers() const {
    std::lock_guard lock(book_->guard);
    std::vector<published> copies;
    for (const auto& one : book_->all)
        copies.push_back(*one);
    return copies;
}

void rtmp_rig::kick(const std::string& name, const std::string& reason, ingest::kick_cause cause) {
    ingest::kick found;
    {
        std::lock_guard lock(book_->guard);
        found = book_->kicks[name];
    }
    if (found)
        found(cause, reason);
}

std::unique_ptr<rtmp_rig::injector>
rtmp_rig::inject(const std::string& name, const media::stream_format& format) {
    auto made = std::make_unique<injector>(shards_, *channels_, name);
    if (format.video)
        made->format(format);
    return made;
}

struct rtmp_rig::injector::state {
    std::string name;
    trickle::channel_table* table;
    std::unique_ptr<trickle::channel_writer> writer;
    media::ts_muxer muxer;
};

rtmp_rig::injector::injector(shards& shards, trickle::channel_table& channels, std::string name)
    : shards_(shards), state_(std::make_shared<state>()) {
    state_->name = std::move(name);
    state_->table = &channels;
    run_at(shards_.of(state_->name), [&] {
        state_->writer = std::make_unique<trickle::channel_writer>(
            state_->table->create(state_->name, "video/mp2t").value()
        );
    });
}

rtmp_rig::injector::~injector() {
    close();
}

void rtmp_rig::injector::format(const media::stream_format& format) {
    run_at(shards_.of(state_->name), [&] { state_->muxer.set_format(format); });
}

void rtmp_rig::injector::write(const media::access_unit& unit) {
    run_at(shards_.of(state_->name), [&] {
        if (unit.kind == media::track_kind::video && unit.keyframe) {
            state_->writer->begin_segment();
            state_->muxer.begin_segment();
        }
        auto ts = state_->muxer.write(unit);
        if (!ts)
            throw std::runtime_error(ts.error().message());
        state_->writer->append(std::move(*ts));
    });
}

void rtmp_rig::injector::write_segment(bytes ts) {
    run_at(shards_.of(state_->name), [&] {
        state_->writer->begin_segment();
        state_->writer->append(std::move(ts));
        state_->writer->end_segment();
    });
}

void rtmp_rig::injector::close() {
    run_at(shards_.of(state_->name), [&] {
        if (!state_->writer)
            return;
        state_->writer->close();
        state_->table->remove(state_->writer->target());
        state_->writer.reset();
    });
}

} // namespace rivulet::test
