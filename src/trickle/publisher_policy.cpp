#include "trickle/publisher_policy.hpp"

namespace rivulet::trickle {

segment_policy_fsm::verdict segment_policy_fsm::begun(std::int64_t id, time_point now) {
    if (flying_.size() >= max_in_flight)
        return {step::slow};
    flying_.emplace(id, now);
    newest_ = id;
    last_input_ = now;
    return {step::send};
}

segment_policy_fsm::verdict segment_policy_fsm::attempt_failed(
    std::int64_t id, error_code why, std::uint64_t sent, time_point now
) {
    if (why == errc::not_found || why == errc::end_of_stream)
        return {step::gone};
    // Repeating bytes would corrupt the segment for those who read it, and a segment that the
    // server closed swallows whatever is written to it.
    if (sent > 0 || why == errc::closed || replaced(id))
        return {step::drop};
    return {step::wait, now + retry_pause};
}

segment_policy_fsm::verdict segment_policy_fsm::retry_due(std::int64_t id, time_point now) {
    if (replaced(id))
        return {step::drop};
    last_input_ = now;
    return {step::send};
}

void segment_policy_fsm::ended(std::int64_t id) {
    flying_.erase(id);
}

} // namespace rivulet::trickle
