// The tries of one request: whom not to ask again, how long a try may take, when to give up, and
// what the client is told (spec/orchestrators.md 6). No sockets; time is given.
#pragma once

#include "base/asio.hpp"
#include "session/fault.hpp"

#include <boost/json/object.hpp>

#include <set>
#include <string>
#include <vector>

namespace rivulet::session {

// One line of what was tried, for the client.
struct tried {
    std::string orchestrator;
    fault why;
};

class retry_fsm {
  public:
    static constexpr int max_tries = 20;
    // An answer that takes less than this to miss its deadline says nothing about its sender.
    static constexpr auto fair_try = std::chrono::seconds(1);

    retry_fsm(duration budget, time_point now);

    enum class step {
        choose,      // somebody who isn't in excluded()
        again,       // current() once more, with fresh ticket parameters
        out_of_time, // the budget is over
        out_of_tries,
        bad_request, // the request is at fault
        gone         // so is the client
    };

    step next(time_point now) const;

    const std::string& current() const { return current_; }

    const std::set<std::string>& excluded() const { return excluded_; }

    // This one is tried now.
    void trying(const std::string& orchestrator, time_point now);
    // How it failed, and so what follows.
    remedy failed(const fault& why, time_point now);

    // Half of what is left while there are others to turn to, else all of it.
    duration try_limit(time_point now, bool others) const;
    duration left(time_point now) const;

    const std::vector<tried>& reasons() const { return reasons_; }

    // "no orchestrators available within 2000 ms: https://a:1: …; https://b:1: …". `nobody` says
    // why there was nobody to ask, when nobody was asked.
    std::string summary(const std::string& nobody, time_point now) const;
    boost::json::object to_json(const std::string& nobody, time_point now) const;

  private:
    duration budget_;
    time_point started_;
    std::string current_;
    time_point try_began_{};
    int tries_ = 0;
    int tries_here_ = 0;
    bool again_ = false;
    bool bad_request_ = false;
    bool gone_ = false;
    std::set<std::string> excluded_;
    std::vector<tried> reasons_;
};

} // namespace rivulet::session
