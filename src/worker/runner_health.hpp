// Whether a runner may be given a job, and whether one that has a job is lost; from its answers to
// GET /health. Pure: answers and times go in.
#pragma once

#include "base/asio.hpp"
#include "worker/runner_wire.hpp"

#include <optional>

namespace rivulet::worker {

class runner_health {
  public:
    static constexpr int silences = 2; // in a row, and it is lost
    static constexpr duration loading_limit = std::chrono::minutes(3);

    void heard(runner_word word, time_point now) {
        if (word != runner_word::loading)
            loading_since_.reset();
        else if (!loading_since_)
            loading_since_ = now;
        silent_ = 0;
        word_ = word;
        fresh_ = true;
    }

    // It did not answer, or not in words.
    void silent() { ++silent_; }

    // A job of ours on it ended: its next answer says when it is ready again.
    void job_ended() { fresh_ = false; }

    bool lost(time_point now) const {
        return silent_ >= silences || word_ == runner_word::error ||
               (loading_since_ && now - *loading_since_ > loading_limit);
    }

    // ai-runner says OK while a stream runs on it, be it another orchestrator's; the stream family
    // and the batch pipelines say it whenever they are well.
    bool ready(bool ok_is_ready) const {
        return fresh_ && silent_ == 0 &&
               (word_ == runner_word::idle || (ok_is_ready && word_ == runner_word::ok));
    }

    bool answers() const { return silent_ == 0; }

    std::optional<runner_word> word() const { return word_; }

  private:
    std::optional<runner_word> word_;
    std::optional<time_point> loading_since_;
    int silent_ = 0;
    bool fresh_ = false;
};

} // namespace rivulet::worker
