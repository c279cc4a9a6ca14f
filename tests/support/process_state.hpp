// What this process holds: file descriptors, threads, memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <malloc.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RIVULET_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RIVULET_SANITIZED 1
#endif
#endif

namespace rivulet::test {

struct process_state {
    std::size_t descriptors = 0, threads = 0, resident = 0; // bytes
};

inline process_state look_at_process() {
    const auto entries = [](const char* folder) {
        using files = std::filesystem::directory_iterator;
        return static_cast<std::size_t>(std::distance(files(folder), files()));
    };
    ::malloc_trim(0); // what is free is not held
    process_state now;
    now.descriptors = entries("/proc/self/fd");
    now.threads = entries("/proc/self/task");
    std::size_t total = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> total >> pages;
    now.resident = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return now;
}

// The open ones, sockets with both ends, for a test that misses some.
inline std::string describe_descriptors() {
    const auto port = [](auto ask, int fd) {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        return ask(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0
                   ? std::to_string(ntohs(address.sin_port))
                   : std::string("-");
    };
    std::string out;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const int fd = std::stoi(entry.path().filename().string());
        const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
        out += entry.path().filename().string() + " " + target;
        if (target.starts_with("socket:"))
            out += " " + port(::getsockname, fd) + " to " + port(::getpeername, fd);
        out += "\n";
    }
    return out;
}

// Memory means little below a sanitizer.
inline constexpr bool memory_is_measured =
#ifdef RIVULET_SANITIZED
    false;
#else
    true;
#endif

} // namespace rivulet::test
