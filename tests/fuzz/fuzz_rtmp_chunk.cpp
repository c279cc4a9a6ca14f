// The chunk reader under small limits. However the bytes are cut into reads, the messages are the
// same; and what is read can be written and read again.
#include "ingest/rtmp_chunk.hpp"

#include <cstdlib>

using namespace rivulet;
using namespace rivulet::ingest;

namespace {

std::vector<rtmp_message>
read(std::span<const std::uint8_t> in, std::size_t step, error_code& failed) {
    rtmp_chunk_limits limits;
    limits.message_bytes = 64u << 10;
    limits.chunk_streams = 8;
    rtmp_chunk_reader reader(limits);
    std::vector<rtmp_message> out;
    while (!in.empty() && !failed) {
        const auto part = in.first(std::min(step, in.size()));
        in = in.subspan(part.size());
        failed = reader.receive(part, out);
    }
    return out;
}

bool same(const rtmp_message& a, const rtmp_message& b) {
    return a.type == b.type && a.timestamp == b.timestamp && a.stream == b.stream &&
           a.payload.text() == b.payload.text();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    error_code failed_whole, failed_cut, failed_again;
    const auto whole = read({data, size}, size + 1, failed_whole);
    const auto cut = read({data, size}, 7, failed_cut);
    if (whole.size() != cut.size() || failed_whole != failed_cut)
        std::abort();
    rtmp_chunk_writer writer(1000);
    std::vector<std::uint8_t> wire;
    rtmp_message chunk_size;
    chunk_size.type = rtmp_type::set_chunk_size;
    chunk_size.chunk_stream = 2;
    chunk_size.payload = bytes::copy_of(std::vector<std::uint8_t>{0, 0, 3, 0xe8});
    writer.append(wire, chunk_size);
    for (std::size_t i = 0; i < whole.size(); ++i) {
        if (!same(whole[i], cut[i]))
            std::abort();
        auto message = whole[i];
        message.chunk_stream = 3;
        writer.append(wire, message);
    }
    const auto again = read(wire, 4096, failed_again);
    if (failed_again || again.size() != whole.size())
        std::abort();
    for (std::size_t i = 0; i < whole.size(); ++i)
        if (!same(whole[i], again[i]))
            std::abort();
    return 0;
}
