#include "session/manager.hpp"

#include "base/utf8.hpp"
#include "session/manager_parts.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace rivulet::session {
namespace {

constexpr auto renewal_limit = std::chrono::milliseconds(2500);
constexpr std::int64_t token_margin = 180; // seconds, of 30 min
constexpr duration least_backoff = std::chrono::seconds(1);
constexpr duration most_backoff = std::chrono::seconds(30);
constexpr auto forgotten = std::chrono::minutes(30); // a pool that nobody used for so long rests
constexpr std::size_t model_bytes = 1024;
constexpr std::size_t warnings = 1'000;
constexpr std::size_t reasons_shown = 5;

constexpr auto all_kinds = {
    fault_kind::capacity,
    fault_kind::tickets_expired,
    fault_kind::ticket_nonce,
    fault_kind::payment,
    fault_kind::bad_request,
    fault_kind::declined,
    fault_kind::client_gone,
    fault_kind::unreachable,
    fault_kind::timed_out,
    fault_kind::internal,
    fault_kind::protocol,
    fault_kind::slow,
    fault_kind::stalled,
    fault_kind::lost};

observe::labels model_labels(capability_id id, const std::string& model) {
    return {{"pipeline", pipeline_of(id)}, {"model_name", model}};
}

// What discovery heard, in one line.
std::string trouble_of(const discovery::summary& heard) {
    if (heard.asked == 0)
        return "none is configured";
    std::string out = fmt::format("{} asked", heard.asked);
    std::size_t shown = 0;
    for (const auto& [address, reason] : heard.rejected) {
        if (shown++ == reasons_shown) {
            out += fmt::format("; and {} more", heard.rejected.size() - reasons_shown);
            break;
        }
        out += fmt::format("{}{}: {}", shown == 1 ? ": " : "; ", address, reason);
    }
    return out;
}

} // namespace

