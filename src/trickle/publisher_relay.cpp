#include "trickle/publisher_relay.hpp"

#include "base/notifier.hpp"

namespace rivulet::trickle {
namespace {

// What one chunk carries at most: enough for a system call, little enough to be fair.
constexpr std::size_t chunk_blocks = 64;
constexpr std::size_t chunk_bytes = 256 * 1024;

// Wakes a coroutine when its segment changes, for as long as it lives.
class wake_up final : private segment_watcher {
  public:
    wake_up(asio::any_io_executor executor, segment_ptr watched)
        : changed_(executor), watched_(std::move(watched)) {
        watched_->watch(*this);
    }

    ~wake_up() { watched_->unwatch(*this); }

    wake_up(const wake_up&) = delete;
    wake_up& operator=(const wake_up&) = delete;

    awaitable<void> wait() { return changed_.wait(); }

  private:
    void segment_changed() override { changed_.notify_all(); }

    notifier changed_;
    segment_ptr watched_;
};

} // namespace

struct publisher_relay::impl : std::enable_shared_from_this<publisher_relay::impl> {
    impl(
        asio::any_io_executor ex,
        channel_ptr c,
        std::string url,
        publisher_options options,
        relay_listener& l,
        logger lo
    )
        : executor(ex), source(std::move(c)), log(std::move(lo)), listener(&l),
          target(ex, std::move(url), std::move(options), log), tasks(ex, log), idle(ex) {}

    awaitable<void> run(std::shared_ptr<impl> self);
    awaitable<void> upload([[maybe_unused]] std::shared_ptr<impl> self, segment_ptr from);
    awaitable<outcome<void>> send_all(publisher::segment_ptr to, segment_ptr from);
    void finish(failure why);
    void abandon();

