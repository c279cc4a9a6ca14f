// What an orchestrator's refusal means: whose fault it is, and what the client is told when it is
// its own. The network puts a runner's status into the text of a 500
// ("text-to-image container returned 400: …"), so the text is read; the status decides where the
// text says nothing (spec/batch.md 4.1 and 7). Pure.
#pragma once

#include "base/asio.hpp"
#include "batch/api_error.hpp"
#include "session/fault.hpp"
#include "session/retry_fsm.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::batch {

struct verdict {
    session::fault why;
    // The request itself is at fault: nobody else is asked, this is the answer.
    std::optional<api_error> client;
    // What discovery told may be old: worth one more try here with it asked anew.
    bool refresh = false;

    verdict() {}
};

// Of an answer whose status is no success.
verdict judge(unsigned status, std::string_view body);

// The end of a request that nobody fulfilled. Several orchestrators that call the request bad are
// believed; when the last one ran into our own deadline, that is said.
api_error nobody_answered(
    const std::vector<session::tried>& reasons,
    std::string_view summary,
    duration retry_after,
    bool deadline_passed
);

// The rows of an error's `tried`.
boost::json::array to_json(const std::vector<session::tried>& reasons);

// So many orchestrators that decline a request are enough.
constexpr std::size_t believed_refusals = 2;

} // namespace rivulet::batch
