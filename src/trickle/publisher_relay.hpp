// Sends a local channel to a remote one while its segments grow, by the rules of
// publisher_policy.hpp. The owner hears what happened and decides what it means.
// Thread: the home shard of the source channel. Owns: the publisher, one coroutine per segment.
#pragma once

#include "base/log.hpp"
#include "base/task_group.hpp"
#include "trickle/channel.hpp"
#include "trickle/publisher.hpp"
#include "trickle/publisher_policy.hpp"

#include <memory>

namespace rivulet::trickle {

// Calls come from the relay's coroutines; they may call abandon(), but must not destroy the relay.
class relay_listener {
  public:
    virtual void segment_begun(std::int64_t) {}

    virtual void segment_sent(std::int64_t, std::uint64_t) {}

    virtual void segment_dropped(std::int64_t, const std::string&) {}

    // An attempt failed, whatever follows from it.
    virtual void attempt_failed(std::int64_t, const failure&) {}

    // An attempt failed and will be made again.
    virtual void segment_retried(std::int64_t, const failure&) {}

    // no_capacity: a fourth segment in flight. not_found, end_of_stream: the channel is gone at the
    // other end. closed: the source ended and everything was sent. At most once; nothing new is
    // sent afterwards.
    virtual void relay_ended(const failure&) {}

  protected:
    ~relay_listener() = default;
};

class publisher_relay {
  public:
    publisher_relay(
        asio::any_io_executor executor,
        channel_ptr source,
        std::string url,
        publisher_options options,
        relay_listener& listener,
        logger log
    );
    ~publisher_relay();
    publisher_relay(const publisher_relay&) = delete;
    publisher_relay& operator=(const publisher_relay&) = delete;

    // Begins with the newest begun segment of the source, from its first byte.
    outcome<void> start();
    // Deletes the remote channel and ends everything; the listener hears nothing afterwards.
    awaitable<void> close();
    // The same without a word to the peer.
    void abandon();

    struct numbers {
        std::uint64_t begun = 0;
        std::uint64_t sent = 0;
        std::uint64_t dropped = 0;
        std::uint64_t bytes = 0;
        std::size_t in_flight = 0;
        time_point last_input{}; // when a segment was last begun or tried
    };

    numbers count() const;

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::trickle
