// Reads an orchestrator's event stream of a conversation: bytes in, chunks out, whatever the pieces
// they come in (spec/batch.md 6.9). Tolerates empty `choices`, unknown lines, CRLF and comments;
// notices the end, an error event and a stream that just stops. Pure.
// Fails with: too_large (a line), protocol_violation and what the stream itself says went wrong.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::batch {

class completion_stream {
  public:
    static constexpr std::size_t line_limit = 1u << 20;

    outcome<void> feed(std::string_view piece);
    // The bytes have ended; fails when the conversation hadn't.
    outcome<void> end();
    // The next chunk's JSON text, as it was sent.
    std::optional<std::string> next();

    // Its end was seen: a finish_reason, or [DONE].
    bool finished() const { return finished_; }

    // usage.total_tokens of the newest chunk that named it, else 0.
    std::int64_t total_tokens() const { return total_tokens_; }

  private:
    outcome<void> take_line(std::string_view line);

    std::string line_;
    std::deque<std::string> chunks_;
    bool finished_ = false;
    std::int64_t total_tokens_ = 0;
};

} // namespace rivulet::batch
