// When a running live job pays, and for how much (spec/payments.md 9). The source's segments set
// the pace; what is owed is kept exactly, so fractions and payments that failed are billed later
// (P6). No sockets, time is given.
#pragma once

#include "base/asio.hpp"
#include "payment/payments.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace rivulet::payment {

class live_payment_fsm {
  public:
    // The orchestrator got 60 s up front and ends the job when they are used up; with this much
    // unpaid it is time to go elsewhere.
    static constexpr duration unpaid_limit = std::chrono::seconds(45);

    struct limits {
        duration interval = std::chrono::seconds(5);
        double units_per_second = static_cast<double>(live_units_per_second);
    };

    live_payment_fsm(limits limits, time_point now);

    // A segment of the source begins. Without segments nothing is paid.
    void segment(time_point now);
    // Units per second from now on.
    void rate(double units_per_second, time_point now);

    // The payment to make now; from then on it is under way until one of the three calls below.
    std::optional<work_units> due(time_point now);
    // When to ask due() again although no segment came.
    time_point next_look(time_point now) const;

    void paid();
    // Nothing was due yet: what is owed stays owed, the next try is an interval later.
    void nothing_due(time_point now);
    void failed(time_point now);
    // True when payments have failed for so long that the orchestrator will soon end the job.
    bool hopeless(time_point now) const;

    bool under_way() const { return under_way_; }

    work_units paid_units() const { return paid_units_; }

  private:
    // Units in trillionths: thousandths of units a second times nanoseconds.
    __extension__ typedef __int128 fine;
    static constexpr fine one_unit = 1'000'000'000'000;

    void advance(time_point now);

    duration interval_;
    std::int64_t milli_rate_;
    fine owed_ = 0; // up to mark_
    time_point mark_;
    time_point covered_;  // everything before it is paid
    time_point asked_at_; // of the payment under way
    std::optional<time_point> last_segment_;
    bool poked_ = false;
    bool under_way_ = false;
    work_units asked_ = 0;
    work_units paid_units_ = 0;
    int failures_ = 0; // in a row
    time_point not_before_{};
};

} // namespace rivulet::payment
