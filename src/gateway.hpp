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
    // Listeners, "HOST:PORT"; port 0 picks one. An empty address leaves that door shut.
    std::string http_addr = "127.0.0.1:8935";
    std::string rtmp_addr = "127.0.0.1:1935";
    std::string https_addr, rtmps_addr; // need the certificate
    std::string srt_addr;
    std::string webrtc_addr; // "HOST:PORT" or "HOST:FIRST-LAST"
    std::filesystem::path tls_cert, tls_key;
    std::string gateway_host; // "host", "host:port" or a URL; empty: as clients address it
    bool cors = false;        // every reply may be read by pages of any origin

    // WebRTC.
    std::string nat_ip;
    std::vector<std::string> ice_servers; // as webrtc::parse_ice_servers reads them
    bool ice_tcp = true;
    std::size_t webrtc_peers = 4'000;
    std::chrono::milliseconds keyframe_interval = std::chrono::seconds(2);
    bool whip_transcode = true;
    std::chrono::milliseconds video_gather = std::chrono::seconds(5);
    bool correct_timestamps = true; // of Safari
    std::chrono::milliseconds whep_wait = std::chrono::seconds(10);
    std::size_t whep_max_sessions = 0; // of one stream; 0: any number
    std::string whep_url;              // before {stream}-{request}-out/whep; empty: this gateway

    // SRT.
    std::string srt_passphrase;
    std::chrono::milliseconds srt_latency{120};
    std::size_t max_srt_connections = 2'000;

    // Who may do what.
    std::filesystem::path stream_keys; // empty: no keys are asked
    std::string auth_webhook_url, auth_api_key;
    std::string heartbeat_url, heartbeat_headers;
    std::chrono::milliseconds heartbeat_interval = std::chrono::seconds(5);
    bool webhook_publish_only = false;
    std::string media_mtx_api, media_mtx_password;
    bool private_targets = false; // push to and pull from loopback, link-local and private hosts
    bool push = true;             // what rtmpOutput asks for

    // Orchestrators in order of preference: "https://host:port", "host:port", "host" (as
    // go-livepeer reads -orchAddr: no scheme is https, no port 8935, no host 127.0.0.1). Empty: the
    // built-in one.
    std::vector<std::string> orch_addrs;
    http::tls_verify orch_tls = http::tls_verify::pin_first;
    std::filesystem::path orch_ca_file; // trusted besides the system's store; may be empty
    // An orchestrator may name channels only on its own host unless this is set.
    bool orch_foreign_channels = false;
    std::size_t worker_capacity = 0; // of the built-in orchestrator, in streams; 0 is one per core
    std::string orch_webhook_url;    // wins over orch_addrs
    std::vector<std::string> orch_blocklist;
    std::string orch_min_version, ai_min_runner_version;
    std::size_t extra_nodes = 0;
    std::chrono::milliseconds discovery_timeout{500};
    std::chrono::milliseconds retry_timeout = std::chrono::seconds(10); // of a request, all tries
    std::chrono::milliseconds network_poll = std::chrono::minutes(25);

    // Swaps.
    std::string swap_filler = "freeze"; // freeze, source, none
    unsigned swap_limit = 0;            // 0: no limit
    std::chrono::milliseconds swap_window = std::chrono::minutes(3);

    // Prices and payment; texts as the settings of these names take them.
    std::string max_price_per_unit, pixels_per_unit = "1", max_price_per_capability;
    bool ignore_max_price_if_needed = false;
    std::string remote_signer_url, remote_signer_headers;
    std::chrono::milliseconds payment_interval = std::chrono::seconds(5);
    bool real_pixels = false;
    std::string chain = "offchain"; // -network
    std::string eth_url, eth_controller, eth_account, eth_keystore, eth_password;
    bool ai_service_registry = false;
    std::string max_ticket_ev = "3000000000000", max_total_ev = "20000000000000";
    std::int64_t deposit_multiplier = 1;

    // What operators see. An empty address: no private API.
    std::string private_addr;
    bool monitor = false;
    bool metrics_per_stream = false, metrics_client_ip = false;
    std::string node_id; // empty: the host's name
    std::string kafka_servers, kafka_user, kafka_password, kafka_topic, kafka_ca_file;

    // Live streams.
    std::size_t max_streams = 1'000;
    std::chrono::milliseconds min_segment = std::chrono::seconds(1);  // -minSegDuration
    std::chrono::milliseconds max_segment = std::chrono::seconds(30); // cut without a keyframe
    std::uint64_t max_segment_media = 48ull << 20;                    // the same, in bytes
    std::chrono::milliseconds output_timeout{0}; // -liveOutSegmentTimeout; 0: a watchdog of 30 s
    std::chrono::milliseconds play_wait = std::chrono::seconds(10); // for a stream not there yet

    // Batch pipelines; see batch::service_options.
    struct batch_options {
        std::chrono::milliseconds timeout = std::chrono::minutes(20);
        std::chrono::milliseconds try_timeout = std::chrono::minutes(15);
        std::size_t running = 256, waiting = 1'000;
        std::chrono::milliseconds longest_wait = std::chrono::seconds(30);
        std::size_t json_bytes = 10u << 20;
        std::uint64_t upload_bytes = 100u << 20;
        std::uint64_t memory = 1ull << 30;
        std::filesystem::path upload_folder; // empty: the system's
        std::filesystem::path result_store;  // empty: memory
        std::uint64_t result_store_bytes = 512u << 20, result_file_bytes = 300'000'000;
        std::chrono::milliseconds result_ttl = std::chrono::hours(1);
        std::string result_urls = "auto"; // auto, path, absolute
        bool result_foreign_hosts = false;
        std::chrono::milliseconds result_timeout = std::chrono::seconds(120);
        std::filesystem::path job_store; // empty: memory
        std::chrono::milliseconds job_ttl = std::chrono::hours(24);
        std::size_t jobs = 10'000, running_jobs = 8;
        std::string webhook_secret; // signs what completion webhooks are told
        bool done_event = true;

        batch_options() {}
    };

    batch_options batch;

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
    std::uint16_t rtmp = 0; // 0: off; so for the others
    std::uint16_t https = 0, rtmps = 0, srt = 0;
    std::uint16_t private_api = 0;
    std::vector<std::uint16_t> webrtc; // one for each shard
    std::uint16_t worker = 0;          // the built-in orchestrator; 0: remote ones are used
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
