#include "ingest/srt_library.hpp"

#include <arpa/inet.h>
#include <srt/access_control.h>
#include <syslog.h>

namespace rivulet::ingest {

void start_srt() {
    static const int started = [] {
        const int result = srt_startup();
        // Every broken packet of a stranger is an error to libsrt.
        srt_setloglevel(LOG_CRIT);
        return result;
    }();
    static_cast<void>(started);
}

std::string last_srt_error() {
    std::string text = srt_getlasterror_str();
    while (!text.empty() && (text.back() == '.' || text.back() == ' '))
        text.pop_back();
    return text;
}

std::string to_string(const sockaddr& address) {
    char text[INET6_ADDRSTRLEN] = "?";
    if (address.sa_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
    }
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
}

int srt_reject_code(const failure& why, bool key_shown) {
    if (why.code == errc::unauthorized)
        return key_shown ? SRT_REJX_FORBIDDEN : SRT_REJX_UNAUTHORIZED;
    if (why.code == errc::not_found)
        return SRT_REJX_NOTFOUND;
    if (why.code == errc::already_exists)
        return SRT_REJX_CONFLICT;
    if (why.code == errc::too_many || why.code == errc::no_capacity)
        return SRT_REJX_OVERLOAD;
    if (why.code == errc::invalid_argument)
        return SRT_REJX_BAD_REQUEST;
    if (why.code == errc::unsupported)
        return SRT_REJX_BAD_MODE;
    if (why.code == errc::closed || why.code == errc::timed_out)
        return SRT_REJX_DOWN;
    return SRT_REJX_ISE;
}

} // namespace rivulet::ingest
