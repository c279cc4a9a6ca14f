// One RTMP message, whole: what the chunk reader yields and the chunk writer takes.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>

namespace rivulet::ingest {

// Message types of RTMP 1.0 section 5.4 and 7.1.
enum class rtmp_type : std::uint8_t {
    set_chunk_size = 1,
    abort = 2,
    acknowledgement = 3,
    user_control = 4,
    window_ack_size = 5,
    peer_bandwidth = 6,
    audio = 8,
    video = 9,
    data_amf3 = 15,
    command_amf3 = 17,
    data_amf0 = 18,
    command_amf0 = 20,
    aggregate = 22,
};

struct rtmp_message {
    rtmp_type type = rtmp_type::command_amf0;
    std::uint32_t chunk_stream = 3;
    std::uint32_t stream = 0;    // message stream id
    std::uint32_t timestamp = 0; // milliseconds, wraps at 32 bits
    bytes payload;
};

} // namespace rivulet::ingest
