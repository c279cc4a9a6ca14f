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
    std::vector<std::string> orch_addr;          // empty: the built-in one
    std::string orchestrator_tls_verify = "pin"; // full, pin or none
    std::string orchestrator_ca_file;
    bool orchestrator_foreign_channels = false;
    std::string orch_webhook_url;
    std::vector<std::string> orch_blocklist;
    std::string orch_min_livepeer_version, ai_min_runner_version;
    std::int64_t extra_nodes = 0;
    duration discovery_timeout = std::chrono::milliseconds(500);
    duration ai_processing_retry_timeout = std::chrono::seconds(10);
    duration live_ai_cap_report_interval = std::chrono::minutes(25);

    // Gateway: swaps.
    std::string swap_filler = "freeze"; // freeze, source or none
    std::int64_t swap_limit = 0;        // 0: no limit
    duration swap_window = std::chrono::minutes(3);

    // Gateway: prices and payment.
    std::string max_price_per_unit, pixels_per_unit = "1", max_price_per_capability;
    bool ignore_max_price_if_needed = false;
    std::string remote_signer_url, remote_signer_headers;
    duration live_payment_interval = std::chrono::seconds(5);
    std::string live_payment_pixels = "fixed"; // fixed or real
    std::string network = "offchain", eth_url, eth_controller, eth_acct_addr, eth_keystore_path;
    std::string eth_password;
    bool ai_service_registry = false;
    std::string max_ticket_ev = "3000000000000", max_total_ev = "20000000000000";
    std::int64_t deposit_multiplier = 1;

    // Gateway: the private API and what it shows.
    std::string cli_addr = "127.0.0.1:5935"; // empty: off
    bool monitor = false;
    bool metrics_per_stream = false, metrics_client_ip = false;
    std::string node_id;
    std::string kafka_bootstrap_servers, kafka_user, kafka_password, kafka_gateway_topic;
    std::string kafka_ca_file;

    // Gateway: live streams.
    std::int64_t max_streams = 1'000;
    duration min_seg_duration = std::chrono::seconds(1);
    duration max_seg_duration = std::chrono::seconds(30);
    std::uint64_t segment_bytes = 48ull << 20;
    duration live_out_segment_timeout{0};
    duration play_wait = std::chrono::seconds(10);

    // Gateway: batch pipelines.
    std::string result_store;         // a folder; empty: memory
    std::string result_urls = "auto"; // auto, path or absolute
    std::uint64_t result_store_bytes = 512ull << 20, result_file_bytes = 300'000'000;
    duration result_ttl = std::chrono::hours(1);
    bool result_foreign_hosts = false;
    duration result_timeout = std::chrono::seconds(120);
    std::string job_store; // a folder; empty: memory
    duration job_ttl = std::chrono::hours(24);
    std::int64_t max_jobs = 10'000, max_running_jobs = 8;
    std::int64_t max_concurrent_requests = 256, max_waiting_requests = 1'000;
    duration max_request_wait = std::chrono::seconds(30);
    duration batch_timeout = std::chrono::minutes(20), batch_try_timeout = std::chrono::minutes(15);
    std::uint64_t max_json_bytes = 10u << 20, max_upload_bytes = 100u << 20;
    std::uint64_t batch_memory = 1ull << 30;
    std::string upload_folder; // empty: the system's
    std::string job_webhook_secret;
    bool llm_done_event = true;

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
    bool worker_tls = false;   // with a certificate of its own making
    std::string service_url;
    bool check_tokens = false;
    std::vector<std::string> nodes;
    std::string node_version;
    std::string price_per_unit, price_per_capability;
    std::vector<std::string> runners, runner_models;
    std::string runner_kind = "auto", runner_token, runner_callback;

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
