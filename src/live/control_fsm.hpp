// What is written to an orchestrator's control channel and when: the cached parameters first,
// updates as they come, a keepalive every 10 s. Messages are opaque bytes. No sockets, time is
// given.
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "base/error.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <string_view>

namespace rivulet::live {

class control_fsm {
  public:
    static constexpr int attempts = 3;
    static constexpr auto attempt_pause = std::chrono::milliseconds(100);
    static constexpr auto keepalive_interval = std::chrono::seconds(10);
    static constexpr std::string_view keepalive = R"({"keep":"alive"})";
    // Updates that wait for a slow channel. Each replaces the whole set of parameters, so the
    // oldest may go; the newest never does.
    static constexpr std::size_t queued_updates = 16;
    static constexpr std::size_t queued_bytes = 2 * 1024 * 1024;

    // The stream's cached parameters (empty: none) are the first message.
    control_fsm(
        std::optional<bytes> cached, time_point now, duration keepalive_every = keepalive_interval
    );

    void update(bytes body);

    struct step {
        enum class kind { send, wait, gone, undelivered } what;
        bytes message;    // send
        time_point until; // wait: or until update() was called
    };

    // What to do now. After `send`, report with sent() before asking again.
    step next(time_point now);
    void sent(error_code result, time_point now);

    std::size_t waiting() const { return queue_.size(); }

  private:
    enum class state { open, gone, undelivered };

    duration keepalive_every_;
    std::deque<bytes> queue_; // the front is being tried
    std::size_t queue_bytes_ = 0;
    bool first_ = false; // the front is the cached set, which must arrive
    bool sending_keepalive_ = false;
    bool in_trial_ = false; // the front is being written
    int failures_ = 0;
    time_point not_before_{};
    time_point next_keepalive_;
    state state_ = state::open;
};

} // namespace rivulet::live
