#include "service_notice.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace rivulet {
namespace {

// systemd takes a service whose READY is lost for one that never started, and ends it.
constexpr timeval patience{.tv_sec = 2, .tv_usec = 0};

// 0, or errno's number.
int send_notice(std::string_view path, std::string_view state) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() < 2 || (path[0] != '/' && path[0] != '@'))
        return EINVAL;
    if (path.size() >= sizeof address.sun_path)
        return ENAMETOOLONG;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@') // Linux's abstract names begin with a zero byte
        address.sun_path[0] = 0;
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0)
        return errno;
    int wrong = 0;
    if (::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        ::sendto(
            socket,
            state.data(),
            state.size(),
            MSG_NOSIGNAL,
            reinterpret_cast<const sockaddr*>(&address),
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size())
        ) < 0)
        wrong = errno;
    ::close(socket);
    return wrong;
}

} // namespace

void tell_service_manager(std::string_view state, const logger& log) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (!path)
        return;
    if (const int wrong = send_notice(path, state))
        log.warn(
            "the service manager was not told {}: {}",
            state.substr(0, state.find('\n')),
            std::strerror(wrong)
        );
}

} // namespace rivulet
