#include "session/pool.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace rivulet::session {
namespace {

constexpr double fault_weight = 0.3; // of the newest request in the decaying share of faults

bool says_who(const std::string& address) {
    return std::ranges::any_of(address, [](char c) { return c != '\0'; });
}

bool somebody_else(const orchestrator_info& a, const orchestrator_info& b) {
    return says_who(a.address) && says_who(b.address) && a.address != b.address;
}

double seconds(duration d) {
    return std::chrono::duration<double>(d).count();
}

} // namespace

int pool_member::slots() const {
    // Says nothing about room: one at a time, as far as the order goes.
    if (capacity == 0 && in_use == 0)
        return std::max(1, in_flight_when_it_said);
    const auto free = static_cast<int>(std::min<std::uint32_t>(capacity, 1'000'000));
    return free + in_flight_when_it_said;
}

pool::admission pool::add(const found& what, time_point now) {
    admission out;
    const auto* offer =
        what.info && what.info->capabilities ? what.info->capabilities->find(id_, model_) : nullptr;
    if (!offer || what.info->transcoder.empty()) {
        out.why = "it does not offer the model";
        return out;
    }
    const auto& url = what.info->transcoder;
    auto member = find(url);
    if (member && member->dialled != what.dialled) {
        // Somebody else speaks for it. Its own word counts more than another's, and who came first
        // more than who came later: so nobody takes over what another one serves.
        const bool own_word = what.dialled == url;
        const bool stranger = somebody_else(*member->info, *what.info);
        if (!own_word) {
            out.suspicious = stranger;
            out.why = fmt::format("{} is known through {} already", url, member->dialled);
            return out;
        }
        out.suspicious = stranger;
        if (stranger) {
            out.why = fmt::format("{} was another's claim ({})", url, member->dialled);
            std::erase(members_, member);
            member.reset();
        }
    }
    if (!member) {
        if (members_.size() >= most_members) {
            out.why = "too many orchestrators";
            return out;
        }
        member = returning(what, now);
        if (!member)
            member = std::make_shared<pool_member>();
        member->url = url;
        members_.push_back(member);
        out.fresh = true;
    }
    member->dialled = what.dialled;
    member->listed_as = what.listed_as;
    member->score = what.score;
    member->discovery = what.latency;
    member->seen = now;
    renew(*member, what.info);
    out.member = std::move(member);
    return out;
}

void pool::renew(pool_member& member, info_ptr info) {
    member.info = std::move(info);
    member.asks = price::of(offered_price(*member.info, id_, model_));
    // The answer to a payment or a renewed token may come without the table.
    const auto* offer =
        member.info->capabilities ? member.info->capabilities->find(id_, model_) : nullptr;
    if (!offer)
        return;
    member.warm = offer->warm;
    member.capacity = offer->capacity;
    member.in_use = offer->capacity_in_use;
    member.in_flight_when_it_said = member.in_flight;
}

void pool::sweep(time_point began, time_point now) {
    const auto keep =
        id_ == capability::live_video_to_video ? duration::zero() : 6 * options_.batch_refresh;
    std::erase_if(members_, [&](const member_ptr& one) {
        return one->seen < began && now - one->seen >= keep;
    });
}

void pool::keep_only(const std::set<std::string>& listed, time_point now) {
    std::erase_if(members_, [&](const member_ptr& one) {
        if (one->listed_as.empty() || listed.contains(one->listed_as))
            return false;
        one->left = now;
        gone_.push_back(one);
        return true;
    });
    forget(now);
}

void pool::forget(time_point now) {
    std::erase_if(gone_, [&](const member_ptr& one) {
        return one->in_flight == 0 && now - one->left >= options_.suspension_last &&
               one->suspension.now_is(now) != suspension_fsm::state::shut;
    });
    if (gone_.size() > most_members)
        gone_.erase(gone_.begin(), gone_.end() - static_cast<std::ptrdiff_t>(most_members));
}

member_ptr pool::returning(const found& what, time_point now) {
    forget(now);
    const auto at = std::ranges::find(
        gone_, what.info->transcoder, [](const member_ptr& one) -> const auto& { return one->url; }
    );
    if (at == gone_.end())
        return nullptr;
    auto out = *at;
    gone_.erase(at);
    if (out->dialled != what.dialled && somebody_else(*out->info, *what.info))
        return nullptr;
    return out;
}

enum rank
pool::rank_of(const pool_member& member, const choice_terms& terms, time_point now) const {
    const auto state = member.suspension.now_is(now);
    const bool avoided = std::ranges::find(terms.avoid, member.url) != terms.avoid.end();
    if (state == suspension_fsm::state::shut || state == suspension_fsm::state::trial_taken)
        return avoided ? rank::last : rank::suspended;
    if (avoided)
        return rank::avoided;
    if (now < member.resting_until || member.in_flight >= member.slots())
        return rank::full;
    return member.warm ? rank::warm : rank::cold;
}

bool pool::over_cap(const pool_member& member, const choice_terms& terms) const {
    return terms.cap && member.asks && compare(*member.asks, *terms.cap) > 0;
}

std::vector<std::size_t> pool::eligible(const choice_terms& terms) const {
    std::vector<std::size_t> within, beyond;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const auto& one = *members_[i];
        if (one.url.find(terms.filter) == std::string::npos || terms.excluded.contains(one.url))
            continue;
        (over_cap(one, terms) ? beyond : within).push_back(i);
    }
    if (within.empty() && terms.ignore_cap_if_needed)
        return beyond;
    return within;
}

std::vector<standing> pool::standings(
    const std::vector<std::size_t>& who, const choice_terms& terms, time_point now
) const {
    std::vector<standing> out;
    out.reserve(who.size());
    for (const auto i : who) {
        const auto& one = *members_[i];
        standing s;
        s.rank = rank_of(one, terms, now);
        s.latency = one.latency;
        s.discovery = seconds(one.discovery);
        s.faults = one.faults;
        s.in_flight = one.in_flight;
        s.slots = one.slots();
        s.probed = one.probed;
        out.push_back(s);
    }
    return out;
}

member_ptr pool::choose(const choice_terms& terms, time_point now, double random) {
    const auto who = eligible(terms);
    if (who.empty())
        return nullptr;
    const auto weights = shares(standings(who, terms, now), options_.exploration);
    return members_[who[pick(weights, random)]];
}

member_ptr pool::favourite(const choice_terms& terms, time_point now) const {
    const auto who = eligible(terms);
    if (who.empty())
        return nullptr;
    const auto weights = shares(standings(who, terms, now), 0);
    const auto best = std::ranges::max_element(weights) - weights.begin();
    return members_[who[static_cast<std::size_t>(best)]];
}

bool pool::has_room(const choice_terms& terms, time_point now, bool warm_only) const {
    const auto who = eligible(terms);
    return std::ranges::any_of(who, [&](std::size_t i) {
        return rank_of(*members_[i], terms, now) <= (warm_only ? rank::warm : rank::cold);
    });
}

bool pool::has_room(const pool_member& member, const choice_terms& terms, time_point now) const {
    return member.url.find(terms.filter) != std::string::npos &&
           !terms.excluded.contains(member.url) && !over_cap(member, terms) &&
           rank_of(member, terms, now) <= rank::cold;
}

std::size_t pool::left(const choice_terms& terms) const {
    return eligible(terms).size();
}

std::string pool::nobody(const choice_terms& terms) const {
    if (members_.empty())
        return "none is known that offers the model";
    std::size_t filtered = 0, dear = 0;
    for (const auto& one : members_) {
        if (one->url.find(terms.filter) == std::string::npos)
            ++filtered;
        else if (over_cap(*one, terms))
            ++dear;
    }
    if (filtered == members_.size())
        return fmt::format("none of {} matches '{}'", members_.size(), terms.filter);
    if (dear > 0)
        return fmt::format(
            "{} of {} ask for more than the cap of {}",
            dear,
            members_.size(),
            terms.cap ? to_string(*terms.cap) : std::string()
        );
    return {};
}

std::map<std::string, double> pool::distribution(const choice_terms& terms, time_point now) const {
    const auto who = eligible(terms);
    const auto weights = shares(standings(who, terms, now), options_.exploration);
    std::map<std::string, double> out;
    for (std::size_t i = 0; i < who.size(); ++i)
        out[members_[who[i]]->url] = weights[i];
    return out;
}

void pool::taken(pool_member& member, time_point now) {
    ++member.in_flight;
    ++in_flight_;
    member.suspension.taken(now);
}

void pool::released(pool_member& member, time_point began, bool served) {
    --member.in_flight;
    --in_flight_;
    member.suspension.released(began);
    if (served)
        member.resting_until = {}; // the room that it had for this one is free again
}

void pool::worked(
    pool_member& member, time_point began, std::optional<double> score, time_point now
) {
    member.suspension.worked(began);
    member.faults *= 1 - fault_weight;
    // 0 is no measurement: nothing was billed.
    if (!score || !std::isfinite(*score) || *score <= 0)
        return;
    const auto weight = member.latency ? options_.latency_weight : 1.0;
    member.latency = member.latency.value_or(0) * (1 - weight) + *score * weight;
    member.probed = now;
}

bool pool::failed(
    pool_member& member, const fault& why, remedy then, time_point began, time_point now
) {
    if (then == remedy::set_aside)
        member.resting_until = now + rest;
    if (then != remedy::suspend)
        return false;
    member.faults = member.faults * (1 - fault_weight) + fault_weight;
    member.probed = now;
    suspension_limits limits;
    limits.first = options_.suspension_first;
    limits.last = options_.suspension_last;
    return member.suspension.failed(why.kind, began, now, limits);
}

std::optional<time_point> pool::next_return(time_point now) const {
    std::optional<time_point> out;
    for (const auto& one : members_) {
        auto at = one->resting_until;
        if (one->suspension.now_is(now) == suspension_fsm::state::shut)
            at = std::max(at, one->suspension.until());
        if (at > now && (!out || at < *out))
            out = at;
    }
    return out;
}

member_ptr pool::find(const std::string& url) const {
    const auto at = std::ranges::find(
        members_, url, [](const member_ptr& one) -> const auto& { return one->url; }
    );
    return at == members_.end() ? nullptr : *at;
}

} // namespace rivulet::session
