// The logger of base/log.hpp as this module has it: its lines go to GStreamer's debug category
// livepeerai (GST_DEBUG=livepeerai:5) and nowhere else. All functions of that header are defined
// here, so base/log.cpp is not linked into the module.
#include "base/log.hpp"
#include "base/log_line.hpp"
#include "report.hpp"

namespace rivulet {

namespace {

GstDebugLevel to_gst(log_level level) {
    switch (level) {
    case log_level::trace:
        return GST_LEVEL_TRACE;
    case log_level::debug:
        return GST_LEVEL_DEBUG;
    case log_level::info:
        return GST_LEVEL_INFO;
    case log_level::warning:
        return GST_LEVEL_WARNING;
    case log_level::error:
        return GST_LEVEL_ERROR;
    case log_level::off:
        break;
    }
    return GST_LEVEL_NONE;
}

} // namespace

// GST_DEBUG decides.
void set_log_level(log_level) {}

bool parse_log_level(std::string_view, log_level&) {
    return false;
}

log_level current_log_level() noexcept {
    const auto threshold = gst_debug_category_get_threshold(element::debug_category());
    for (const auto level :
         {log_level::trace, log_level::debug, log_level::info, log_level::warning})
        if (to_gst(level) <= threshold)
            return level;
    return threshold >= GST_LEVEL_ERROR ? log_level::error : log_level::off;
}

void logger::write(log_level level, fmt::string_view format, fmt::format_args args) const {
    if (level < current_log_level())
        return;
    const auto line = log_line(prefix_, format, args);
    gst_debug_log_literal(
        element::debug_category(), to_gst(level), __FILE__, "log", __LINE__, nullptr, line.c_str()
    );
}

} // namespace rivulet
