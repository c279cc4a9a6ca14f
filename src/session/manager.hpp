// The session manager: which orchestrator takes a request, and what is learnt from how it went.
// Live jobs, batch requests and containers all choose here. A pool per capability and model is
// filled in the background by discovery; choosing takes what is known at once and waits only while
// nobody is. The rule of choice is written down in docs/orchestrators.md.
// Thread: any shard. A pool's lock is held for one choice; pools never block one another.
// Owns: the pools, suspensions, histories. Bounded: the least used pools go first.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "observe/metrics.hpp"
#include "session/discovery.hpp"
#include "session/fault.hpp"
#include "session/manager_options.hpp"
#include "session/price_caps.hpp"
#include "session/retry_fsm.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::session {

// What a request needs.
struct job_need {
    capability_id id = capability::live_video_to_video;
    std::string model;
    std::string filter; // a part that the orchestrator's URL must contain; may be empty

    job_need() {}

    job_need(capability_id c, std::string m, std::string f = {})
        : id(c), model(std::move(m)), filter(std::move(f)) {}
};

// One orchestrator chosen for one try. While it lives, the orchestrator counts as busy with it: a
// live job keeps it until the job is over. Say how it went; one that goes without a word was
// released: nothing is learnt from it (the client left, or somebody else was faster).
// Thread: any one at a time. Outlives the manager safely.
class attempt {
  public:
    attempt() noexcept; // nobody: only to be assigned to
    attempt(attempt&&) noexcept;
    attempt& operator=(attempt&&) noexcept;
    ~attempt();

    const std::string& url() const; // base of every HTTP call, no final slash
    // Newest answer to discovery; refresh() of the manager replaces it.
    info_ptr info() const;
    const job_need& need() const;
    bool warm() const;

    // The try worked. `score`: seconds, normalised by the pipeline (spec 9); for live the seconds
    // to the job's answer. The orchestrator stays busy until the attempt goes.
    void succeeded(std::optional<double> score);
    // The try failed, or a running job did. What follows is fault.hpp's remedy_for().
    void failed(const fault& why);

    struct state;
    explicit attempt(std::unique_ptr<state> s);

  private:
    friend class manager;
    friend class selection;
    std::unique_ptr<state> state_;
};

// All tries of one request, within one budget.
// Thread: one at a time, on the executor whose coroutine calls it.
class selection {
  public:
    selection(selection&&) noexcept;
    selection& operator=(selection&&) noexcept;
    ~selection();

    // Whom to try now. Waits for discovery only while nobody is known. Fails with no_capacity
    // (nobody is left: reasons() say why), timed_out (the budget is over), invalid_argument (an
    // orchestrator called the request bad).
    awaitable<outcome<attempt>> next();
    // How long this try may take: a fair share of what is left.
    duration try_limit(time_point now) const;
    // Somebody else in good standing could be tried after this one.
    bool has_others(time_point now) const;
    // Ends `which` with its fault; the next next() follows the remedy.
    void failed(attempt which, const fault& why);

    const std::vector<tried>& reasons() const;
    // For people, in one line.
    std::string summary() const;
    // {"error":{"message":…,"code":…,"tried":[{"orchestrator","kind","status","text"}]}}
    boost::json::object to_json() const;
    // When trying again may help.
    duration retry_after() const;

    struct state;
    explicit selection(std::unique_ptr<state> s);

  private:
    std::unique_ptr<state> state_;
};

class manager {
  public:
    // `metrics` outlives the manager.
    manager(
        asio::any_io_executor executor,
        std::shared_ptr<discovery> discovery,
        std::shared_ptr<price_caps> caps,
        manager_options options,
        observe::metrics& metrics,
        logger log
    );
    ~manager();

    // `avoid`: URLs not to take unless nobody else is there (the one that just failed).
    selection begin(job_need need, duration budget, std::vector<std::string> avoid = {});

    // Who would be chosen if `current` failed now; keeps its token fresh, so that a start needs no
    // question first. Nothing when nobody else is known.
    std::optional<std::string> standby(const job_need& need, const std::string& current);

    // Renews what the orchestrator said (token, ticket parameters): spec 5.7. The attempt's info()
    // is the new one afterwards.
    awaitable<outcome<info_ptr>> refresh(const attempt& of, bool ignore_capacity);
    // True when the token has less than 180 s left at `unix_now`.
    static bool needs_refresh(const orchestrator_info& info, std::int64_t unix_now);
    // Replaces what is known about the attempt's orchestrator (the answer to a payment).
    void replace_info(const attempt& of, info_ptr info);

    price_caps& caps();
    // Empty when `offered` may be paid for `need`, else why not, for people.
    std::string price_refusal(const job_need& need, const std::optional<price>& offered) const;

    // Bodies of the private API.
    boost::json::object pools_info() const; // /getAISessionPoolsInfo
    boost::json::object network_capabilities() const;
    boost::json::array orchestrators() const; // of /status: url, score, latency

    void stop();

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::session
