#include "live/job_end.hpp"

namespace rivulet::live {

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
    case job_end_cause::orchestrator_unreachable:
        return "orchestrator_unreachable";
    case job_end_cause::output_stalled:
        return "output_stalled";
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
