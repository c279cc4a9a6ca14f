// What strangers ask a worker over gRPC, and the token headers of their jobs. The first byte
// chooses; an answer must be one that a gateway can read, and no stranger's token is good.
#include "session/orchestrator_info.hpp"
#include "worker/node_offer.hpp"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string_view>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

worker::node_offer example() {
    worker::node_offer made;
    made.url = "https://127.0.0.1:8936";
    made.version = "0.8.0";
    for (const char* name : {"noop", "avfilter"}) {
        worker::offered_model row;
        row.model = name;
        row.capacity = 1;
        row.price.emplace();
        row.price->per_unit = std::numeric_limits<std::int64_t>::max() - 1;
        row.price->pixels_per_unit = 3;
        made.models.push_back(std::move(row));
    }
    return made;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto offer = example();
    static const worker::token_mint mint;
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    if (data[0] % 2 == 0) {
        const auto answer = worker::answer_discovery(offer, text, mint.make(1'000));
        require(!answer || session::parse_orchestrator_info(*answer));
    } else {
        require(!mint.header_fault(text, 1'000).empty());
    }
    return 0;
}