    asio::any_io_executor executor;
    channel_ptr source;
    logger log;
    relay_listener* listener; // null once nothing may be told any more
    publisher target;
    task_group tasks;
    notifier idle; // an upload ended
    segment_policy_fsm policy;
    numbers total;
    bool over = false; // no new segment is begun
};

// Ends the relay in the eyes of its owner.
void publisher_relay::impl::finish(failure why) {
    if (std::exchange(over, true))
        return;
    if (listener)
        listener->relay_ended(why);
}

awaitable<void> publisher_relay::impl::run(std::shared_ptr<impl> self) {
    std::int64_t wanted = seq_newest;
    while (!over) {
        auto found = source->open_read(wanted);
        if (!found) {
            if (found.error() == errc::closed)
                break; // the source ended
            if (found.error() != errc::sequence_not_found) {
                finish(failure(found.error(), "cannot read the source"));
                co_return;
            }
            // The source ran ahead of us, or began anew.
            wanted = wanted == seq_newest ? seq_next : seq_newest;
            continue;
        }
        auto next = std::move(*found);
        {
            wake_up changed(executor, next);
            while (!over && next->size() == 0 && !next->closed())
                co_await changed.wait();
        }
        if (over)
            co_return;
        wanted = next->seq() + 1;
        if (next->size() == 0) {
            if (source->closed())
                break;
            continue; // an empty segment carries nothing to send
        }
        const auto verdict = policy.begun(next->seq(), steady_clock::now());
        if (verdict.what == segment_policy_fsm::step::slow) {
            finish(
                failure(errc::no_capacity, "the peer does not take segments as fast as they come")
            );
            co_return;
        }
        ++total.begun;
        if (listener)
            listener->segment_begun(next->seq());
        auto name = "segment " + std::to_string(next->seq());
        tasks.spawn(std::move(name), upload(self, std::move(next)));
    }
    while (!over && policy.in_flight() > 0)
        co_await idle.wait();
    finish(failure(errc::closed, "the source has ended"));
}

awaitable<outcome<void>>
publisher_relay::impl::send_all(publisher::segment_ptr to, segment_ptr from) {
    wake_up changed(executor, from);
    for (std::size_t cursor = 0;;) {
        std::vector<bytes> blocks;
        std::size_t size = 0;
        const auto& all = from->blocks();
        while (cursor < all.size() && blocks.size() < chunk_blocks && size < chunk_bytes) {
            size += all[cursor].size();
            blocks.push_back(all[cursor++]);
        }
        if (!blocks.empty()) {
            auto sent = co_await to->write(std::move(blocks));
            if (!sent)
                co_return sent;
            total.bytes += size;
        } else if (from->closed()) {
            co_return co_await to->finish();
        } else {
            co_await changed.wait();
        }
    }
}

awaitable<void>
publisher_relay::impl::upload([[maybe_unused]] std::shared_ptr<impl> self, segment_ptr from) {
    const auto id = from->seq();
    auto taken = co_await target.next_segment();
    publisher::segment_ptr to;
    outcome<void> sent = {};
    if (taken)
        to = std::move(*taken);
    else
        sent = taken.error();
    auto verdict = segment_policy_fsm::verdict{segment_policy_fsm::step::send};
    while (to && verdict.what == segment_policy_fsm::step::send) {
        sent = co_await send_all(to, from);
        if (sent) {
            verdict.what = segment_policy_fsm::step::done;
            break;
        }
        if (listener)
            listener->attempt_failed(id, sent.error());
        verdict =
            policy.attempt_failed(id, sent.error().code, to->bytes_sent(), steady_clock::now());
        if (verdict.what == segment_policy_fsm::step::wait) {
            if (listener)
                listener->segment_retried(id, sent.error());
            asio::steady_timer pause(executor, verdict.retry_at);
            co_await pause.async_wait(as_tuple);
            verdict = policy.retry_due(id, steady_clock::now());
        }
    }
    if (verdict.what == segment_policy_fsm::step::done) {
        ++total.sent;
        if (listener)
            listener->segment_sent(id, to->bytes_sent());
    } else if (verdict.what == segment_policy_fsm::step::gone) {
        finish(sent.error());
    } else {
        ++total.dropped;
        auto why = sent.error().detail;
        if (to && to->bytes_sent() > 0)
            why = std::to_string(to->bytes_sent()) + " bytes were sent, then: " + why;
        else if (to && policy.replaced(id))
            why = "a newer segment has begun, after: " + why;
        if (listener)
            listener->segment_dropped(id, why);
        if (to)
            co_await to->drop();
    }
    policy.ended(id);
    idle.notify_all();
}

void publisher_relay::impl::abandon() {
    listener = nullptr;
    over = true;
    tasks.close();
    target.abandon();
}

publisher_relay::publisher_relay(
    asio::any_io_executor executor,
    channel_ptr source,
    std::string url,
    publisher_options options,
    relay_listener& listener,
    logger log
)
    : impl_(std::make_shared<impl>(
          executor, std::move(source), std::move(url), std::move(options), listener, std::move(log)
      )) {}

publisher_relay::~publisher_relay() {
    impl_->abandon();
}

outcome<void> publisher_relay::start() {
    auto started = impl_->target.start();
    if (started)
        impl_->tasks.spawn("relay", impl_->run(impl_));
    return started;
}

awaitable<void> publisher_relay::close() {
    auto self = impl_;
    self->listener = nullptr;
    self->over = true;
    self->tasks.close();
    auto removed = co_await self->target.close();
    if (!removed)
        self->log.debug("cannot delete the channel: {}", removed.error().detail);
    co_await self->tasks.join(std::chrono::seconds(2));
}

void publisher_relay::abandon() {
    impl_->abandon();
}

publisher_relay::numbers publisher_relay::count() const {
    auto now = impl_->total;
    now.in_flight = impl_->policy.in_flight();
    now.last_input = impl_->policy.last_input();
    return now;
}

} // namespace rivulet::trickle
