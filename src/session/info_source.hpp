// Asks one orchestrator who it is and what it offers. The network's way is GetOrchestrator over
// gRPC (grpc_info.hpp); tests have their own.
// Thread: any shard; the coroutine resumes on the executor it was started on.
#pragma once

#include "base/asio.hpp"
#include "session/orchestrator_info.hpp"

#include <optional>
#include <string>

namespace rivulet::session {

struct info_question {
    std::optional<capability_table> capabilities; // absent: everything it has, for display
    bool ignore_capacity = false;

    info_question() {} // not an aggregate: see the coroutine traps in CONTRIBUTING
};

struct info_answer {
    info_ptr info;
    duration latency{}; // connecting and answering

    info_answer() {}
};

class info_source {
  public:
    virtual ~info_source() = default;
    // `address` as orchestrator_base() returns it. Over within `limit`; fails with timed_out,
    // connect_failed, tls_failed, http_status (the orchestrator refused: its text is the detail),
    // protocol_violation.
    virtual awaitable<outcome<info_answer>>
    ask(std::string address, info_question question, duration limit) = 0;
};

} // namespace rivulet::session
