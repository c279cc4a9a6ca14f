// What an orchestrator says when it refuses a batch request. The first two bytes are its status;
// whatever follows, the client's message is short, printable and never empty.
#include "batch/outcome_text.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2)
        return 0;
    const auto status = 100u + (data[0] * 256u + data[1]) % 500u;
    const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
    const auto said = batch::judge(status, text);
    require(!said.why.text.empty() && said.why.text.size() <= 1000);
    // A request that is at fault has an answer, and nobody else is asked.
    require(said.client.has_value() == (said.why.kind == session::fault_kind::bad_request));
    if (said.client) {
        const auto code = static_cast<unsigned>(said.client->status);
        require(code == 400 || code == 413 || code == 415 || code == 422);
        require(!said.client->message.empty() && said.client->message.size() <= 1000);
        for (const char c : said.client->message)
            require(static_cast<unsigned char>(c) >= 0x20);
        require(!batch::to_json(*said.client, "1a2b3c4d").empty());
    }
    return 0;
}
