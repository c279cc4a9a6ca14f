#include "session/gather_fsm.hpp"

#include <algorithm>

namespace rivulet::session {

gather_fsm::gather_fsm(gather_rules rules, std::vector<candidate> candidates, time_point now)
    : rules_(rules), started_(now) {
    for (const auto& one : candidates)
        if (one.score >= 0 && seen_.insert(one.address).second)
            waiting_.push_back({one.address, one.score, true, one.address});
}

std::vector<gather_fsm::question> gather_fsm::take_questions(time_point now) {
    std::vector<question> out;
    if (now >= until())
        return out;
    while (!waiting_.empty() && under_way_ < rules_.at_once) {
        out.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
        ++under_way_;
        ++asked_;
    }
    return out;
}

void gather_fsm::answered(
    const question& asked, const std::string& transcoder, const std::vector<std::string>& nodes
) {
    under_way_ -= std::min<std::size_t>(under_way_, 1);
    if (!transcoder.empty())
        accepted_.insert(transcoder);
    if (!asked.configured)
        return;
    // Only the first entries count: one that is known already is not replaced by a later one.
    for (std::size_t i = 0; i < std::min(nodes.size(), rules_.extra_nodes); ++i)
        if (!nodes[i].empty() && seen_.insert(nodes[i]).second)
            waiting_.push_back({nodes[i], asked.score, false, asked.listed_as});
}

void gather_fsm::failed(const question&) {
    under_way_ -= std::min<std::size_t>(under_way_, 1);
}

bool gather_fsm::enough(time_point now) const {
    if (over(now))
        return true;
    if (accepted_.empty())
        return false;
    if (rules_.wanted > 0 && accepted_.size() >= rules_.wanted)
        return true;
    return now >= started_ + rules_.first_tick;
}

bool gather_fsm::over(time_point now) const {
    return (under_way_ == 0 && waiting_.empty()) || now >= until();
}

time_point gather_fsm::next_look(time_point now) const {
    const auto tick = started_ + rules_.first_tick;
    return now < tick ? std::min(tick, until()) : until();
}

} // namespace rivulet::session
