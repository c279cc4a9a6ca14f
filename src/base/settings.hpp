// Every setting of every command, typed. The initialisers are the defaults that --help and
// docs/options.md print; names, help and limits are rows of base/settings_table.cpp.
// Thread: filled once before anything starts, then only read.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace rivulet {

struct settings {
    // Gateway: addresses. "HOST:PORT"; no host means all interfaces, port 0 picks a free one.
    bool gateway = true;
    std::string http_addr = "127.0.0.1:8935";
    std::string rtmp_addr = "127.0.0.1:1935"; // empty switches RTMP off
    std::string https_addr;                   // the API over TLS; empty: off
    std::string rtmps_addr;
    std::string srt_addr = "127.0.0.1:8890";
    std::string webrtc_addr = "127.0.0.1:7280-7379";
    std::string tls_cert, tls_key;
    std::string gateway_host;
    bool cors = false;

    // Gateway: WebRTC.
    std::string nat_ip;
    std::vector<std::string> ice_servers = {"stun:stun.l.google.com:19302"};
    bool ice_tcp = true;
    std::int64_t webrtc_peers = 4'000;
    duration keyframe_interval = std::chrono::seconds(2);
    bool whip_transcode = true;
    duration video_gather_timeout = std::chrono::seconds(5);
    bool disable_ts_correction = false;
    duration whep_wait = std::chrono::seconds(10);
    std::int64_t whep_max_sessions = 0;
    std::string whep_url;

    // Gateway: SRT.
    std::string srt_passphrase;
    duration srt_latency = std::chrono::milliseconds(120);
    std::int64_t srt_max_connections = 2'000;

    // Gateway: who may do what.
    std::string stream_keys;
    std::string live_ai_auth_webhook_url, live_ai_auth_api_key;
    std::string live_ai_heartbeat_url, live_ai_heartbeat_headers;
    duration live_ai_heartbeat_interval = std::chrono::seconds(5);
    bool auth_webhook_publish_only = false;
    std::string media_mtx_api, media_mtx_api_password;
    bool allow_private_targets = false;
    bool disable_rtmp_output = false;

    // Gateway: orchestrators.
    std::vector<std::string> orch_addr;           // empty: the built-in one
    std::string orchestrator_tls_verify = "full"; // full, pin or none
    std::string orchestrator_ca_file;
    bool orchestrator_foreign_channels = false;

    // Gateway: live streams.
    std::int64_t max_streams = 1'000;
    duration min_seg_duration = std::chrono::seconds(1);
    duration max_seg_duration = std::chrono::seconds(30);
    std::uint64_t segment_bytes = 48ull << 20;
    duration live_out_segment_timeout{0};
    duration play_wait = std::chrono::seconds(10);

    // Gateway: RTMP.
    std::int64_t rtmp_max_connections = 4'000;
    std::int64_t rtmp_max_per_address = 3'000;
    duration rtmp_handshake_timeout = std::chrono::seconds(10);
    duration rtmp_idle_timeout = std::chrono::seconds(30);

    // Trickle, wherever it is served.
    std::int64_t trickle_channels = 10'000;
    std::int64_t trickle_readers = 10'000;
    std::uint64_t trickle_segment_bytes = 64ull << 20;

    // The worker, alone or built in.
    std::string service_addr = "127.0.0.1:8936";
    std::int64_t capacity = 0; // streams at once; 0 is one per core

    // The trickle server alone.
    std::string addr = "127.0.0.1:2939";
    std::string path = "/";
    bool autocreate = false;

    // The process.
    std::int64_t shards = 0; // network threads; 0 is one per two cores
    std::int64_t max_connections = 20'000;
    duration drain_timeout = std::chrono::seconds(5);
    log_level level = log_level::info;
};

} // namespace rivulet
