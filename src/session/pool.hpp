// Everybody known for one capability and model: what they offer, how they did, who is out, and the
// choice among them. Bounded. Pure: the manager adds the lock, the clock and the questions.
#pragma once

#include "session/manager_options.hpp"
#include "session/orchestrator_info.hpp"
#include "session/price_caps.hpp"
#include "session/selection_rule.hpp"
#include "session/suspension.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace rivulet::session {

// One orchestrator as this pool knows it. Kept alive by the attempts that use it.
struct pool_member {
    std::string url;       // its transcoder: its name here, and the base of every call
    std::string dialled;   // who vouched for it: only that address may change what we know
    std::string listed_as; // the candidate that it is, or whose sibling
    info_ptr info;
    std::optional<price> asks;
    double score = 1; // of its source
    bool warm = false;
    std::uint32_t capacity = 0, in_use = 0; // as it said last
    duration discovery{};
    time_point seen{}; // by discovery
    time_point left{}; // the pool

    int in_flight = 0;
    int in_flight_when_it_said = 0;
    time_point resting_until{}; // it was full, or refused for no fault of its own
    suspension_fsm suspension;
    std::optional<double> latency;
    std::optional<time_point> probed;
    double faults = 0;

    // How many of our requests it can take, as far as we know.
    int slots() const;
};

using member_ptr = std::shared_ptr<pool_member>;

// What discovery found. `dialled` answered; `info->transcoder` may be another address.
struct found {
    info_ptr info;
    std::string dialled;
    std::string listed_as;
    duration latency{};
    double score = 1;
};

// What a request asks of a choice.
struct choice_terms {
    std::string filter;             // a part of the URL
    std::vector<std::string> avoid; // only when nobody else is there
    std::optional<price> cap;
    bool ignore_cap_if_needed = false;
    std::set<std::string> excluded; // tried already

    choice_terms() {}
};

class pool {
  public:
    static constexpr std::size_t most_members = 1'000;
    static constexpr auto rest = std::chrono::seconds(3); // of one that was full

    pool(capability_id id, std::string model, const manager_options& options)
        : id_(id), model_(std::move(model)), options_(options) {}

    // --- what is known
    // Who it concerns; null when it can't be used, `why` says why (and `suspicious` when somebody
    // speaks for an orchestrator that another one vouched for).
    struct admission {
        member_ptr member;
        bool fresh = false;
        bool suspicious = false;
        std::string why;
    };

    admission add(const found& what, time_point now);
    // A newer answer of that very orchestrator.
    void renew(pool_member& member, info_ptr info);
    // Discovery has heard everybody it would since `began`: who wasn't heard goes (live jobs) or
    // goes after an hour (batch).
    void sweep(time_point began, time_point now);
    // Only these are candidates now: whoever came from another one goes. What is known of them
    // stays for as long as a suspension can last: who comes back is no newcomer.
    void keep_only(const std::set<std::string>& listed, time_point now);

    // --- the choice
    // Null when nobody is left.
    member_ptr choose(const choice_terms& terms, time_point now, double random);
    // The one with the largest share; null when nobody is left.
    member_ptr favourite(const choice_terms& terms, time_point now) const;
    // Somebody may be taken without falling back on the full, avoided or suspended.
    bool has_room(const choice_terms& terms, time_point now, bool warm_only) const;
    bool has_room(const pool_member& member, const choice_terms& terms, time_point now) const;
    // How many may be taken at all.
    std::size_t left(const choice_terms& terms) const;
    // Why nobody is, for people; empty when all were tried.
    std::string nobody(const choice_terms& terms) const;
    // Each eligible one's share now, for tests and measurements.
    std::map<std::string, double> distribution(const choice_terms& terms, time_point now) const;

    // --- what is learnt
    void taken(pool_member& member, time_point now);
    // `served`: it had taken the request.
    void released(pool_member& member, time_point began, bool served);
    void worked(pool_member& member, time_point began, std::optional<double> score, time_point now);
    // True when it is suspended by this.
    bool
    failed(pool_member& member, const fault& why, remedy then, time_point began, time_point now);

    // When somebody comes back from suspension or rest.
    std::optional<time_point> next_return(time_point now) const;

    const std::vector<member_ptr>& members() const { return members_; }

    // Attempts under way, also of members that have left.
    int in_flight() const { return in_flight_; }

    member_ptr find(const std::string& url) const;

    capability_id id() const { return id_; }

    const std::string& model() const { return model_; }

  private:
    enum rank rank_of(const pool_member& member, const choice_terms& terms, time_point now) const;
    // Who may be taken, with their standings.
    std::vector<std::size_t> eligible(const choice_terms& terms) const;
    std::vector<standing>
    standings(const std::vector<std::size_t>& who, const choice_terms& terms, time_point now) const;
    bool over_cap(const pool_member& member, const choice_terms& terms) const;
    // Who was here under that name, known to be the same one.
    member_ptr returning(const found& what, time_point now);
    void forget(time_point now);

    capability_id id_;
    std::string model_;
    manager_options options_;
    std::vector<member_ptr> members_;
    std::vector<member_ptr> gone_; // from the list, the last one at the end; no more than members
    int in_flight_ = 0;
};

} // namespace rivulet::session
