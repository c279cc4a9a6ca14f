// Follows a remote channel with the patience of a gateway: errors are retried 300 ms apart, a gap
// is jumped, the seventh error in a row or the end of the channel ends it. Thread: the subscriber's
// executor.
#pragma once

#include "trickle/subscriber.hpp"

#include <functional>

namespace rivulet::trickle {

// Pure: what to do about the error of a read.
class subscribe_policy_fsm {
  public:
    static constexpr duration retry_pause = std::chrono::milliseconds(300);
    static constexpr unsigned last_error = 7; // in a row

    struct verdict {
        bool stop = false;
        std::optional<std::int64_t> jump_to; // before the next read
        duration pause{};
    };

    verdict failed(error_code why, std::optional<std::int64_t> latest);

    void succeeded() { errors_ = 0; }

    unsigned errors() const { return errors_; }

  private:
    unsigned errors_ = 0;
};

using item_sink = std::function<void(subscriber_item)>;
using message_sink = std::function<void(subscriber_message)>;
using trouble_sink = std::function<void(const failure&)>; // an error that is being retried

// Reads until the end and returns why: end_of_stream, not_found, the caller's reason, or the last
// of seven errors. The sinks run on the subscriber's executor; `source` must outlive the call.
awaitable<failure> follow(subscriber& source, item_sink items, trouble_sink trouble);
// The same for channels of whole messages; one longer than `max` is trouble, but not retried.
awaitable<failure>
follow_messages(subscriber& source, std::size_t max, message_sink messages, trouble_sink trouble);

} // namespace rivulet::trickle
