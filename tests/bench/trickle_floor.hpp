// The floor: a bare epoll relay that hands each publisher's bytes to the subscribers of its
// channel. No HTTP, no segments, no memory of the past: what any server on this machine must spend.
// Thread: one, its own process.
#pragma once

namespace rivulet::bench {

// Prints its address as a server does, then runs until it is killed.
[[noreturn]] void run_floor_relay();

} // namespace rivulet::bench
