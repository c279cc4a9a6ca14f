#include "trickle/subscriber_relay.hpp"

namespace rivulet::trickle {

subscribe_policy_fsm::verdict
subscribe_policy_fsm::failed(error_code why, std::optional<std::int64_t> latest) {
    verdict made;
    ++errors_;
    made.stop = why == errc::end_of_stream || why == errc::not_found || errors_ >= last_error;
    if (made.stop)
        return made;
    made.pause = retry_pause;
    if (why == errc::sequence_not_found)
        made.jump_to = latest.value_or(-1);
    return made;
}

awaitable<failure> follow(subscriber& source, item_sink items, trouble_sink trouble) {
    subscribe_policy_fsm policy;
    for (;;) {
        auto item = co_await source.read();
        if (item) {
            policy.succeeded();
            items(std::move(*item));
            continue;
        }
        if (source.cancelled())
            co_return item.error();
        const auto verdict = policy.failed(item.error().code, source.latest());
        if (verdict.stop)
            co_return item.error();
        trouble(item.error());
        co_await source.rest(verdict.pause);
        if (verdict.jump_to)
            source.set_seq(*verdict.jump_to);
    }
}

awaitable<failure>
follow_messages(subscriber& source, std::size_t max, message_sink messages, trouble_sink trouble) {
    subscribe_policy_fsm policy;
    for (;;) {
        auto message = co_await source.read_message(max);
        if (message) {
            policy.succeeded();
            messages(std::move(*message));
            continue;
        }
        if (source.cancelled())
            co_return message.error();
        if (message.error().code == errc::too_large) {
            // The channel works; its author wrote too much.
            policy.succeeded();
            trouble(message.error());
            continue;
        }
        const auto verdict = policy.failed(message.error().code, source.latest());
        if (verdict.stop)
            co_return message.error();
        trouble(message.error());
        co_await source.rest(verdict.pause);
        if (verdict.jump_to)
            source.set_seq(*verdict.jump_to);
    }
}

} // namespace rivulet::trickle
