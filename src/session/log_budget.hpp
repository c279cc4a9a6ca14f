// How many log lines about one orchestrator are worth an operator's time: what it does, or what
// clients ask of it, must not fill the disk. Bounded, pure.
// Thread: one at a time.
#pragma once

#include "base/asio.hpp"

#include <cstddef>
#include <map>
#include <string>

namespace rivulet::session {

class log_budget {
  public:
    static constexpr int lines = 8; // about one subject in each …
    static constexpr duration window = std::chrono::minutes(10);
    static constexpr std::size_t most_subjects = 1'024; // those beyond share one budget

    enum class verdict { say, say_last, keep_quiet };

    verdict about(const std::string& subject, time_point now) {
        if (subjects_.size() >= most_subjects && !subjects_.contains(subject))
            std::erase_if(subjects_, [now](const auto& one) { return now >= one.second.until; });
        const bool known = subjects_.contains(subject);
        auto& one = subjects_[known || subjects_.size() < most_subjects ? subject : std::string()];
        if (now >= one.until)
            one = {now + window, 0};
        if (one.said >= lines)
            return verdict::keep_quiet;
        return ++one.said == lines ? verdict::say_last : verdict::say;
    }

    std::size_t subjects() const { return subjects_.size(); }

  private:
    struct spent {
        time_point until{};
        int said = 0;
    };

    std::map<std::string, spent> subjects_;
};

} // namespace rivulet::session
