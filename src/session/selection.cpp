#include "session/manager_parts.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace rivulet::session {
namespace {

constexpr auto least_retry_after = std::chrono::seconds(1);
constexpr auto usual_retry_after = std::chrono::seconds(5);
constexpr auto most_retry_after = std::chrono::seconds(60);

} // namespace

selection::selection(std::unique_ptr<state> s) : state_(std::move(s)) {}

selection::selection(selection&&) noexcept = default;
selection& selection::operator=(selection&&) noexcept = default;
selection::~selection() = default;

selection::state::pick
selection::state::choose(asio::any_io_executor executor, time_point now, time_point& grace_until) {
    pick out;
    const auto terms = owner->terms_of(need, avoid, tries.excluded());
    const std::scoped_lock lock(pool->guard);
    pool->used = now;
    auto& members = pool->members;
    const bool room = members.has_room(terms, now, false);
    owner->refresh_if_due(pool, now, members.left(terms) == 0);

    const auto wait_for = [&](duration limit) {
        out.wait = std::min(limit, tries.left(now));
        out.on = std::make_shared<waiter>(executor);
        pool->waiters.push_back(out.on);
    };
    const bool first = pool->refreshing && !pool->gathered;
    if (first && !room) {
        wait_for(owner->ground->options.late_answers);
        return out;
    }
    // Somebody cold is known; somebody warm may be about to answer.
    if (first && !members.has_room(terms, now, true)) {
        if (grace_until == time_point{})
            grace_until = now + owner->ground->options.warm_grace;
        if (now < grace_until) {
            wait_for(grace_until - now);
            return out;
        }
    }
    // The one that was got ready for this very case.
    if (!avoid.empty())
        if (const auto ready = pool->standbys.find(avoid.front()); ready != pool->standbys.end()) {
            const auto member = members.find(ready->second);
            if (member && members.has_room(*member, terms, now))
                out.member = member;
        }
    if (!out.member)
        out.member = members.choose(terms, now, owner->ground->random());
    // Everybody known was tried: one gathering may find somebody new.
    if (!out.member && pool->refreshing && waits_for.value_or(pool->refreshes) == pool->refreshes) {
        waits_for = pool->refreshes;
        wait_for(owner->ground->options.late_answers);
        return out;
    }
    if (!out.member) {
        nobody = members.nobody(terms);
        if (members.members().empty() && !pool->trouble.empty())
            nobody = pool->trouble;
        return out;
    }
    members.taken(*out.member, now);
    return out;
}

attempt selection::state::take(const member_ptr& member, time_point now) {
    current = member;
    tries.trying(member->url, now);
    return attempt(std::make_unique<attempt::state>(owner->ground, pool, member, need, now));
}

awaitable<outcome<attempt>> selection::next() {
    auto& s = *state_;
    const auto executor = co_await asio::this_coro::executor;
    time_point grace_until{};
    if (auto why = model_problem(s.need.model); !why.empty())
        co_return failure(errc::invalid_argument, std::move(why));
    if (!s.pool)
        co_return failure(errc::no_capacity, "too many models are in use at once");
    for (;;) {
        if (s.owner->is_stopped())
            co_return failure(errc::cancelled, "the gateway stops");
        const auto now = s.owner->ground->now();
        const auto step = s.tries.next(now);
        switch (step) {
        case retry_fsm::step::out_of_time:
            co_return failure(errc::timed_out, summary());
        case retry_fsm::step::out_of_tries:
            co_return failure(errc::no_capacity, summary());
        case retry_fsm::step::bad_request:
            co_return failure(errc::invalid_argument, summary());
        case retry_fsm::step::gone:
            co_return failure(errc::cancelled, summary());
        case retry_fsm::step::choose:
        case retry_fsm::step::again:
            break;
        }
        bool fresh = false;
        if (step == retry_fsm::step::again) {
            const std::scoped_lock lock(s.pool->guard);
            s.pool->members.taken(*s.current, now);
        } else {
            auto found = s.choose(executor, now, grace_until);
            if (found.on) {
                co_await found.on->wait(found.wait);
                continue;
            }
            if (!found.member)
                co_return failure(errc::no_capacity, summary());
            s.current = found.member;
            fresh = true;
        }
        auto taken = s.take(s.current, now);
        const auto info = taken.info();
        if (fresh && !manager::needs_refresh(*info, s.owner->ground->unix_now()))
            co_return std::move(taken);
        const auto limit = s.tries.try_limit(now, false);
        auto renewed = co_await s.owner->renew(s.pool, s.current, false, limit);
        if (renewed)
            co_return std::move(taken);
        auto why = to_fault(renewed.error());
        // Nothing of the request was in the question, whatever the answer says.
        if (why.kind == fault_kind::bad_request)
            why.kind = fault_kind::internal;
        why.text = "renewing its token: " + why.text;
        failed(std::move(taken), why);
    }
}

duration selection::try_limit(time_point now) const {
    if (!state_->pool)
        return state_->tries.left(now);
    auto excluded = state_->tries.excluded();
    excluded.insert(state_->tries.current());
    const auto terms = state_->owner->terms_of(state_->need, {}, std::move(excluded));
    const std::scoped_lock lock(state_->pool->guard);
    return state_->tries.try_limit(now, state_->pool->members.left(terms) > 0);
}

bool selection::has_others(time_point now) const {
    if (!state_->pool)
        return false;
    auto excluded = state_->tries.excluded();
    excluded.insert(state_->tries.current());
    const auto terms = state_->owner->terms_of(state_->need, state_->avoid, std::move(excluded));
    const std::scoped_lock lock(state_->pool->guard);
    return state_->pool->members.has_room(terms, now, false);
}

void selection::failed(attempt which, const fault& why) {
    const auto then = state_->tries.failed(why, state_->owner->ground->now());
    which.state_->failed(why, then);
}

const std::vector<tried>& selection::reasons() const {
    return state_->tries.reasons();
}

std::string selection::summary() const {
    return state_->tries.summary(state_->nobody, state_->owner->ground->now());
}

boost::json::object selection::to_json() const {
    return state_->tries.to_json(state_->nobody, state_->owner->ground->now());
}

duration selection::retry_after() const {
    if (!state_->pool)
        return most_retry_after;
    const auto now = state_->owner->ground->now();
    const std::scoped_lock lock(state_->pool->guard);
    auto at = state_->pool->members.next_return(now);
    if (!at && state_->pool->not_before > now)
        at = state_->pool->not_before;
    if (!at)
        return usual_retry_after;
    return std::clamp<duration>(*at - now, least_retry_after, most_retry_after);
}

} // namespace rivulet::session
