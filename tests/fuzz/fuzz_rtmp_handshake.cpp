// Both sides of the handshake; the first octet of the input says how it is cut into reads.
#include "ingest/rtmp_handshake.hpp"

#include <algorithm>

using namespace rivulet::ingest;

namespace {

template <class Side>
void feed(Side& side, std::span<const std::uint8_t> in, std::size_t step) {
    std::vector<std::uint8_t> out;
    while (!in.empty()) {
        auto part = in.first(std::min(step, in.size()));
        in = in.subspan(part.size());
        const auto done = side.receive(part, out);
        if (!done || *done)
            return;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1)
        return 0;
    const std::size_t step = 1 + data[0] * 16u;
    rtmp_server_handshake server;
    feed(server, {data + 1, size - 1}, step);
    rtmp_client_handshake client;
    std::vector<std::uint8_t> out;
    client.start(out);
    feed(client, {data + 1, size - 1}, step);
    return 0;
}
