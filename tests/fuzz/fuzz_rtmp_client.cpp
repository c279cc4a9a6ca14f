// The client's machine against any server.
#include "ingest/rtmp_client_fsm.hpp"

#include <algorithm>
#include <cstdlib>

using namespace rivulet;
using namespace rivulet::ingest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::vector<std::uint8_t> greeting = [] {
        std::vector<std::uint8_t> s(1 + 2 * rtmp_handshake_size, 0);
        s[0] = 3;
        return s;
    }();
    for (auto role : {rtmp_role::publish, rtmp_role::play}) {
        rtmp_chunk_limits limits;
        limits.message_bytes = 64u << 10;
        rtmp_client_fsm client(role, parse_rtmp_url("rtmp://h/live/cam").value(), limits);
        client.start();
        client.receive(greeting);
        client.take_output();
        bool ended = false;
        const std::span<const std::uint8_t> all(data, size);
        for (std::size_t at = 0; at < size; at += 300) {
            client.receive(all.subspan(at, std::min<std::size_t>(300, size - at)));
            while (auto event = client.next_event()) {
                if (ended)
                    std::abort();
                ended = std::holds_alternative<rtmp_client_ended>(*event);
            }
            client.take_output();
        }
        client.finish();
    }
    return 0;
}
