#include "session_fsm.hpp"

#include <algorithm>

namespace rivulet::element {

using kind = session_action::kind;

bool is_hopeless(int status) {
    switch (status) {
    case 408: // it was too slow this time
    case 425:
    case 429:
        return false;
    default:
        // A redirection is an address to correct, and nobody should send a token after it.
        return status >= 200 && status < 500;
    }
}

duration session_fsm::next_pause(double chance) {
    duration pause = first_retry_;
    for (unsigned i = 0; i < failures_ && pause < last_retry_; ++i)
        pause *= 2;
    ++failures_;
    pause = std::min(pause, last_retry_);
    return pause - std::chrono::duration_cast<duration>(pause * (0.2 * chance));
}

session_actions session_fsm::start() {
    if (phase_ != phase::idle)
        return {};
    phase_ = phase::opening;
    return {{kind::open}};
}

session_actions session_fsm::opened(time_point now) {
    if (phase_ != phase::opening)
        return {};
    phase_ = phase::live;
    opened_at_ = now;
    session_actions out{{kind::tell_connected}};
    if (finishing_)
        out.push_back({kind::end_input});
    return out;
}

session_actions session_fsm::open_failed(const door_failure& why, time_point now, double chance) {
    if (phase_ != phase::opening)
        return {};
    if (why.hopeless) {
        auto out = end(kind::tell_refused);
        out.back().status = why.status;
        out.back().reason = why.reason;
        return out;
    }
    auto pause = next_pause(chance);
    if (why.retry_after)
        pause = std::max(pause, std::min(*why.retry_after, last_retry_));
    return rest(why.reason, pause, now);
}

session_actions session_fsm::lost(
    const std::string& reason, time_point now, double chance, bool idle, bool replaced
) {
    if (phase_ != phase::live)
        return {};
    // What was on its way is gone, and nothing new would come.
    if (finishing_)
        return end(kind::tell_drained);
    awaits_input_ = idle;
    if (replaced) {
        next_pause(chance); // a failure, however long the connection was
        const auto more = std::chrono::duration_cast<duration>(last_retry_ * (0.2 * chance));
        return rest(reason, last_retry_ + more, now);
    }
    if (now - opened_at_ >= steady)
        failures_ = 0;
    return rest(reason, next_pause(chance), now);
}

session_actions session_fsm::input(time_point now) {
    awaits_input_ = false;
    return tick(now);
}

session_actions session_fsm::rest(const std::string& reason, duration pause, time_point now) {
    phase_ = phase::resting;
    retry_at_ = now + pause;
    session_actions out{{kind::close}, {kind::tell_lost}};
    out.back().reason = reason;
    out.back().retry = pause;
    return out;
}

session_actions session_fsm::refuse(const std::string& reason) {
    if (phase_ == phase::over)
        return {};
    auto out = end(kind::tell_refused);
    out.back().reason = reason;
    return out;
}

session_actions session_fsm::end(session_action::kind last) {
    phase_ = phase::over;
    awaits_input_ = false;
    retry_at_ = finish_at_ = time_point::max();
    return {{kind::close}, {last}};
}

session_actions session_fsm::finish(time_point until) {
    if (finishing_ || phase_ == phase::over)
        return {};
    finishing_ = true;
    finish_at_ = until;
    if (phase_ == phase::live)
        return {{kind::end_input}};
    // Nothing is queued and nothing will be.
    if (awaits_input_)
        return end(kind::tell_drained);
    return {};
}

session_actions session_fsm::drained() {
    if (!finishing_ || phase_ == phase::over)
        return {};
    return end(kind::tell_drained);
}

session_actions session_fsm::tick(time_point now) {
    if (phase_ == phase::over)
        return {};
    if (now >= finish_at_)
        return end(kind::tell_drained);
    if (phase_ == phase::resting && !awaits_input_ && now >= retry_at_) {
        phase_ = phase::opening;
        retry_at_ = time_point::max();
        return {{kind::open}};
    }
    return {};
}

time_point session_fsm::due() const {
    return awaits_input_ ? finish_at_ : std::min(retry_at_, finish_at_);
}

} // namespace rivulet::element
