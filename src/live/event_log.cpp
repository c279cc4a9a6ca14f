#include "live/event_log.hpp"

#include "base/utf8.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/core.h>

#include <utility>

namespace rivulet::live {

namespace json = boost::json;

std::string event_text(
    std::uint64_t seq,
    std::int64_t time_ms,
    std::string_view stream,
    std::string_view type,
    std::string_view data_json
) {
    return fmt::format(
        R"({{"seq":{},"time":{},"stream":{},"type":{},"data":{}}})",
        seq,
        time_ms,
        json::serialize(json::string(stream)),
        json::serialize(json::string(type)),
        data_json
    );
}

event_log::event_log(std::uint64_t last, event_log_limits limits) : limits_(limits), last_(last) {}

std::uint64_t event_log::add(
    std::string_view stream, std::string_view type, const json::object& data, std::int64_t time_ms
) {
    auto text = json::serialize(data);
    if (text.size() > limits_.data_bytes)
        text = fmt::format(R"({{"too_large":true,"bytes":{}}})", text.size());
    ++last_;
    // Peers choose some of the texts, and a browser ends a WebSocket over one bad byte.
    auto whole = std::make_shared<const std::string>(
        valid_utf8(event_text(last_, time_ms, stream, type, text))
    );
    bytes_ += whole->size();
    entries_.push_back({std::string(stream), std::move(whole)});
    while (entries_.size() > limits_.events || (bytes_ > limits_.bytes && entries_.size() > 1)) {
        bytes_ -= entries_.front().json->size();
        entries_.pop_front();
    }
    return last_;
}

event_log::text
event_log::next(std::uint64_t& cursor, std::string_view stream, std::int64_t now_ms) const {
    // A number that was never given comes from before a restart.
    if (cursor + 1 < oldest() || cursor > last_) {
        const auto before = oldest() - 1;
        const auto data = fmt::format(R"({{"after":{},"oldest":{}}})", cursor, oldest());
        cursor = before;
        return std::make_shared<const std::string>(event_text(before, now_ms, stream, "gap", data));
    }
    while (cursor < last_) {
        ++cursor;
        const auto& entry = entries_[cursor - oldest()];
        if (stream.empty() || entry.stream == stream)
            return entry.json;
    }
    return nullptr;
}

} // namespace rivulet::live
