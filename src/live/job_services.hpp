// What all live jobs of a gateway share, and how long they wait for what.
#pragma once

#include "base/asio.hpp"
#include "http/client.hpp"
#include "live/control_fsm.hpp"
#include "live/job_refusals.hpp"
#include "live/swap_fsm.hpp"
#include "live/watchdogs.hpp"
#include "payment/live_payer.hpp"
#include "payment/payments.hpp"
#include "session/manager.hpp"
#include "session/orchestrator_client.hpp"

#include <memory>

namespace rivulet::live {

struct job_timing {
    duration selection_budget = std::chrono::seconds(2); // -aiProcessingRetryTimeout
    duration capacity_pause = std::chrono::milliseconds(250);
    // Between searches for an orchestrator while nobody takes the job; doubled each time.
    duration retry_first = std::chrono::seconds(1), retry_last = std::chrono::seconds(10);
    duration first_output = std::chrono::seconds(60);   // -liveOutSegmentTimeout, when given
    duration output_silence = std::chrono::seconds(30); // -liveOutSegmentTimeout
    duration event_silence = event_watchdog::default_limit;
    duration keepalive = control_fsm::keepalive_interval;
    duration standby = std::chrono::seconds(4); // how often the next orchestrator is thought of
    duration failed_before = std::chrono::milliseconds(1500); // for one that just failed to answer
    duration last_segment = std::chrono::seconds(3);          // to send it after the publisher left
    duration last_output = std::chrono::seconds(2); // without a byte, after the input's end
    duration last_output_total = std::chrono::seconds(10);
    duration goodbye = std::chrono::seconds(3); // for the DELETEs
};

// The references outlive the streams.
struct job_services {
    session::orchestrator_client client;
    http::client_options http; // of the trickle clients
    session::manager& sessions;
    payment::payments& payments;
    job_timing timing;
    swap_limits swaps;
    payment::live_payer_options paying;
    std::shared_ptr<job_refusals> refusals = std::make_shared<job_refusals>();
};

} // namespace rivulet::live
