// The serving side of bench_whep, in a process of its own so that its CPU time can be read from
// outside: a made-up stream of a given bitrate and the WHEP door; or, as the yardstick, the same
// packets sent by bare sendmmsg. Ends when its standard input does.
#pragma once

#include <cstdint>
#include <vector>

namespace rivulet::bench {

// Prints its HTTP port on a line. Plays "cam".
int serve_whep(int kilobits);

// Sends to these UDP ports of loopback what viewers of the stream are sent: the same sizes at the
// same times, unencrypted.
int serve_floor(int kilobits, const std::vector<std::uint16_t>& ports);

} // namespace rivulet::bench
