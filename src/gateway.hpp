// The gateway in one object: shards, HTTP and trickle, RTMP, the live streams and, when no
// orchestrator is named, the built-in one on loopback. Built from a plain struct; reads no flags.
// Thread: construct, start and stop from one thread outside the shards.
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "http/tls.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace rivulet {

struct gateway_options {
    // Listeners, "HOST:PORT"; port 0 picks one. An empty RTMP address switches RTMP off.
    std::string http_addr = "127.0.0.1:8935";
    std::string rtmp_addr = "127.0.0.1:1935";
    bool cors = false; // every reply may be read by pages of any origin

    // Orchestrators in order of preference: "https://host:port", "host:port", "host" (as
    // go-livepeer reads -orchAddr: no scheme is https, no port 8935, no host 127.0.0.1). Empty: the
    // built-in one.
    std::vector<std::string> orch_addrs;
    http::tls_verify orch_tls = http::tls_verify::full;
    std::filesystem::path orch_ca_file; // trusted besides the system's store; may be empty
    // An orchestrator may name channels only on its own host unless this is set.
    bool orch_foreign_channels = false;
    std::size_t worker_capacity = 0; // of the built-in orchestrator, in streams; 0 is one per core

    // Live streams.
    std::size_t max_streams = 1'000;
    std::chrono::milliseconds min_segment = std::chrono::seconds(1);  // -minSegDuration
    std::chrono::milliseconds max_segment = std::chrono::seconds(30); // cut without a keyframe
    std::uint64_t max_segment_media = 48ull << 20;                    // the same, in bytes
    std::chrono::milliseconds output_timeout{0}; // -liveOutSegmentTimeout; 0: a watchdog of 30 s
    std::chrono::milliseconds play_wait = std::chrono::seconds(10); // for a stream not there yet
    bool private_rtmp_output = false; // rtmpOutput may name loopback, link-local and private hosts

    // The process.
    std::size_t shards = 0; // network threads; 0 is one per core
    std::size_t max_connections = 20'000;
    std::size_t max_rtmp_connections = 4'000;
    std::size_t max_rtmp_connections_per_address = 3'000;
    std::chrono::milliseconds rtmp_handshake = std::chrono::seconds(10); // until publish or play
    std::chrono::milliseconds rtmp_idle = std::chrono::seconds(30);
    std::size_t max_channels = 10'000;
    std::size_t max_readers = 10'000;                          // of one channel
    std::uint64_t max_segment_bytes = 64ull << 20;             // of a trickle segment
    std::chrono::milliseconds drain = std::chrono::seconds(5); // stop() waits so long for replies
};

// What was really bound.
struct gateway_ports {
    std::uint16_t http = 0;
    std::uint16_t rtmp = 0;   // 0: RTMP is off
    std::uint16_t worker = 0; // the built-in orchestrator; 0: remote ones are used
};

class gateway {
  public:
    gateway(gateway_options options, logger log);
    // Stops when still running.
    ~gateway();
    gateway(const gateway&) = delete;
    gateway& operator=(const gateway&) = delete;

    // Binds and serves. Fails with a text that names the address and the reason; then nothing runs.
    outcome<gateway_ports> start();
    // Refuses publishers, ends every stream (its channels are deleted at the orchestrator), waits
    // for replies in progress and closes. Idempotent.
    void stop();

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet
