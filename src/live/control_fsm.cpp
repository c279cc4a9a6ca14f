#include "live/control_fsm.hpp"

#include <algorithm>
#include <utility>

namespace rivulet::live {

control_fsm::control_fsm(std::optional<bytes> cached, time_point now, duration keepalive_every)
    : keepalive_every_(keepalive_every), next_keepalive_(now + keepalive_every) {
    if (cached) {
        update(std::move(*cached));
        first_ = true;
    }
}

void control_fsm::update(bytes body) {
    queue_bytes_ += body.size();
    queue_.push_back(std::move(body));
    // The front stays while it is being written.
    const std::size_t keep = in_trial_ ? 1 : 0;
    while (queue_.size() > keep + 1 &&
           (queue_.size() > queued_updates || queue_bytes_ > queued_bytes)) {
        const auto oldest = queue_.begin() + static_cast<std::ptrdiff_t>(keep);
        queue_bytes_ -= oldest->size();
        queue_.erase(oldest);
    }
}

control_fsm::step control_fsm::next(time_point now) {
    if (state_ == state::gone)
        return {step::kind::gone, {}, {}};
    if (state_ == state::undelivered)
        return {step::kind::undelivered, {}, {}};
    if (!queue_.empty() && now >= not_before_) {
        in_trial_ = true;
        sending_keepalive_ = false;
        return {step::kind::send, queue_.front(), {}};
    }
    if (now >= next_keepalive_) {
        sending_keepalive_ = true;
        next_keepalive_ = now + keepalive_every_;
        return {step::kind::send, bytes::copy_of(keepalive), {}};
    }
    auto until = next_keepalive_;
    if (!queue_.empty())
        until = std::min(until, not_before_);
    return {step::kind::wait, {}, until};
}

void control_fsm::sent(error_code result, time_point now) {
    if (result == errc::not_found || result == errc::end_of_stream) {
        state_ = state::gone;
        return;
    }
    if (std::exchange(sending_keepalive_, false))
        return; // a lost keepalive is nothing; the next one follows
    in_trial_ = false;
    if (!result) {
        queue_bytes_ -= queue_.front().size();
        queue_.pop_front();
        failures_ = 0;
        first_ = false;
        not_before_ = {};
        return;
    }
    ++failures_;
    not_before_ = now + attempt_pause;
    if (failures_ < attempts)
        return;
    if (first_) {
        state_ = state::undelivered;
        return;
    }
    // An update that three tries could not deliver is tried again with the next keepalive: the
    // orchestrator would go on with old parameters otherwise.
    failures_ = 0;
    not_before_ = next_keepalive_;
}

} // namespace rivulet::live
