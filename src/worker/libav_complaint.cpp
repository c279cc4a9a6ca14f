#include "worker/libav_complaint.hpp"

#include "base/utf8.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <mutex>

extern "C" {
#include <libavutil/log.h>
}

namespace rivulet::worker {

namespace {

constexpr std::size_t text_limit = 300;

thread_local std::string* kept = nullptr;

void take_line(void* context, int level, const char* format, va_list arguments) {
    if (!kept)
        return av_log_default_callback(context, level, format, arguments);
    if (level > AV_LOG_ERROR || kept->size() >= text_limit)
        return;
    char line[256];
    if (std::vsnprintf(line, sizeof line, format, arguments) <= 0)
        return;
    std::string text(line);
    while (!text.empty() && (text.back() == '\n' || text.back() == '.'))
        text.pop_back();
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' '
    );
    if (text.empty())
        return;
    if (!kept->empty())
        *kept += "; ";
    *kept += text;
    *kept = valid_utf8(*kept, text_limit); // libav cuts lines anywhere, and so does vsnprintf
}

} // namespace

void keep_libav_quiet() {
    static std::once_flag once;
    std::call_once(once, [] {
        av_log_set_level(AV_LOG_FATAL);
        av_log_set_callback(take_line);
    });
}

libav_complaint::libav_complaint() {
    keep_libav_quiet();
    kept = &text_;
}

libav_complaint::~libav_complaint() {
    kept = nullptr;
}

} // namespace rivulet::worker
