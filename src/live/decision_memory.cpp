#include "live/decision_memory.hpp"

namespace rivulet::live {

std::optional<outcome<void>>
decision_memory::find(const std::string& question, time_point now) const {
    const auto it = decisions_.find(question);
    if (it == decisions_.end() || it->second.until <= now)
        return std::nullopt;
    return it->second.decision;
}

void decision_memory::keep(
    const std::string& question, const outcome<void>& decision, time_point now
) {
    if (!decision && decision.error().code != errc::unauthorized)
        return;
    if (decisions_.size() >= most_ && !decisions_.contains(question)) {
        std::erase_if(decisions_, [now](const auto& kept) { return kept.second.until <= now; });
        // Asking again costs less than keeping track of who asked last.
        if (decisions_.size() >= most_)
            decisions_.clear();
    }
    decisions_.insert_or_assign(question, entry{decision, now + (decision ? yes_ : no_)});
}

} // namespace rivulet::live
