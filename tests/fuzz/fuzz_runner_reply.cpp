// What external runners answer: health, version, hardware, refusals; and the batch requests that
// gateways send for them. The first byte chooses; what is kept must be bounded and printable.
#include "worker/model_in_form.hpp"
#include "worker/runner_wire.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check_text(std::string_view text, std::size_t limit) {
    require(text.size() <= limit);
    require(std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    switch (data[0] % 5) {
    case 0:
        (void)worker::parse_health(text);
        break;
    case 1: {
        const auto facts = worker::parse_version(text);
        require(!facts.pipeline.empty());
        check_text(facts.pipeline, 256);
        check_text(facts.model, 256);
        check_text(facts.version, 256);
        break;
    }
    case 2:
        if (const auto hardware = worker::parse_hardware(text)) {
            require(hardware->gpus.size() <= 64);
            for (const auto& [key, gpu] : hardware->gpus) {
                check_text(key, 256);
                check_text(gpu.name, 256);
                require(gpu.memory_total >= 0);
            }
        }
        break;
    case 3:
        check_text(worker::complaint_of(text), 300);
        break;
    case 4: {
        const auto end = text.find('\n');
        const auto body = end == std::string_view::npos ? text : text.substr(end + 1);
        check_text(worker::model_of_batch(body), 256);
        // The same as a form, in two pieces.
        const std::span<const std::uint8_t> bytes(
            reinterpret_cast<const std::uint8_t*>(body.data()), body.size()
        );
        worker::model_in_form form("b");
        if (form.feed(bytes.first(bytes.size() / 2)) && form.feed(bytes.subspan(bytes.size() / 2)))
            (void)form.finish();
        require(form.model().size() <= 1'000);
        break;
    }
    }
    return 0;
}
