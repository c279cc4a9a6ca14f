#include "session/suspension.hpp"

#include <algorithm>

namespace rivulet::session {
namespace {

// An answer that says "it failed" may be the request's doing; these can't.
bool beyond_doubt(fault_kind kind) {
    switch (kind) {
    case fault_kind::unreachable:
    case fault_kind::timed_out:
    case fault_kind::protocol:
    case fault_kind::slow:
    case fault_kind::stalled:
        return true;
    default:
        return false;
    }
}

} // namespace

suspension_fsm::state suspension_fsm::now_is(time_point now) const {
    if (!suspended_)
        return state::open;
    if (now < until_)
        return state::shut;
    return trial_ ? state::trial_taken : state::trial_due;
}

void suspension_fsm::taken(time_point now) {
    if (now_is(now) != state::trial_due)
        return;
    trial_ = true;
    trial_began_ = now;
}

void suspension_fsm::released(time_point began) {
    if (trial_ && began >= trial_began_)
        trial_ = false;
}

void suspension_fsm::worked(time_point began) {
    trusted_ = true;
    // What began before it was shut out proves nothing about now.
    if (suspended_ && began < since_)
        return;
    suspended_ = trial_ = false;
    in_a_row_ = 0;
    length_ = {};
}

bool suspension_fsm::failed(
    fault_kind kind, time_point began, time_point now, const suspension_limits& limits
) {
    if (suspended_ && began < since_)
        return false;
    // Somebody tried it although it was shut out, because nobody else was there.
    if (suspended_ && now < until_)
        return false;
    ++in_a_row_;
    if (!suspended_ && trusted_ && !beyond_doubt(kind) && in_a_row_ < faults_in_a_row)
        return false;
    length_ = length_ == duration{} ? limits.first : std::min(length_ * 2, limits.last);
    suspended_ = true;
    trial_ = false;
    since_ = now;
    until_ = now + length_;
    return true;
}

} // namespace rivulet::session
