#include "session/manager_parts.hpp"

#include <fmt/core.h>

#include <random>

namespace rivulet::session {

time_point manager_ground::now() const {
    return options.now ? options.now() : steady_clock::now();
}

std::int64_t manager_ground::unix_now() const {
    if (options.unix_now)
        return options.unix_now();
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

double manager_ground::random() const {
    if (options.random)
        return options.random();
    thread_local std::mt19937_64 engine{std::random_device()()};
    return std::uniform_real_distribution<double>(0, 1)(engine);
}

attempt::state::~state() {
    const std::scoped_lock lock(pool->guard);
    pool->members.released(*member, began, served);
}

void attempt::state::failed(const fault& why, remedy then) {
    bool suspended = false;
    duration length{};
    {
        const std::scoped_lock lock(pool->guard);
        const auto now = ground->now();
        suspended = pool->members.failed(*member, why, then, began, now);
        if (suspended)
            length = member->suspension.until() - now;
    }
    if (const auto at = ground->faults.find(why.kind); at != ground->faults.end())
        at->second.add();
    if (!suspended)
        return;
    if (const auto at = ground->suspensions.find(why.kind); at != ground->suspensions.end())
        at->second.add();
    ground->log.warn(
        "{} is left alone for {} s: {}: {}",
        member->url,
        std::chrono::duration_cast<std::chrono::seconds>(length).count(),
        to_string(why.kind),
        why.text
    );
}

attempt::attempt(std::unique_ptr<state> s) : state_(std::move(s)) {}

attempt::attempt() noexcept = default;
attempt::attempt(attempt&&) noexcept = default;
attempt& attempt::operator=(attempt&&) noexcept = default;
attempt::~attempt() = default;

const std::string& attempt::url() const {
    return state_->member->url;
}

info_ptr attempt::info() const {
    const std::scoped_lock lock(state_->pool->guard);
    return state_->member->info;
}

const job_need& attempt::need() const {
    return state_->need;
}

bool attempt::warm() const {
    const std::scoped_lock lock(state_->pool->guard);
    return state_->member->warm;
}

void attempt::succeeded(std::optional<double> score) {
    auto& pool = *state_->pool;
    const std::scoped_lock lock(pool.guard);
    auto& member = *state_->member;
    state_->served = true;
    pool.members.worked(member, state_->began, score, state_->ground->now());
    if (const auto gauge = pool.latency_scores.find(member.url);
        gauge != pool.latency_scores.end() && member.latency)
        gauge->second.set(*member.latency);
}

void attempt::failed(const fault& why) {
    state_->failed(why, remedy_for(why.kind, retry_fsm::max_tries));
}

} // namespace rivulet::session
