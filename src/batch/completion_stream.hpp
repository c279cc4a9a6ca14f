// Reads an orchestrator's event stream of a conversation: bytes in, chunks out, whatever the pieces
// they come in (spec/batch.md 6.9). Tolerates empty `choices`, unknown lines, CRLF and comments;
// notices the end, an error event and a stream that just stops. Pure.
// Fails with: too_large (a line), protocol_violation and what the stream itself says went wrong.
// After a failure the chunks that came before it are still there: deliver them first.
#pragma once

#include "base/error.hpp"

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::batch {

class completion_stream {
  public:
    static constexpr std::size_t line_limit = 1u << 20; // of an event, too

    outcome<void> feed(std::string_view piece);
    // The bytes have ended; fails when the conversation hadn't.
    outcome<void> end();
    // The next chunk's JSON text, as it was sent, on one line.
    std::optional<std::string> next();

    // Its end was seen: a finish_reason, or [DONE]. What comes behind it is dropped.
    bool finished() const { return finished_; }

    // usage.total_tokens of the newest chunk that named it, else 0.
    std::int64_t total_tokens() const { return total_tokens_; }

  private:
    outcome<void> take_line(std::string_view line);
    outcome<void> take_data(std::string_view data);
    outcome<void> end_event();
    outcome<void> take_event(std::string_view data, const boost::json::value& told);

    std::string line_;
    // Of the event under way: its lines of data that are no chunk by themselves, and its name.
    std::string data_;
    bool error_event_ = false;
    std::deque<std::string> chunks_;
    bool finished_ = false;
    bool failed_ = false;
    std::int64_t total_tokens_ = 0;
};

} // namespace rivulet::batch
