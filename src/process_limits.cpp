#include "process_limits.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <malloc.h>
#include <sys/resource.h>

namespace rivulet {
namespace {

constexpr rlim_t few_files = 8192;

} // namespace

void prepare_process(std::size_t connections, const logger& log) {
    // Segments come and go: without this the allocator gives a channel's pages back to the kernel
    // and fetches them again, page fault by page fault.
    ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
    ::mallopt(M_MMAP_THRESHOLD, 4 << 20);

    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0)
        log.warn("cannot raise the limit of open files: {}", std::strerror(errno));
    ::getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur == RLIM_INFINITY || files.rlim_cur >= connections)
        return;
    const auto text = fmt::format(
        "the system allows {} open files, fewer than the {} connections that are configured: raise "
        "`ulimit -Hn` (systemd: LimitNOFILE=) or lower the limits",
        files.rlim_cur,
        connections
    );
    // The default limits are generous; only a number that busy gateways do reach is worth a
    // warning.
    if (files.rlim_cur < few_files)
        log.warn("{}", text);
    else
        log.debug("{}", text);
}

} // namespace rivulet
