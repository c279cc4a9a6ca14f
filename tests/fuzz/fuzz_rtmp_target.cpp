// Application, address and key, a line each; and the whole as an address for a client.
#include "ingest/rtmp_target.hpp"

#include <cstdint>
#include <cstdlib>

using namespace rivulet::ingest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto first = text.find('\n');
    const auto second = first == std::string_view::npos ? first : text.find('\n', first + 1);
    if (second != std::string_view::npos) {
        const auto target = resolve_rtmp_target(
            text.substr(0, first),
            text.substr(first + 1, second - first - 1),
            text.substr(second + 1)
        );
        if (target && !is_stream_name(target->stream))
            std::abort();
    }
    const auto url = parse_rtmp_url(text);
    if (url && (url->host.empty() || url->port == 0))
        std::abort();
    return 0;
}
