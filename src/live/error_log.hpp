// What went wrong with a stream: the first error, which stays, and the newest few. An error that
// repeats is counted, not listed again. Pure; times are Unix milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace rivulet::live {

struct logged_error {
    std::string message;
    std::int64_t first_ms = 0, last_ms = 0;
    std::uint64_t count = 1;
};

class error_log {
  public:
    static constexpr std::size_t kept = 10;
    static constexpr std::size_t message_bytes = 500;

    // True when none of the newest says the same: worth a log line.
    bool add(std::string message, std::int64_t now_ms);

    const std::optional<logged_error>& first() const { return first_; }

    // Oldest first.
    const std::deque<logged_error>& newest() const { return newest_; }

  private:
    std::optional<logged_error> first_;
    std::deque<logged_error> newest_;
};

} // namespace rivulet::live
