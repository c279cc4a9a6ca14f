#include "live/error_log.hpp"

#include "ingest/peer_text.hpp"

#include <algorithm>

namespace rivulet::live {

bool error_log::add(std::string message, std::int64_t now_ms) {
    message = ingest::peer_text(message, message_bytes);
    if (!first_)
        first_ = logged_error{message, now_ms, now_ms, 1};
    const auto known = std::ranges::find(newest_, message, &logged_error::message);
    if (known != newest_.end()) {
        known->last_ms = now_ms;
        ++known->count;
        return false;
    }
    newest_.push_back({std::move(message), now_ms, now_ms, 1});
    if (newest_.size() > kept)
        newest_.pop_front();
    return true;
}

} // namespace rivulet::live
