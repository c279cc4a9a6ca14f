// Whatever parses can be written again and parses to the same.
#include "ingest/rtmp_amf0.hpp"

#include <cstdlib>

using namespace rivulet::ingest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto values = parse_amf0({data, size});
    if (!values)
        return 0;
    std::vector<std::uint8_t> written;
    for (const auto& value : *values)
        append_amf0(written, value);
    const auto again = parse_amf0(written);
    // A NaN differs from itself, so the bytes are compared.
    std::vector<std::uint8_t> twice;
    if (!again)
        std::abort();
    for (const auto& value : *again)
        append_amf0(twice, value);
    if (twice != written)
        std::abort();
    return 0;
}
