// When a list that comes from elsewhere is fetched again: every `fresh` while it works, sooner and
// ever more slowly while it does not. Pure.
// Thread: one at a time.
#pragma once

#include "base/asio.hpp"

#include <algorithm>

namespace rivulet::session {

struct refresh_rules {
    duration fresh = std::chrono::seconds(60);
    duration first_pause = std::chrono::seconds(1);        // after a failure, doubled each time …
    duration last_pause = std::chrono::seconds(60);        // … up to this
    duration last_pause_without = std::chrono::seconds(5); // the same while there is no list

    refresh_rules() {}
};

class refresh_fsm {
  public:
    explicit refresh_fsm(refresh_rules rules) : rules_(rules) {}

    // Each returns when to fetch next.
    time_point succeeded(time_point now) {
        failures_ = 0;
        has_list_ = true;
        return now + rules_.fresh;
    }

    time_point failed(time_point now) {
        const auto most = has_list_ ? rules_.last_pause : rules_.last_pause_without;
        auto pause = std::min(rules_.first_pause, most);
        for (unsigned i = 0; i < failures_ && pause < most; ++i)
            pause = std::min(pause * 2, most);
        ++failures_;
        return now + pause;
    }

    // Failures in a row.
    unsigned failures() const { return failures_; }

    bool has_list() const { return has_list_; }

  private:
    refresh_rules rules_;
    unsigned failures_ = 0;
    bool has_list_ = false;
};

} // namespace rivulet::session
