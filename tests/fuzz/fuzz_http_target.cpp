// Request targets: whatever is cut, decoded and matched stays within the input and is stable.
#include "http/target.hpp"

#include <cstdint>
#include <cstdlib>

using namespace rivulet::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto cut = split(text);
    if (cut.path.size() + cut.query.size() > size + 1)
        std::abort();
    if (const auto plain = percent_decode(text)) {
        if (plain->size() > size)
            std::abort();
        if (percent_decode(percent_encode(*plain)) != plain)
            std::abort();
    }
    for (const auto& [name, value] : parse_query(cut.query))
        if (name.size() + value.size() > cut.query.size())
            std::abort();
    for (const auto* pattern : {"/", "/a/{x}", "/live/{stream}/update", "/{a}/{b}/{c}"})
        if (const auto params = match_pattern(pattern, cut.path))
            for (const auto& [name, value] : *params)
                if (value.empty())
                    std::abort();
    return 0;
}
