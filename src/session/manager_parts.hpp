// What the manager, its selections and its attempts share. Part of the manager.
#pragma once

#include "base/log.hpp"
#include "base/task_group.hpp"
#include "session/manager.hpp"
#include "session/pool_entry.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace rivulet::session {

// Why no orchestrator can have a model of this name; empty when one may. Names come from clients
// and go into questions, labels and pages.
std::string model_problem(const std::string& model);

// Holds no executor, so that an attempt may outlive the manager and its threads.
struct manager_ground {
    manager_options options;
    logger log;
    std::map<fault_kind, observe::counter> faults, suspensions;

    time_point now() const;
    std::int64_t unix_now() const;
    double random() const;
};

struct attempt::state {
    std::shared_ptr<const manager_ground> ground;
    std::shared_ptr<pool_entry> pool;
    member_ptr member;
    job_need need;
    time_point began;
    bool served = false;

    state(
        std::shared_ptr<const manager_ground> g,
        std::shared_ptr<pool_entry> p,
        member_ptr m,
        job_need n,
        time_point b
    )
        : ground(std::move(g)), pool(std::move(p)), member(std::move(m)), need(std::move(n)),
          began(b) {}

    ~state();
    state(const state&) = delete;
    state& operator=(const state&) = delete;

    void failed(const fault& why, remedy then);
};

struct manager::impl : std::enable_shared_from_this<manager::impl> {
    impl(
        asio::any_io_executor e,
        std::shared_ptr<discovery> d,
        std::shared_ptr<price_caps> c,
        manager_options options,
        observe::metrics& metrics,
        logger log
    );

    using pool_key = std::pair<capability_id, std::string>;

    // Null when there are too many pools, all of them in use.
    std::shared_ptr<pool_entry> pool_for(capability_id id, const std::string& model);
    std::vector<std::shared_ptr<pool_entry>> all_pools() const;
    bool is_stopped() const;

    // Starts a gathering when one is due. The entry's lock is held.
    void refresh_if_due(const std::shared_ptr<pool_entry>& entry, time_point now, bool nobody);
    void spawn(std::string name, std::function<awaitable<void>()> task);
    void gather_next();
    // Tasks own what they touch: `self`.
    awaitable<void> gather(std::shared_ptr<impl> self, std::shared_ptr<pool_entry> entry);
    awaitable<void>
    sweep(std::shared_ptr<impl> self, std::shared_ptr<pool_entry> entry, time_point began);
    awaitable<void> keep(std::shared_ptr<impl> self);
    void heard(const std::shared_ptr<pool_entry>& entry, const discovered& what);

    // Asks one again; requests that want the same wait for one question.
    awaitable<outcome<info_ptr>> renew(
        std::shared_ptr<pool_entry> entry, member_ptr member, bool ignore_capacity, duration limit
    );
    std::shared_ptr<renewal>
    start_renewal(const std::shared_ptr<pool_entry>& entry, const member_ptr& member, bool ignore);
    awaitable<void>
    ask(std::shared_ptr<impl> self,
        std::shared_ptr<pool_entry> entry,
        member_ptr member,
        bool ignore_capacity,
        std::shared_ptr<renewal> answer);

    choice_terms
    terms_of(const job_need& need, std::vector<std::string> avoid, std::set<std::string> excluded);

    asio::any_io_executor executor;
    std::shared_ptr<discovery> network;
    std::shared_ptr<price_caps> caps;
    std::shared_ptr<manager_ground> ground;
    observe::metrics& metrics;
    task_group tasks; // on the executor only

    mutable std::mutex guard;
    std::map<pool_key, std::shared_ptr<pool_entry>> pools;
    std::deque<std::shared_ptr<pool_entry>> queue; // wait for their gathering
    std::size_t gathering = 0;
    bool stopped = false;
    std::set<std::string> warned; // of strangers, bounded
};

struct selection::state {
    std::shared_ptr<manager::impl> owner;
    std::shared_ptr<pool_entry> pool; // null: too many
    job_need need;
    std::vector<std::string> avoid;
    retry_fsm tries;
    member_ptr current;
    std::optional<int> waits_for; // the gathering that this request waits for, by its number
    std::string nobody;

    state(
        std::shared_ptr<manager::impl> o,
        std::shared_ptr<pool_entry> p,
        job_need n,
        std::vector<std::string> a,
        retry_fsm t
    )
        : owner(std::move(o)), pool(std::move(p)), need(std::move(n)), avoid(std::move(a)),
          tries(std::move(t)) {}

    // Who is next, by what is known; null with how long to wait for discovery, or null and zero.
    struct pick {
        member_ptr member;
        duration wait{};
        std::shared_ptr<waiter> on;
    };

    pick choose(asio::any_io_executor executor, time_point now, time_point& grace_until);
    attempt take(const member_ptr& member, time_point now);
};

} // namespace rivulet::session
