// A logger that its owner hands down: each one carries the prefix that names the stream or session.
// Thread: any. Lines go to stderr. Never log tokens, stream keys or SDP passwords.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace rivulet {

enum class log_level { trace, debug, info, warning, error, off };

// Lines below `level` are dropped, for every logger of the process.
void set_log_level(log_level level);
log_level current_log_level() noexcept;
// "debug", "info", … or go-livepeer's -v number (0-6). Fails: false, level untouched.
bool parse_log_level(std::string_view text, log_level& level);

class logger {
  public:
    logger() = default;

    explicit logger(std::string prefix) : prefix_(std::move(prefix)) {}

    // A logger whose lines start with this one's prefix and then `name`: "stream cam: publisher:
    // …".
    logger with(std::string_view name) const {
        return logger(prefix_.empty() ? std::string(name) : prefix_ + ": " + std::string(name));
    }

    const std::string& prefix() const { return prefix_; }

    template <class... Args>
    void debug(fmt::format_string<Args...> format, Args&&... args) const {
        write(log_level::debug, format, fmt::make_format_args(args...));
    }

    template <class... Args>
    void info(fmt::format_string<Args...> format, Args&&... args) const {
        write(log_level::info, format, fmt::make_format_args(args...));
    }

    template <class... Args>
    void warn(fmt::format_string<Args...> format, Args&&... args) const {
        write(log_level::warning, format, fmt::make_format_args(args...));
    }

    template <class... Args>
    void error(fmt::format_string<Args...> format, Args&&... args) const {
        write(log_level::error, format, fmt::make_format_args(args...));
    }

  private:
    void write(log_level, fmt::string_view format, fmt::format_args) const;

    std::string prefix_;
};

} // namespace rivulet
