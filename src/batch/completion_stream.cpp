#include "batch/completion_stream.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

// A line break inside the JSON text would cut the event that carries it on.
std::string on_one_line(std::string_view text) {
    std::string made(text);
    std::replace_if(
        made.begin(), made.end(), [](char c) { return c == '\n' || c == '\r'; }, ' '
    );
    return made;
}

// Of {"error":"text"}, {"error":{"message":"text"}}, {"message":"text"} or just text; bounded.
std::string complaint(const json::value& told) {
    const json::value* found = &told;
    for (const std::string_view key : {"error", "message", "detail", "msg"})
        if (const auto* object = found->if_object())
            if (const auto* inner = object->if_contains(key))
                found = inner;
    std::string text;
    if (const auto* said = found->if_string())
        text = std::string_view(*said);
    if (text.size() > 300)
        text.resize(300);
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20)
            c = ' ';
    return text.empty() ? "the orchestrator's stream named an error without a text" : text;
}

// The first choice has its finish_reason.
bool ends(const json::array& choices) {
    if (choices.empty())
        return false;
    const auto* first = choices[0].if_object();
    const auto* reason = first ? first->if_contains("finish_reason") : nullptr;
    const auto* text = reason ? reason->if_string() : nullptr;
    return text && !text->empty();
}

} // namespace

outcome<void> completion_stream::feed(std::string_view piece) {
    while (!piece.empty() && !finished_ && !failed_) {
        const auto end = piece.find('\n');
        const auto part = piece.substr(0, end);
        if (line_.size() + part.size() > line_limit) {
            failed_ = true;
            return failure(errc::too_large, "a line of the orchestrator's stream is over 1 MiB");
        }
        if (end == std::string_view::npos) {
            line_ += part;
            return {};
        }
        piece.remove_prefix(end + 1);
        std::string_view line = part;
        std::string whole;
        if (!line_.empty()) {
            whole = std::move(line_);
            line_.clear();
            whole += part;
            line = whole;
        }
        if (!line.empty() && line.back() == '\r')
            line.remove_suffix(1);
        if (auto taken = take_line(line); !taken) {
            failed_ = true;
            return taken;
        }
    }
    return {};
}

outcome<void> completion_stream::take_line(std::string_view line) {
    if (line.empty())
        return end_event();
    const auto value = [&](std::string_view name) -> std::optional<std::string_view> {
        if (line.substr(0, name.size()) != name)
            return {};
        auto rest = line.substr(name.size());
        if (!rest.empty() && rest.front() == ' ')
            rest.remove_prefix(1);
        return rest;
    };
    if (const auto data = value("data:"))
        return take_data(*data);
    if (const auto name = value("event:"))
        error_event_ = *name == "error";
    return {};
}

outcome<void> completion_stream::take_data(std::string_view data) {
    if (data_.empty()) {
        if (data.substr(0, 6) == "[DONE]") {
            finished_ = true;
            return {};
        }
        // Network nodes write one object a line, and some forget the blank line behind it.
        if (!data.empty() && data.front() == '{') {
            error_code broken;
            const auto parsed = json::parse(data, broken);
            if (!broken)
                return take_event(data, parsed);
        }
    }
    if (data_.size() + data.size() + 1 > line_limit)
        return failure(errc::too_large, "an event of the orchestrator's stream is over 1 MiB");
    if (!data_.empty())
        data_ += '\n';
    data_ += data;
    return {};
}

outcome<void> completion_stream::end_event() {
    const auto data = std::exchange(data_, {});
    if (data.empty()) {
        error_event_ = false;
        return {};
    }
    error_code broken;
    auto parsed = json::parse(data, broken);
    if (broken)
        parsed = json::string(data);
    return take_event(data, parsed);
}

outcome<void> completion_stream::take_event(std::string_view data, const json::value& told) {
    if (std::exchange(error_event_, false))
        return failure(errc::protocol_violation, complaint(told));
    const auto* chunk = told.if_object();
    if (!chunk)
        return {};
    if (const auto* error = chunk->if_contains("error"); error && !error->is_null())
        return failure(errc::protocol_violation, complaint(told));

    const auto* usage = chunk->if_contains("usage");
    const auto* counts = usage ? usage->if_object() : nullptr;
    if (const auto* total = counts ? counts->if_contains("total_tokens") : nullptr) {
        error_code not_whole;
        const auto tokens = total->to_number<std::int64_t>(not_whole);
        if (!not_whole && tokens >= 0)
            total_tokens_ = tokens;
    }
    const auto* listed = chunk->if_contains("choices");
    const auto* choices = listed ? listed->if_array() : nullptr;
    const bool says_something = choices && !choices->empty() && (*choices)[0].is_object();
    if (!says_something && !counts)
        return {};
    chunks_.push_back(on_one_line(data));
    finished_ = says_something && ends(*choices);
    return {};
}

outcome<void> completion_stream::end() {
    if (finished_ || failed_)
        return {};
    // The last line may lack its end, the last event its blank line.
    if (auto last = feed("\n\n"); !last)
        return last;
    if (!finished_)
        return failure(
            errc::protocol_violation, "the orchestrator's stream ended before its answer did"
        );
    return {};
}

std::optional<std::string> completion_stream::next() {
    if (chunks_.empty())
        return {};
    auto first = std::move(chunks_.front());
    chunks_.pop_front();
    return first;
}

} // namespace rivulet::batch
