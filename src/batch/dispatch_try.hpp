// One try of a batch request at one orchestrator: money, the call, its answer checked or passed on.
// Says how it went and decides nothing: dispatcher.cpp has the rules.
// Thread: the shard whose coroutine runs it.
#pragma once

#include "batch/dispatcher.hpp"
#include "batch/orchestrator_call.hpp"
#include "batch/outcome_text.hpp"

#include <optional>

namespace rivulet::batch {

struct try_end {
    enum class how {
        worked,
        failed,   // said.why is the orchestrator's, or the payer's
        refused,  // said.client: the request is at fault, or we are
        too_late, // the request's own deadline; nobody's fault
        gone      // the client left
    };

    how went = how::failed;
    verdict said;
    boost::json::object body;           // worked; not of an event stream
    byte_share held;                    // what it takes
    std::optional<std::int64_t> tokens; // as the answer of a conversation says
    duration took{};                    // from sending to the last byte

    try_end() {}

    static try_end failed(session::fault why);
    // We have no room; the orchestrator learns nothing of it.
    static try_end no_memory();
};

class dispatch_try {
  public:
    // All of them outlive it. `sink`: of an event stream, else null.
    dispatch_try(
        payment::payments& payments,
        http::connection_pool& connections,
        blocking_threads& disk,
        const dispatch_options& options,
        const request& from,
        const forwarded_body& body,
        completion_sink* sink
    );

    // `until`: the request's deadline.
    awaitable<try_end> run(session::attempt& at, time_point until);

  private:
    class account;

    awaitable<try_end> answered(orchestrator_call& call, account& paid);
    awaitable<try_end> take_json(orchestrator_call& call);
    awaitable<try_end> relay(orchestrator_call& call);
    class parsed_answer;
    awaitable<outcome<parsed_answer>> parse(std::string text, byte_share held);
    bool json_expected() const;

    payment::payments& payments_;
    http::connection_pool& connections_;
    blocking_threads& disk_;
    const dispatch_options& options_;
    const request& from_;
    const forwarded_body& body_;
    completion_sink* const sink_;
};

} // namespace rivulet::batch