std::string model_problem(const std::string& model) {
    if (model.size() > model_bytes)
        return "the model's name is too long";
    const bool control =
        std::ranges::any_of(model, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (control || valid_utf8(model) != model)
        return "the model's name is no text";
    return {};
}

manager::impl::impl(
    asio::any_io_executor e,
    std::shared_ptr<discovery> d,
    std::shared_ptr<price_caps> c,
    manager_options options,
    observe::metrics& m,
    logger log
)
    : executor(e), network(std::move(d)), caps(std::move(c)),
      ground(std::make_shared<manager_ground>()), metrics(m), tasks(e, log) {
    ground->options = std::move(options);
    ground->log = std::move(log);
    for (const auto kind : all_kinds) {
        const observe::labels with{{"kind", std::string(to_string(kind))}};
        ground->faults[kind] = metrics.make_counter(
            "rivulet_orchestrator_faults_total", "Tries and jobs that failed, by whose fault.", with
        );
        if (remedy_for(kind, 1) == remedy::suspend)
            ground->suspensions[kind] = metrics.make_counter(
                "rivulet_orchestrator_suspensions_total",
                "Orchestrators left alone for a while, by the fault that did it.",
                with
            );
    }
}

std::shared_ptr<pool_entry> manager::impl::pool_for(capability_id id, const std::string& model) {
    const auto now = ground->now();
    const std::scoped_lock lock(guard);
    auto& slot = pools[{id, model}];
    if (slot)
        return slot;
    if (pools.size() > ground->options.pools) {
        // The one that nobody uses and nobody used for longest makes room; first of all names that
        // nobody serves, as clients may think up any number of them.
        auto oldest = pools.end();
        std::pair<bool, time_point> oldest_use;
        for (auto at = pools.begin(); at != pools.end(); ++at) {
            if (!at->second)
                continue;
            const std::scoped_lock entry_lock(at->second->guard);
            const auto& members = at->second->members.members();
            const bool busy = at->second->refreshing || at->second->members.in_flight() > 0;
            const std::pair use(!members.empty(), at->second->used);
            if (busy || (oldest != pools.end() && use >= oldest_use))
                continue;
            oldest = at;
            oldest_use = use;
        }
        if (oldest == pools.end()) {
            pools.erase({id, model});
            return nullptr;
        }
        pools.erase(oldest);
    }
    auto entry = std::make_shared<pool_entry>(id, model, ground->options);
    entry->used = now;
    entry->requested = metrics.make_counter(
        "livepeer_ai_models_requested", "Requests for a model.", model_labels(id, model)
    );
    return pools[{id, model}] = std::move(entry);
}

std::vector<std::shared_ptr<pool_entry>> manager::impl::all_pools() const {
    const std::scoped_lock lock(guard);
    std::vector<std::shared_ptr<pool_entry>> out;
    for (const auto& [key, entry] : pools)
        out.push_back(entry);
    return out;
}

bool manager::impl::is_stopped() const {
    const std::scoped_lock lock(guard);
    return stopped;
}

choice_terms manager::impl::terms_of(
    const job_need& need, std::vector<std::string> avoid, std::set<std::string> excluded
) {
    choice_terms out;
    out.filter = need.filter;
    out.avoid = std::move(avoid);
    out.excluded = std::move(excluded);
    if (caps)
        out.cap = caps->cap_of(need.id, need.model);
    out.ignore_cap_if_needed = ground->options.ignore_max_price_if_needed;
    return out;
}

// --- gathering

void manager::impl::spawn(std::string name, std::function<awaitable<void>()> task) {
    asio::post(executor, [weak = weak_from_this(), name = std::move(name), task = std::move(task)] {
        if (auto self = weak.lock())
            self->tasks.spawn(name, task());
    });
}

void manager::impl::refresh_if_due(
    const std::shared_ptr<pool_entry>& entry, time_point now, bool nobody
) {
    if (entry->refreshing)
        return;
    const auto every = entry->members.id() == capability::live_video_to_video
                           ? ground->options.live_refresh
                           : ground->options.batch_refresh;
    const bool old = !entry->gathered || entry->list_changed || now - entry->last_refresh >= every;
    if (!(old || nobody) || now < entry->not_before)
        return;
    entry->refreshing = true;
    asio::post(executor, [weak = weak_from_this(), entry] {
        auto self = weak.lock();
        if (!self)
            return;
        {
            const std::scoped_lock lock(self->guard);
            self->queue.push_back(entry);
        }
        self->gather_next();
    });
}

// On the executor.
void manager::impl::gather_next() {
    for (;;) {
        std::shared_ptr<pool_entry> entry;
        {
            const std::scoped_lock lock(guard);
            if (stopped || queue.empty() || gathering >= ground->options.gatherings)
                return;
            entry = std::move(queue.front());
            queue.pop_front();
            ++gathering;
        }
        tasks.spawn("gather", gather(shared_from_this(), std::move(entry)));
    }
}

void manager::impl::heard(const std::shared_ptr<pool_entry>& entry, const discovered& what) {
    found answer;
    answer.info = what.info;
    answer.dialled = what.dialled;
    answer.listed_as = what.listed_as;
    answer.latency = what.latency;
    answer.score = what.score;
    pool::admission admitted;
    {
        const std::scoped_lock lock(entry->guard);
        admitted = entry->members.add(answer, ground->now());
        if (admitted.member) {
            const auto& url = admitted.member->url;
            if (admitted.fresh && entry->members.id() != capability::live_video_to_video) {
                auto labels = model_labels(entry->members.id(), entry->members.model());
                labels["orchestrator_uri"] = url;
                auto& gauge = entry->latency_scores[url] = metrics.make_gauge(
                    "livepeer_ai_request_latency_score",
                    "Seconds per unit of work, a decaying average.",
                    labels
                );
                if (admitted.member->latency) // it was here before
                    gauge.set(*admitted.member->latency);
            }
            entry->wake_all();
        }
    }
    if (!admitted.suspicious)
        return;
    const std::scoped_lock lock(guard);
    if (warned.size() < warnings && warned.insert(answer.dialled + admitted.why).second)
        ground->log.warn("{} claims to be another orchestrator: {}", answer.dialled, admitted.why);
}

awaitable<void>
manager::impl::gather(std::shared_ptr<impl> self, std::shared_ptr<pool_entry> entry) {
    const auto began = ground->now();
    capability_id id = 0;
    std::string model;
    {
        const std::scoped_lock lock(entry->guard);
        entry->list_changed = false;
        id = entry->members.id();
        model = entry->members.model();
    }
    std::function<void(discovered)> found = [weak = weak_from_this(), entry](discovered what) {
        if (auto self = weak.lock())
            self->heard(entry, what);
    };
    const auto wanted = ground->options.wanted;
    auto summary = co_await network->gather(id, std::move(model), wanted, std::move(found));
    const auto now = ground->now();
    bool somebody = false;
    {
        const std::scoped_lock lock(entry->guard);
        entry->refreshing = false;
        entry->gathered = true;
        entry->last_refresh = now;
        entry->last_refresh_unix = ground->unix_now();
        ++entry->refreshes;
        entry->trouble = summary ? trouble_of(*summary) : summary.error().detail;
        somebody = summary && summary->accepted > 0 && !entry->members.members().empty();
        // Nobody: the next request may ask again soon, then less and less often, so that names
        // that nobody serves don't become a load on the network.
        entry->backoff =
            somebody ? least_backoff : std::clamp(entry->backoff * 2, least_backoff, most_backoff);
        entry->not_before = now + entry->backoff;
        entry->wake_all();
    }
    if (somebody)
        tasks.spawn("sweep", sweep(self, entry, began));
    {
        const std::scoped_lock lock(guard);
        --gathering;
    }
    gather_next();
}

awaitable<void>
manager::impl::sweep(std::shared_ptr<impl>, std::shared_ptr<pool_entry> entry, time_point began) {
    asio::steady_timer timer(executor, ground->options.late_answers);
    const auto [ec] = co_await timer.async_wait(as_tuple);
    if (ec)
        co_return;
    const std::scoped_lock lock(entry->guard);
    entry->members.sweep(began, ground->now());
    entry->forget_the_gone();
}

// Pools in use stay fresh without a request waiting for it, and so do the tokens of standbys.
awaitable<void> manager::impl::keep(std::shared_ptr<impl>) {
    asio::steady_timer timer(executor);
    std::optional<std::set<std::string>> last;
    for (;;) {
        timer.expires_after(ground->options.keeping);
        const auto [ec] = co_await timer.async_wait(as_tuple);
        if (ec)
            co_return;
        // While there is no list, nobody is taken away.
        const auto listed = co_await network->listed();
        const bool changed = listed && last && *last != *listed;
        if (changed)
            ground->log.info("the list of orchestrators changed: {} are on it", listed->size());
        if (listed)
            last = *listed;
        const auto now = ground->now();
        for (const auto& entry : all_pools()) {
            const std::scoped_lock lock(entry->guard);
            // Kept until it is asked: now it may be asking the old list, or have to wait.
            entry->list_changed |= changed;
            if (listed) {
                entry->members.keep_only(*listed, now);
                entry->forget_the_gone();
            }
            const bool in_use = entry->members.in_flight() > 0;
            if (!in_use && now - entry->used > forgotten)
                continue;
            refresh_if_due(entry, now, in_use && entry->members.members().empty());
            for (const auto& [current, url] : entry->standbys) {
                const auto member = entry->members.find(url);
                if (member && needs_refresh(*member->info, ground->unix_now()))
                    start_renewal(entry, member, false);
            }
        }
    }
}

// --- renewal

// The entry's lock is held.
std::shared_ptr<renewal> manager::impl::start_renewal(
    const std::shared_ptr<pool_entry>& entry, const member_ptr& member, bool ignore_capacity
) {
    auto& slot = entry->renewals[{member->url, ignore_capacity}];
    if (slot)
        return slot;
    slot = std::make_shared<renewal>();
    spawn("renew", [self = shared_from_this(), entry, member, ignore_capacity, answer = slot] {
        return self->ask(self, entry, member, ignore_capacity, answer);
    });
    return slot;
}

awaitable<void> manager::impl::ask(
    std::shared_ptr<impl>,
    std::shared_ptr<pool_entry> entry,
    member_ptr member,
    bool ignore_capacity,
    std::shared_ptr<renewal> answer
) {
    capability_id id = 0;
    std::string model;
    {
        const std::scoped_lock lock(entry->guard);
        id = entry->members.id();
        model = entry->members.model();
    }
    auto said = co_await network->ask_again(member->url, id, std::move(model), ignore_capacity);
    const std::scoped_lock lock(entry->guard);
    entry->renewals.erase({member->url, ignore_capacity});
    answer->done = true;
    if (!said)
        answer->result = said.error();
    else if (!said->info || said->info->transcoder != member->url)
        answer->result = failure(
            errc::protocol_violation, fmt::format("{} says it is another one now", member->url)
        );
    else if (member->info->token && !said->info->token)
        answer->result = failure(errc::protocol_violation, "its new answer has no auth_token");
    else {
        entry->members.renew(*member, said->info);
        answer->result = said->info;
    }
    for (const auto& one : answer->waiters)
        waiter::wake(one);
    answer->waiters.clear();
}

awaitable<outcome<info_ptr>> manager::impl::renew(
    std::shared_ptr<pool_entry> entry, member_ptr member, bool ignore_capacity, duration limit
) {
    auto on = std::make_shared<waiter>(co_await asio::this_coro::executor);
    std::shared_ptr<renewal> answer;
    {
        const std::scoped_lock lock(entry->guard);
        answer = start_renewal(entry, member, ignore_capacity);
        answer->waiters.push_back(on);
    }
    co_await on->wait(std::min<duration>(limit, renewal_limit));
    const std::scoped_lock lock(entry->guard);
    if (answer->done)
        co_return answer->result;
    std::erase(answer->waiters, on);
    co_return failure(errc::timed_out, fmt::format("{} did not answer in time", member->url));
}

// --- the manager

manager::manager(
    asio::any_io_executor executor,
    std::shared_ptr<discovery> discovery,
    std::shared_ptr<price_caps> caps,
    manager_options options,
    observe::metrics& metrics,
    logger log
)
    : impl_(std::make_shared<impl>(
          std::move(executor),
          std::move(discovery),
          std::move(caps),
          std::move(options),
          metrics,
          std::move(log)
      )) {
    impl_->spawn("keep", [weak = impl_->weak_from_this()] {
        auto self = weak.lock();
        return self->keep(self);
    });
}

manager::~manager() {
    stop();
}

selection manager::begin(job_need need, duration budget, std::vector<std::string> avoid) {
    const auto now = impl_->ground->now();
    if (need.model.empty())
        need.model = default_model(need.id);
    std::shared_ptr<pool_entry> pool;
    if (model_problem(need.model).empty())
        pool = impl_->pool_for(need.id, need.model);
    if (pool) {
        pool->requested.add();
        const std::scoped_lock lock(pool->guard);
        pool->used = now;
        impl_->refresh_if_due(pool, now, false);
    }
    return selection(std::make_unique<selection::state>(
        impl_, std::move(pool), std::move(need), std::move(avoid), retry_fsm(budget, now)
    ));
}

std::optional<std::string> manager::standby(const job_need& need, const std::string& current) {
    const auto model = need.model.empty() ? std::string(default_model(need.id)) : need.model;
    if (!model_problem(model).empty())
        return std::nullopt;
    const auto pool = impl_->pool_for(need.id, model);
    if (!pool)
        return std::nullopt;
    const auto now = impl_->ground->now();
    const auto terms = impl_->terms_of(need, {}, {current});
    const std::scoped_lock lock(pool->guard);
    pool->used = now;
    impl_->refresh_if_due(pool, now, pool->members.left(terms) == 0);
    const auto member = pool->members.favourite(terms, now);
    if (!member)
        return std::nullopt;
    pool->standbys[current] = member->url;
    if (needs_refresh(*member->info, impl_->ground->unix_now()))
        impl_->start_renewal(pool, member, false);
    return member->url;
}

awaitable<outcome<info_ptr>> manager::refresh(const attempt& of, bool ignore_capacity) {
    return impl_->renew(of.state_->pool, of.state_->member, ignore_capacity, renewal_limit);
}

bool manager::needs_refresh(const orchestrator_info& info, std::int64_t unix_now) {
    return info.token && unix_now > info.token->expiration - token_margin;
}

void manager::replace_info(const attempt& of, info_ptr info) {
    if (!info)
        return;
    const std::scoped_lock lock(of.state_->pool->guard);
    of.state_->pool->members.renew(*of.state_->member, std::move(info));
}

price_caps& manager::caps() {
    return *impl_->caps;
}

std::string
manager::price_refusal(const job_need& need, const std::optional<price>& offered) const {
    // Who is chosen above the cap because nobody else is there is paid, too.
    if (!impl_->caps || impl_->ground->options.ignore_max_price_if_needed)
        return {};
    return impl_->caps->refusal(need.id, need.model, offered);
}

void manager::stop() {
    {
        const std::scoped_lock lock(impl_->guard);
        if (impl_->stopped)
            return;
        impl_->stopped = true;
        impl_->queue.clear();
    }
    asio::post(impl_->executor, [self = impl_] { self->tasks.close(); });
    // Who waits for discovery waits in vain.
    for (const auto& entry : impl_->all_pools()) {
        const std::scoped_lock lock(entry->guard);
        entry->wake_all();
    }
}

} // namespace rivulet::session
