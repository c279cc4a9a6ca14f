#include "trickle_response.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <strings.h>

namespace rivulet::bench {

namespace {

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <class Int>
bool read_number(std::string_view text, Int& value, int base = 10) {
    return std::from_chars(text.data(), text.data() + text.size(), value, base).ec == std::errc{};
}

} // namespace

// Collects a line without its CRLF into line_; true when it is whole.
bool response_parser::take_line(std::span<const char>& bytes) {
    auto end = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
    auto take = end ? static_cast<std::size_t>(end - bytes.data()) + 1 : bytes.size();
    line_.append(bytes.data(), take);
    bytes = bytes.subspan(take);
    if (!end)
        return false;
    line_.pop_back();
    if (!line_.empty() && line_.back() == '\r')
        line_.pop_back();
    return true;
}

bool response_parser::parse_head_line() {
    std::string_view line = line_;
    if (head_.status == 0) {
        head_ = {};
        return line.starts_with("HTTP/1.1 ") && read_number(line.substr(9), head_.status);
    }
    auto colon = line.find(':');
    if (colon == line.npos)
        return false;
    auto name = line.substr(0, colon);
    auto value = line.substr(std::min(line.find_first_not_of(' ', colon + 1), line.size()));
    std::int64_t number = 0;
    if (same_name(name, "transfer-encoding"))
        head_.chunked = same_name(value, "chunked");
    else if (same_name(name, "content-length"))
        return read_number(value, head_.content_length);
    else if (same_name(name, "lp-trickle-closed"))
        head_.terminated = true;
    else if (same_name(name, "lp-trickle-seq") && read_number(value, number))
        head_.seq = number;
    else if (same_name(name, "lp-trickle-latest") && read_number(value, number))
        head_.latest = number;
    return true;
}

response_parser::event response_parser::next(std::span<const char>& bytes) {
    for (;;) {
        if (state_ == state::done) {
            state_ = state::head;
            head_.status = 0;
            return event::end;
        }
        if (bytes.empty())
            return event::need_more;
        if (state_ == state::sized || state_ == state::chunk_data) {
            auto take = std::min<std::uint64_t>(left_, bytes.size());
            body_ = bytes.first(take);
            bytes = bytes.subspan(take);
            left_ -= take;
            if (left_ == 0)
                state_ = state_ == state::sized ? state::done : state::chunk_end;
            return event::body;
        }
        if (!take_line(bytes))
            return event::need_more;
        bool good = true;
        if (state_ == state::head && line_.empty()) {
            if (head_.status >= 200) {
                left_ = head_.content_length;
                state_ = head_.chunked ? state::chunk_size : left_ ? state::sized : state::done;
                return event::head;
            }
            head_.status = 0;
        } else if (state_ == state::head) {
            good = parse_head_line();
        } else if (state_ == state::chunk_size) {
            good = read_number(line_, left_, 16);
            state_ = left_ ? state::chunk_data : state::trailer;
        } else if (state_ == state::chunk_end) {
            good = line_.empty();
            state_ = state::chunk_size;
        } else if (line_.empty()) { // the trailer's end
            state_ = state::done;
        }
        line_.clear();
        if (!good)
            return event::broken;
    }
}

} // namespace rivulet::bench
