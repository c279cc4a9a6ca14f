// A list of candidates that is fetched again and again in the background: one fetch at a time, the
// last good list stays while fetching fails. Nobody waits once there was a list or a failure.
// Thread: any; fetches run on the executor given.
#pragma once

#include "base/log.hpp"
#include "session/candidate.hpp"
#include "session/refresh_fsm.hpp"

#include <functional>
#include <memory>

namespace rivulet::session {

class refreshed_source : public candidate_source {
  public:
    // One attempt, with a deadline of its own. What it uses, it owns.
    using fetch = std::function<awaitable<outcome<std::vector<candidate>>>()>;

    // The first fetch starts at once. `on_stop` lets go of what outlives a fetch.
    refreshed_source(
        asio::any_io_executor executor,
        fetch fetch,
        refresh_rules rules,
        logger log,
        std::function<void()> on_stop = {}
    );
    ~refreshed_source() override;

    awaitable<outcome<std::vector<candidate>>> candidates() override;
    void stop() override;

  private:
    struct state;
    std::shared_ptr<state> state_;
};

} // namespace rivulet::session
