// Whether an orchestrator is left alone after its own faults, and for how long: shut out after what
// can't be an accident, or after three faults in a row; back on trial when the time is over, with
// one request at a time; doubled when the trial fails (spec/orchestrators.md 5.5, by time instead
// of by refreshes). Pure.
#pragma once

#include "base/asio.hpp"
#include "session/fault.hpp"

namespace rivulet::session {

struct suspension_limits {
    duration first = std::chrono::seconds(10);
    duration last = std::chrono::minutes(30);

    suspension_limits() {}
};

class suspension_fsm {
  public:
    static constexpr int faults_in_a_row = 3;

    enum class state {
        open,        // take it
        trial_due,   // take it, one request at a time
        trial_taken, // that one request is under way
        shut         // leave it alone
    };

    state now_is(time_point now) const;

    // A request is given to it; the answer goes into what ends it.
    void taken(time_point now);
    // The request ended; `began` is when it was given. A trial of which nothing was learnt may be
    // had again.
    void released(time_point began);
    void worked(time_point began);
    // True when it is shut out by this fault. Requests that began before it was shut out tell
    // nothing new.
    bool failed(fault_kind kind, time_point began, time_point now, const suspension_limits& limits);

    // Shut until then; only when now_is() says so.
    time_point until() const { return until_; }

  private:
    bool trusted_ = false; // it has worked once, so that one fault may be an accident
    bool suspended_ = false;
    bool trial_ = false;
    int in_a_row_ = 0;
    time_point since_{}, until_{}, trial_began_{};
    duration length_{};
};

} // namespace rivulet::session
