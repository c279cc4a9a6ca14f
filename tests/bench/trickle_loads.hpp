// The traffic shapes of the trickle benchmark, with what the Go reference server was recorded to
// need for them on a machine like the one that runs CI.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rivulet::bench {

struct trickle_load {
    std::string_view name;
    std::uint32_t channels;
    std::uint32_t subscribers; // of each channel
    std::uint32_t message_bytes;
    std::uint32_t rate; // messages a second on each channel; 0 = flat out
    std::uint32_t segment_messages;

    // Zero means: not recorded.
    double reference_cpu = 0; // CPU seconds per GB delivered
    double reference_floor_cpu = 0;
    double reference_p99_ms = 0;
    double reference_rss_mb = 0;
    double reference_gb_s = 0;

    bool paced() const { return rate != 0; }
};

// A flat-out publisher never runs further than this ahead of its slowest subscriber: a server may
// cut readers that lag past its window, and cut readers would flatter it.
inline constexpr std::uint64_t max_messages_ahead = 64;

inline constexpr std::array<trickle_load, 5> trickle_loads{{
    {"paced-1", 50, 1, 8 << 10, 30, 30, 15.2, 2.5, 0, 90, 0},
    {"paced-4", 50, 4, 8 << 10, 30, 30},
    {"many", 200, 2, 4 << 10, 30, 30, 11.8, 2.7, 6, 283, 0},
    {"flat-1", 1, 1, 64 << 10, 0, 256, 0.98, 0, 0, 0, 1.1},
    {"flat-8", 1, 8, 64 << 10, 0, 256, 0.52, 0, 0, 0, 1.9},
}};

} // namespace rivulet::bench
