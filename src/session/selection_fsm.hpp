// Walks a list of orchestrators in order until one takes the job. No sockets, time is given.
#pragma once

#include "base/asio.hpp"
#include "session/live_offer.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::session {

class selection_fsm {
  public:
    static constexpr int max_tries = 20;
    static constexpr int tries_per_expired_ticket = 3;

    // `filter`: a part that the URL must contain. `budget` is looked at between tries only.
    selection_fsm(
        const std::vector<std::string>& candidates,
        std::string_view filter,
        duration budget,
        time_point now
    );

    // The orchestrator to ask now; absent when nobody is left to ask: then end_reason() says why.
    std::optional<std::string> next(time_point now);
    // It refused, or could not be reached. `text` is what it said.
    void refused(std::string_view text);

    // True when an orchestrator called the request bad.
    bool bad_request() const { return bad_request_; }

    // For people: how many were asked and what each one said.
    std::string end_reason() const;

  private:
    struct answer {
        std::string orchestrator, text;
    };

    std::vector<std::string> left_; // the front is being asked
    std::size_t offered_ = 0;       // all candidates, filter or not
    std::string filter_;
    duration budget_;
    time_point started_;
    int tries_ = 0;
    int tries_of_front_ = 0;
    bool bad_request_ = false;
    bool out_of_time_ = false;
    std::vector<answer> answers_;
};

} // namespace rivulet::session
