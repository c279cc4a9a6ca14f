#include "live/error_log.hpp"

#include <algorithm>
#include <string_view>

namespace rivulet::live {
namespace {

// Peers choose these texts: what is not UTF-8, or would break a line, becomes '?'.
std::string scrubbed(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t length = lead < 0x80                   ? 1
                                   : lead >= 0xc2 && lead < 0xe0 ? 2
                                   : (lead & 0xf0) == 0xe0       ? 3
                                   : lead >= 0xf0 && lead < 0xf5 ? 4
                                                                 : 0;
        bool good = length > 0 && at + length <= text.size() && lead >= 0x20 && lead != 0x7f;
        for (std::size_t i = 1; good && i < length; ++i)
            good = (static_cast<unsigned char>(text[at + i]) & 0xc0) == 0x80;
        if (good)
            out += text.substr(at, length);
        else
            out += '?';
        at += good ? length : 1;
    }
    return out;
}

} // namespace

bool error_log::add(std::string message, std::int64_t now_ms) {
    const bool cut = message.size() > message_bytes;
    if (cut)
        message.resize(message_bytes);
    message = scrubbed(message);
    if (cut)
        message += "…";
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
