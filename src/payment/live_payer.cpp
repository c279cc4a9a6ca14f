#include "payment/live_payer.hpp"

#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "payment/live_payment_fsm.hpp"

#include <fmt/core.h>

namespace rivulet::payment {
namespace {

constexpr duration time_to_stop = std::chrono::milliseconds(500);

live_payment_fsm::limits limits_of(const live_payer_options& options) {
    live_payment_fsm::limits out;
    out.interval = options.interval;
    return out;
}

} // namespace

struct live_payer::impl {
    impl(
        asio::any_io_executor executor,
        payment_session& s,
        std::string m,
        live_payer_options o,
        listener l,
        logger lg
    )
        : session(s), manifest(std::move(m)), options(o), told(std::move(l)), log(std::move(lg)),
          fsm(limits_of(options), steady_clock::now()), wake(executor), idle(executor),
          tasks(executor, log) {}

    payment_session& session;
    std::string manifest;
    live_payer_options options;
    listener told;
    logger log;
    live_payment_fsm fsm;
    notifier wake, idle;
    bool closing = false;
    bool failing = false;
    task_group tasks;
};

namespace {

using state = std::shared_ptr<live_payer::impl>;

// False when paying is over.
bool after_payment(live_payer::impl& it, const outcome<payment_session::paid>& how) {
    const auto now = steady_clock::now();
    if (how) {
        if (*how == payment_session::paid::yes)
            it.fsm.paid();
        else
            it.fsm.nothing_due(now);
        if (std::exchange(it.failing, false))
            it.log.info("payments are taken again");
        return true;
    }
    it.fsm.failed(now);
    const auto& why = how.error();
    const bool final = why.code == errc::payment_refused;
    if (final || it.fsm.hopeless(now)) {
        it.closing = true;
        auto text = final ? why.detail
                          : fmt::format("payments fail for too long, the last one: {}", why.detail);
        it.log.error("no more payments: {}", text);
        if (it.told.refused)
            it.told.refused(text);
        return false;
    }
    if (!std::exchange(it.failing, true))
        it.log.warn("a payment failed and is tried again: {}", why.detail);
    if (it.told.trouble)
        it.told.trouble(why.detail);
    return true;
}

awaitable<void> run(state it) {
    while (!it->closing) {
        const auto now = steady_clock::now();
        if (const auto units = it->fsm.due(now)) {
            auto how = co_await it->session.pay(*units, it->manifest);
            // Whoever closes is not told any more.
            if (it->closing) {
                if (how && *how == payment_session::paid::yes)
                    it->fsm.paid();
                else
                    it->fsm.failed(now);
                it->idle.notify_all();
                co_return;
            }
            if (!after_payment(*it, how))
                co_return;
            continue;
        }
        const auto until = it->fsm.next_look(now);
        if (until == time_point::max())
            co_await it->wake.wait();
        else
            co_await it->wake.wait_until(until);
    }
}

} // namespace

live_payer::live_payer(
    asio::any_io_executor executor,
    payment_session& session,
    std::string manifest,
    live_payer_options options,
    listener told,
    logger log
)
    : impl_(std::make_shared<impl>(
          executor, session, std::move(manifest), options, std::move(told), std::move(log)
      )) {
    // The orchestrator asks nothing for its work.
    if (!session.is_paid()) {
        impl_->closing = true;
        return;
    }
    impl_->tasks.spawn("live payments", run(impl_));
}

live_payer::~live_payer() {
    impl_->closing = true;
    impl_->told = {};
    impl_->tasks.close();
}

void live_payer::segment_begun(time_point now) {
    if (impl_->closing)
        return;
    impl_->fsm.segment(now);
    impl_->wake.notify_all();
}

void live_payer::video(int width, int height, double fps) {
    // A rate that nobody knows yet would make the work free.
    if (!impl_->options.real_pixels || width <= 0 || height <= 0 || !(fps > 0))
        return;
    impl_->fsm.rate(double(width) * height * fps, steady_clock::now());
    impl_->wake.notify_all();
}

awaitable<void> live_payer::close(duration limit) {
    auto it = impl_;
    it->closing = true;
    it->wake.notify_all();
    const auto until = steady_clock::now() + limit;
    while (it->fsm.under_way() && steady_clock::now() < until)
        co_await it->idle.wait_until(until);
    it->tasks.close();
    co_await it->tasks.join(time_to_stop);
}

} // namespace rivulet::payment
