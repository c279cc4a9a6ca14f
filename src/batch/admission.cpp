#include "batch/admission.hpp"

#include "base/notifier.hpp"
#include "batch/admission_queue.hpp"

#include <map>
#include <mutex>

namespace rivulet::batch {
namespace {

constexpr auto come_again = std::chrono::seconds(2);

constexpr auto too_many = "too many requests are waiting; try again in a moment";

struct waiter {
    explicit waiter(asio::any_io_executor e) : executor(e), called(e) {}

    const asio::any_io_executor executor;
    notifier called; // its shard only
    bool begun = false;
};

api_error crowded(std::string why) {
    api_error no(http::status::too_many_requests, std::move(why));
    no.retry_after = come_again;
    return no;
}

} // namespace

struct admission::hall {
    explicit hall(admission_limits l) : limits(l), queue(l.running, l.waiting) {}

    void leave();

    const admission_limits limits;
    mutable std::mutex guard; // over all of it; held for a look only
    admission_queue queue;
    std::uint64_t last_id = 0;
    std::map<std::uint64_t, std::shared_ptr<waiter>> waiters;
};

// Through a post: the waiter's timer belongs to its shard.
void admission::hall::leave() {
    std::shared_ptr<waiter> next;
    {
        const std::scoped_lock lock(guard);
        const auto id = queue.leave();
        if (!id)
            return;
        const auto found = waiters.find(*id);
        next = found->second;
        next->begun = true;
        waiters.erase(found);
    }
    asio::post(next->executor, [next] { next->called.notify_all(); });
}

admission::place& admission::place::operator=(place&& other) noexcept {
    if (this != &other) {
        if (in_)
            in_->leave();
        in_ = std::move(other.in_);
    }
    return *this;
}

admission::place::~place() {
    if (in_)
        in_->leave();
}

admission::admission(admission_limits limits) : hall_(std::make_shared<hall>(limits)) {}

std::optional<api_error> admission::refusal() const {
    const std::scoped_lock lock(hall_->guard);
    if (!hall_->queue.full())
        return std::nullopt;
    return crowded(too_many);
}

std::optional<admission::place> admission::enter_now() {
    const std::scoped_lock lock(hall_->guard);
    if (!hall_->queue.enter_now())
        return std::nullopt;
    return place(hall_);
}

awaitable<answer<admission::place>> admission::enter() {
    auto in = hall_;
    std::uint64_t id = 0;
    std::shared_ptr<waiter> self;
    auto executor = co_await asio::this_coro::executor;
    {
        const std::scoped_lock lock(in->guard);
        id = ++in->last_id;
        const auto got = in->queue.enter(id);
        if (got == admission_queue::entry::begun)
            co_return place(in);
        if (got == admission_queue::entry::full)
            co_return crowded(too_many);
        self = std::make_shared<waiter>(executor);
        in->waiters.emplace(id, self);
    }

    // A coroutine that is cancelled leaves by an exception; its turn may have come meanwhile.
    struct standing {
        hall& in;
        const std::uint64_t id;
        waiter& self;
        bool over = false;

        // True when its turn has come.
        bool end() {
            over = true;
            const std::scoped_lock lock(in.guard);
            if (self.begun)
                return true;
            in.queue.give_up(id);
            in.waiters.erase(id);
            return false;
        }

        ~standing() {
            if (!over && end())
                in.leave();
        }
    };

    standing here{*in, id, *self};
    const auto begun = [&] {
        const std::scoped_lock lock(in->guard);
        return self->begun;
    };
    const auto until = steady_clock::now() + in->limits.longest_wait;
    while (!begun() && steady_clock::now() < until)
        co_await self->called.wait_until(until);
    if (!here.end())
        co_return crowded("no turn came within the longest wait; try again in a moment");
    co_return place(in);
}

std::size_t admission::running() const {
    const std::scoped_lock lock(hall_->guard);
    return hall_->queue.running();
}

std::size_t admission::waiting() const {
    const std::scoped_lock lock(hall_->guard);
    return hall_->queue.waiting();
}

} // namespace rivulet::batch
