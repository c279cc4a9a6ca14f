// The text of one log line, wherever it goes. Pure.
#pragma once

#include <fmt/format.h>

#include <string>

namespace rivulet {

inline std::string
log_line(const std::string& prefix, fmt::string_view format, fmt::format_args args) {
    auto line = prefix.empty() ? std::string() : prefix + ": ";
    line += fmt::vformat(format, args);
    // Peers choose names and messages: a line break in them must not forge a log line.
    for (char& c : line)
        if (static_cast<unsigned char>(c) < 0x20)
            c = ' ';
    return line;
}

} // namespace rivulet
