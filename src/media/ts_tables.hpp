// The tables of an MPEG-TS stream (PAT, PMT) and the Opus control header. Pure; any input is safe.
#pragma once

#include "media/h264.hpp"

#include <optional>
#include <vector>

namespace rivulet::media {

// Puts the sections of one PID together from packet payloads.
class section_reader {
  public:
    // A whole section with a valid checksum, without it; it lives until the next call.
    std::optional<byte_span> push(byte_span payload, bool starts);
    void reset();

  private:
    std::vector<std::uint8_t> data_;
    bool collecting_ = false;
};

struct ts_stream {
    int pid = -1;
    codec type = codec::none;
    int channels = 0; // Opus only
    bool operator==(const ts_stream&) const = default;
};

// PID of the first program's PMT.
std::optional<int> parse_pat(byte_span section);
// The streams of a PMT in order, those with an unknown type included (codec::none).
std::optional<std::vector<ts_stream>> parse_pmt(byte_span section);

struct opus_control {
    std::size_t header_size = 0;
    std::size_t size = 0; // of the packet that follows; within the data
};

std::optional<opus_control> parse_opus_control(byte_span data);

} // namespace rivulet::media
