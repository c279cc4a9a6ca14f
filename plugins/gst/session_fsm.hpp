// When to open the door of a gateway, when to try again and when to give up: what a session does
// about answers, losses and the end of its input. Pure: time and chance are parameters.
// Thread: one owner.
#pragma once

#include "base/asio.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rivulet::element {

// Why the door stayed shut.
struct door_failure {
    int status = 0; // of the gateway's answer; 0: there was none
    bool hopeless = false;
    std::optional<duration> retry_after; // as the gateway asks
    std::string reason;
};

struct session_action {
    enum class kind {
        open,      // ask the gateway for channels
        close,     // give up the asking or the channels
        end_input, // send what is queued, then read the output to its end
        tell_connected,
        tell_lost,    // reason, retry
        tell_refused, // status, reason
        tell_drained
    };
    kind what;
    int status = 0;
    duration retry{};
    std::string reason;
};

using session_actions = std::vector<session_action>;

class session_fsm {
  public:
    enum class phase { idle, opening, live, resting, over };

    // An input that pauses longer is idle.
    static constexpr duration idle_after = std::chrono::seconds(10);
    // A connection that lasts so long is a good one: the next loss begins with `first_retry` again.
    static constexpr duration steady = std::chrono::seconds(10);

    session_fsm(duration first_retry, duration last_retry)
        : first_retry_(first_retry), last_retry_(last_retry) {}

    session_actions start();
    session_actions opened(time_point now);
    // `chance`: 0 to 1; pauses are up to a fifth shorter, so that clients come back one by one.
    session_actions open_failed(const door_failure& why, time_point now, double chance);
    // The channels broke or the gateway ended the stream. `idle`: nothing had come for a while, so
    // that a gateway is not asked for channels again before something comes. `replaced`: another
    // publisher has the name, and two that take it back at once would fight for ever.
    session_actions lost(
        const std::string& reason, time_point now, double chance, bool idle, bool replaced = false
    );
    // Something has come.
    session_actions input(time_point now);
    // The settings are such that no gateway can be asked.
    session_actions refuse(const std::string& reason);
    // The input is over; by `until` everything ends.
    session_actions finish(time_point until);
    // After end_input: all of the output is there.
    session_actions drained();
    // A time of due() has come.
    session_actions tick(time_point now);

    // When to call tick(); time_point::max(): not before something happens.
    time_point due() const;

    phase at() const { return phase_; }

  private:
    session_actions rest(const std::string& reason, duration pause, time_point now);
    session_actions end(session_action::kind last);
    duration next_pause(double chance);

    duration first_retry_, last_retry_;
    phase phase_ = phase::idle;
    unsigned failures_ = 0; // in a row
    time_point opened_at_{}, retry_at_ = time_point::max(), finish_at_ = time_point::max();
    bool finishing_ = false, awaits_input_ = false;
};

// Whether another try can't change the answer of a gateway.
bool is_hopeless(int status);

} // namespace rivulet::element
