#include "base/log.hpp"

#include "base/log_line.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <utility>

namespace rivulet {
namespace {

std::atomic<log_level> threshold{log_level::info};

spdlog::logger& sink() {
    static auto instance = [] {
        auto made = std::make_shared<spdlog::logger>(
            "rivulet", std::make_shared<spdlog::sinks::stderr_sink_mt>()
        );
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %L %v");
        made->set_level(spdlog::level::trace);
        made->flush_on(spdlog::level::trace);
        return made;
    }();
    return *instance;
}

spdlog::level::level_enum to_spdlog(log_level level) {
    switch (level) {
    case log_level::trace:
        return spdlog::level::trace;
    case log_level::debug:
        return spdlog::level::debug;
    case log_level::info:
        return spdlog::level::info;
    case log_level::warning:
        return spdlog::level::warn;
    case log_level::error:
        return spdlog::level::err;
    case log_level::off:
        return spdlog::level::off;
    }
    return spdlog::level::info;
}

} // namespace

void set_log_level(log_level level) {
    threshold.store(level, std::memory_order_relaxed);
}

log_level current_log_level() noexcept {
    return threshold.load(std::memory_order_relaxed);
}

bool parse_log_level(std::string_view text, log_level& level) {
    // go-livepeer's -v: 0 fatal … 3 info (default), 4 and up debug.
    static constexpr std::array<std::pair<std::string_view, log_level>, 13> names{{
        {"trace", log_level::trace},
        {"debug", log_level::debug},
        {"info", log_level::info},
        {"warn", log_level::warning},
        {"error", log_level::error},
        {"off", log_level::off},
        {"0", log_level::error},
        {"1", log_level::error},
        {"2", log_level::warning},
        {"3", log_level::info},
        {"4", log_level::debug},
        {"5", log_level::debug},
        {"6", log_level::trace},
    }};
    for (const auto& [name, value] : names) {
        if (name == text) {
            level = value;
            return true;
        }
    }
    return false;
}

void logger::write(log_level level, fmt::string_view format, fmt::format_args args) const {
    if (level < current_log_level())
        return;
    sink().log(to_spdlog(level), log_line(prefix_, format, args));
}

} // namespace rivulet
