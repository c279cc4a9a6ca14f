// What dispatching counts: tries and requests by pipeline, their time, the price of who answered.
// Models are named by clients, so the number of series is bounded. Thread: any.
#pragma once

#include "base/asio.hpp"
#include "batch/request.hpp"
#include "observe/metrics.hpp"
#include "session/manager.hpp"

#include <string_view>

namespace rivulet::batch {

class dispatch_metrics {
  public:
    // It outlives this.
    explicit dispatch_metrics(observe::metrics& to);

    // `how`: "ok", or the fault's kind.
    void tried(const request& what, std::string_view how) const;
    // `by`: who answered.
    void answered(const request& what, const session::attempt& by, duration took) const;
    // `code`: "no_orchestrators_available", "bad_request", "timed_out", …
    void failed(const request& what, std::string_view code, std::string_view orchestrator) const;

    // Counts a request as under way until it goes.
    class under_way {
      public:
        explicit under_way(observe::gauge of);
        ~under_way();
        under_way(const under_way&) = delete;
        under_way& operator=(const under_way&) = delete;

      private:
        observe::gauge of_;
    };

    observe::gauge running(const request& what) const;

  private:
    observe::counters tries_, errors_;
    observe::gauges prices_, running_;
    observe::histograms seconds_;
};

} // namespace rivulet::batch
