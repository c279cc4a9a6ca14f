// A list of orchestrators from a webhook or a signer: never crashes, stays bounded, and every
// address that comes out is one that can be asked.
#include "session/orchestrator_address.hpp"
#include "session/webhook_source.hpp"

#include <cmath>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet::session;
    const auto list =
        parse_webhook_list(std::string_view(reinterpret_cast<const char*>(data), size), 0);
    if (!list)
        return 0;
    if (list->candidates.size() > 4'096)
        std::abort();
    for (const auto& one : list->candidates) {
        const auto again = orchestrator_base(one.address);
        if (!again || *again != one.address || !std::isfinite(one.score))
            std::abort();
    }
    return 0;
}
