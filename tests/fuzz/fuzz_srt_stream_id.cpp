// The whole input as an SRT stream id.
#include "ingest/rtmp_target.hpp"
#include "ingest/srt_stream_id.hpp"

#include <cstdint>
#include <cstdlib>

using namespace rivulet::ingest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto target = parse_srt_stream_id(text);
    if (target && !is_stream_name(target->stream))
        std::abort();
    return 0;
}
