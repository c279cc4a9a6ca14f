// The server's machine after a handshake: any bytes, answered as an owner would answer.
#include "ingest/rtmp_session_fsm.hpp"

#include <cstdlib>

using namespace rivulet;
using namespace rivulet::ingest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    rtmp_session_limits limits;
    limits.chunks.message_bytes = 64u << 10;
    rtmp_session_fsm server(limits, time_point{});
    static const std::vector<std::uint8_t> greeting = [] {
        std::vector<std::uint8_t> c(1 + 2 * rtmp_handshake_size, 0);
        c[0] = 3;
        return c;
    }();
    server.receive(greeting, time_point{});
    server.take_output();
    const std::span<const std::uint8_t> all(data, size);
    std::size_t ends = 0;
    for (std::size_t at = 0; at < size; at += 512) {
        server.receive(all.subspan(at, std::min<std::size_t>(512, size - at)), time_point{});
        while (auto event = server.next_event()) {
            if (ends > 0)
                std::abort(); // nothing follows the end
            if (const auto* asked = std::get_if<rtmp_publish_asked>(&*event)) {
                if (!is_stream_name(asked->target.stream))
                    std::abort();
                server.accept_publish(time_point{});
            } else if (const auto* player = std::get_if<rtmp_play_asked>(&*event)) {
                if (!is_stream_name(player->target.stream))
                    std::abort();
                server.begin_play();
            }
            ends += std::holds_alternative<rtmp_ended>(*event);
        }
        if (server.take_output().size() > (2u << 20))
            std::abort();
    }
    return 0;
}
