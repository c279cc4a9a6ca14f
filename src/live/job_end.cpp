#include "live/job_end.hpp"

namespace rivulet::live {

session::fault_kind fault_of(job_end_cause cause) {
    using session::fault_kind;
    switch (cause) {
    case job_end_cause::orchestrator_slow:
        return fault_kind::slow;
    case job_end_cause::output_stalled:
        return fault_kind::stalled;
    case job_end_cause::connection_lost:
    case job_end_cause::orchestrator_unreachable:
        return fault_kind::unreachable;
    case job_end_cause::payment_refused:
        return fault_kind::payment;
    case job_end_cause::output_unusable:
        return fault_kind::protocol;
    default:
        return fault_kind::lost; // its channels are gone, or silent: no reason to shut it out
    }
}

std::string_view to_string(job_end_cause cause) {
    switch (cause) {
    case job_end_cause::input_ended:
        return "input_ended";
    case job_end_cause::stopped:
        return "stopped";
    case job_end_cause::replaced:
        return "replaced";
    case job_end_cause::no_orchestrator:
        return "no_orchestrator";
    case job_end_cause::too_many_swaps:
        return "too_many_swaps";
    case job_end_cause::bad_media:
        return "bad_media";
    case job_end_cause::bad_request:
        return "bad_request";
    case job_end_cause::orchestrator_slow:
        return "orchestrator_slow";
    case job_end_cause::input_channel_gone:
        return "input_channel_gone";
    case job_end_cause::output_ended:
        return "output_ended";
    case job_end_cause::connection_lost:
        return "connection_lost";
    case job_end_cause::payment_refused:
        return "payment_refused";
    case job_end_cause::orchestrator_unreachable:
        return "orchestrator_unreachable";
    case job_end_cause::output_stalled:
        return "output_stalled";
    case job_end_cause::output_unusable:
        return "output_unusable";
    case job_end_cause::events_silent:
        return "events_silent";
    case job_end_cause::control_gone:
        return "control_gone";
    case job_end_cause::params_undelivered:
        return "params_undelivered";
    }
    return "unknown";
}

} // namespace rivulet::live
