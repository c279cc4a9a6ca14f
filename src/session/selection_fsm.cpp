#include "session/selection_fsm.hpp"

#include <fmt/core.h>

namespace rivulet::session {

selection_fsm::selection_fsm(
    const std::vector<std::string>& candidates,
    std::string_view filter,
    duration budget,
    time_point now
)
    : offered_(candidates.size()), filter_(filter), budget_(budget), started_(now) {
    for (const auto& candidate : candidates)
        if (candidate.find(filter) != std::string::npos)
            left_.push_back(candidate);
}

std::optional<std::string> selection_fsm::next(time_point now) {
    if (left_.empty() || bad_request_ || tries_ >= max_tries)
        return std::nullopt;
    if (tries_ > 0 && now - started_ >= budget_) {
        out_of_time_ = true;
        return std::nullopt;
    }
    ++tries_;
    ++tries_of_front_;
    return left_.front();
}

void selection_fsm::refused(std::string_view text) {
    if (left_.empty())
        return;
    answers_.push_back({left_.front(), std::string(text.substr(0, 300))});
    switch (classify_refusal(text)) {
    case refusal::try_again:
        if (tries_of_front_ < tries_per_expired_ticket)
            return;
        break;
    case refusal::give_up:
        bad_request_ = true;
        break;
    case refusal::try_another:
        break;
    }
    left_.erase(left_.begin());
    tries_of_front_ = 0;
}

std::string selection_fsm::end_reason() const {
    std::string reason = "no orchestrators available";
    if (out_of_time_)
        reason += fmt::format(
            " within {} ms", std::chrono::duration_cast<std::chrono::milliseconds>(budget_).count()
        );
    if (offered_ == 0)
        return reason + ": none is configured";
    if (answers_.empty())
        return reason + fmt::format(": none of {} matches '{}'", offered_, filter_);
    for (std::size_t i = 0; i < answers_.size(); ++i)
        reason += fmt::format(
            "{}{}: {}", i == 0 ? ": " : "; ", answers_[i].orchestrator, answers_[i].text
        );
    return reason;
}

} // namespace rivulet::session
