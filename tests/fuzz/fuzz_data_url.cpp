// A data URL of an orchestrator's answer: never crashes, never more than its limit, and what comes
// out is what was encoded.
#include "base/base64.hpp"
#include "batch/data_url.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet;
    constexpr std::uint64_t limit = 4'096;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto parsed = batch::parse_data_url(text, limit);
    if (!parsed)
        return 0;
    if (!batch::is_data_url(text) || parsed->bytes.size() > limit)
        std::abort();
    const auto again = batch::parse_data_url("data:;base64," + to_base64(parsed->bytes), limit);
    if (!again || again->bytes != parsed->bytes)
        std::abort();
    return 0;
}
