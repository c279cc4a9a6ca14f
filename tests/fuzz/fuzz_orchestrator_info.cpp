// Answers and questions of discovery: what is read is within its bounds, and written again it reads
// the same.
#include "session/orchestrator_info.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

void expect(bool holds) {
    if (!holds)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet::session;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (auto read = parse_orchestrator_info(input)) {
        const auto& info = **read;
        expect(info.raw == input);
        expect(info.address.empty() || info.address.size() == 20);
        expect(info.nodes.size() <= 64 && info.capability_prices.size() <= 4096);
        expect(info.transcoder.empty() || info.transcoder.starts_with("http"));
        expect(!info.price || (info.price->per_unit >= 0 && info.price->pixels_per_unit > 0));
        expect(!info.token || info.token->expiration >= 0);
        auto again = parse_orchestrator_info(to_protobuf(info));
        expect(again && (*again)->transcoder == info.transcoder);
        expect((*again)->capabilities.has_value() == info.capabilities.has_value());
        if (info.capabilities) {
            const auto wanted = wanted_capabilities(35, "noop", "0.4.1", "0.13.0");
            const auto why = incompatibility(wanted, *info.capabilities);
            expect(why == incompatibility(wanted, *(*again)->capabilities));
            (void)incompatibility(*info.capabilities, wanted);
        }
    }
    if (auto read = parse_info_request(input)) {
        const auto again =
            parse_info_request(info_request(read->caller, read->capabilities, read->ignore_capacity)
            );
        expect(again && again->caller.address == read->caller.address);
        expect(again->ignore_capacity == read->ignore_capacity);
    }
    return 0;
}
