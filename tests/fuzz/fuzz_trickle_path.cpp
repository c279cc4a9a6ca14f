// Paths of the trickle endpoints and the numbers in them.
#include "trickle/request_path.hpp"

#include <cstdint>
#include <cstdlib>

using namespace rivulet::trickle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto parsed = parse_request_path(text)) {
        if (parsed->name.empty() || (parsed->item && parsed->item->empty()))
            std::abort();
        if (parsed->item)
            parse_seq(*parsed->item);
    }
    if (const auto seq = parse_seq(text); seq && parse_seq(std::to_string(*seq)) != seq)
        std::abort();
    return 0;
}
