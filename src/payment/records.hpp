// What is known about payments from outside: counters and the operator's event queue. A payment is
// counted once, when an orchestrator has taken it.
// Thread: any.
#pragma once

#include "observe/event_queue.hpp"
#include "observe/metrics.hpp"
#include "payment/payment_message.hpp"

#include <memory>
#include <string>

namespace rivulet::payment {

struct payment_record {
    payment_worth worth;
    session::price_info price;
    std::string pipeline, manifest, session_id, orchestrator, sender;
};

class records {
  public:
    // `events` may be empty. The metrics outlive the records.
    records(observe::metrics& metrics, std::shared_ptr<observe::event_queue> events);

    void sent(const payment_record& payment) const;
    // No payment could be made.
    void not_made() const;

  private:
    observe::counter tickets_, value_, errors_;
    std::shared_ptr<observe::event_queue> events_;
};

} // namespace rivulet::payment
