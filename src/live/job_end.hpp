// Why a job at one orchestrator ended: a cause that decides what follows, and a text for people.
#pragma once

#include "session/fault.hpp"

#include <string>
#include <string_view>

namespace rivulet::live {

enum class job_end_cause {
    input_ended,              // the publisher left
    stopped,                  // by the API
    replaced,                 // a newer publisher took the name
    no_orchestrator,          // nobody took the job
    too_many_swaps,           // more than -swapLimit allows
    bad_media,                // what the publisher sends can't be carried
    bad_request,              // an orchestrator says that the parameters can't work
    orchestrator_slow,        // a fourth segment began while three were unfinished
    input_channel_gone,       // publishing answered 404
    output_ended,             // the output channel ended or answered 404
    connection_lost,          // refused or reset, and again
    payment_refused,          // it will not be paid any more
    orchestrator_unreachable, // seven reads of output or events in a row failed
    output_stalled,           // no processed video although input flows
    output_unusable,          // what comes out is no video
    events_silent,            // no event for more than 30 s
    control_gone,             // the control channel answered 404
    params_undelivered,       // the cached parameters could not be sent first
};

struct job_end {
    job_end_cause cause;
    std::string text;
};

// True when the orchestrator is to blame: another one is tried.
constexpr bool calls_for_swap(job_end_cause cause) {
    switch (cause) {
    case job_end_cause::input_ended:
    case job_end_cause::stopped:
    case job_end_cause::replaced:
    case job_end_cause::no_orchestrator:
    case job_end_cause::too_many_swaps:
    case job_end_cause::bad_media:
    case job_end_cause::bad_request:
        return false;
    default:
        return true;
    }
}

// What the session manager hears about the orchestrator. Only for causes that call for a swap.
session::fault_kind fault_of(job_end_cause cause);

std::string_view to_string(job_end_cause cause);

} // namespace rivulet::live
