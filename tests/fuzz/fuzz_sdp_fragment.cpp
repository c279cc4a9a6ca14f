// Trickle fragments: credentials come in pairs of usable length, and ours can be read back.
#include "support/fuzz_transport.hpp"
#include "webrtc/sdp_answer.hpp"
#include "webrtc/session_http.hpp"

#include <cstdint>
#include <cstdlib>

using namespace rivulet::webrtc;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto read = parse_fragment(text)) {
        if (read->ufrag.empty() != read->password.empty())
            std::abort();
        if (!read->ufrag.empty()) {
            if (read->ufrag.size() < 4 || read->password.size() < 22)
                std::abort();
            auto local = fuzz_transport();
            local.ice = *read;
            const auto again = parse_fragment(write_fragment(local, "0"));
            if (!again || !(*again == *read))
                std::abort();
        }
    }
    // The other texts of a PATCH.
    check_if_match(text, "\"a\"");
    is_content_type(text, fragment_type);
    bearer_of(text);
    if (const auto servers = parse_ice_servers({std::string(text)}))
        for (const auto& server : *servers)
            if (link_text(server).find('\n') != std::string::npos)
                std::abort();
    return 0;
}
