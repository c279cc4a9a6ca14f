// How much the log says about orchestrators that did not take jobs. With everybody full or gone,
// each stream asks all of them several times a second for as long as that lasts.
// Thread: any.
#pragma once

#include "session/log_budget.hpp"

#include <mutex>
#include <string>

namespace rivulet::live {

class job_refusals {
  public:
    session::log_budget::verdict about(const std::string& orchestrator, time_point now) {
        const std::scoped_lock lock(guard_);
        return budget_.about(orchestrator, now);
    }

  private:
    std::mutex guard_;
    session::log_budget budget_;
};

} // namespace rivulet::live
