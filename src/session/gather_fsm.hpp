// One gathering of answers: whom to ask, when there are enough, when it is over. The caller may go
// on as soon as one of these holds: `wanted` orchestrators were accepted; the first tick has passed
// and one was; everybody answered; the longest time is over. Answers that come later still count,
// to the end of the longest time. Siblings (`nodes`) of a configured orchestrator are asked too,
// one level deep. Pure.
// Thread: one at a time.
#pragma once

#include "session/candidate.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace rivulet::session {

struct gather_rules {
    duration first_tick = std::chrono::milliseconds(500);
    duration longest = std::chrono::seconds(6);
    std::size_t extra_nodes = 0; // entries of `nodes` that are followed
    std::size_t wanted = 1;      // 0: everybody
    std::size_t at_once = 256;   // questions under way; the rest waits for its turn

    gather_rules() {}
};

class gather_fsm {
  public:
    struct question {
        std::string address;
        double score = 1.0;
        bool configured = true; // false: a sibling that somebody named
        std::string listed_as;  // the candidate that it is, or that named it
    };

    // `candidates` in the order in which to ask.
    gather_fsm(gather_rules rules, std::vector<candidate> candidates, time_point now);

    // Questions to ask now; each one is answered() or failed() later.
    std::vector<question> take_questions(time_point now);

    // `transcoder`: what the answer called itself, empty when it was rejected; several addresses of
    // one transcoder count once. `nodes`: its siblings as orchestrator_base() returns them, whether
    // it was rejected or not.
    void answered(
        const question& asked, const std::string& transcoder, const std::vector<std::string>& nodes
    );
    void failed(const question& asked);

    // True when the caller need not wait any longer.
    bool enough(time_point now) const;
    // True when nothing more can come.
    bool over(time_point now) const;
    // When enough() may change although nobody answers.
    time_point next_look(time_point now) const;

    // Of one question that is asked now.
    time_point until() const { return started_ + rules_.longest; }

    std::size_t asked() const { return asked_; }

    std::size_t accepted() const { return accepted_.size(); }

  private:
    gather_rules rules_;
    time_point started_;
    std::deque<question> waiting_;
    std::set<std::string> seen_;     // addresses asked or going to be
    std::set<std::string> accepted_; // transcoders
    std::size_t under_way_ = 0;
    std::size_t asked_ = 0;
};

} // namespace rivulet::session
