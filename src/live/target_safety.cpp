#include "live/target_safety.hpp"

#include "base/private_address.hpp"
#include "base/resolve.hpp"

#include <fmt/core.h>

namespace rivulet::live {

awaitable<outcome<void>>
check_target(std::string field, std::string host, std::uint16_t port, duration limit) {
    const failure refused(
        errc::unauthorized,
        fmt::format(
            "{}: a host of this machine or of a private network is not allowed "
            "(-allowPrivateTargets allows it)",
            field
        )
    );
    if (is_private_host(host))
        co_return refused;
    auto found = co_await resolve(host, port, steady_clock::now() + limit);
    if (!found)
        co_return failure(
            found.error(),
            fmt::format("{}: {} can't be resolved: {}", field, host, found.error().message())
        );
    for (const auto& endpoint : *found)
        if (is_private_address(endpoint.address()))
            co_return refused;
    co_return outcome<void>();
}

} // namespace rivulet::live
