#include "commands.hpp"

#include "base/shards.hpp"
#include "gateway.hpp"
#include "process_limits.hpp"
#include "service_notice.hpp"
#include "trickle/standalone.hpp"
#include "worker/service.hpp"

#include <fmt/core.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace rivulet {
namespace {

// Blocks the signals that stop the program before any thread exists, so that all threads inherit
// the mask and only wait() sees them.
class stop_signals {
  public:
    stop_signals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGINT);
        sigaddset(&set_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
        std::signal(SIGPIPE, SIG_IGN);
    }

    // The name of the signal that came.
    const char* wait() {
        int which = 0;
        while (sigwait(&set_, &which) != 0) {
        }
        return which == SIGINT ? "SIGINT" : "SIGTERM";
    }

    // From now on a second signal ends the process at once.
    void second_one_kills() {
        std::thread([set = set_] {
            int which = 0;
            sigwait(&set, &which);
            std::_Exit(1);
        }).detach();
    }

  private:
    sigset_t set_;
};

int failed(const logger& log, const failure& why) {
    log.error("cannot start: {}", why.detail);
    return 1;
}

// The one line on stdout: scripts wait for it and read the real ports from it.
void announce(const std::string& what, const logger& log) {
    fmt::print("rivulet {} ready: {}\n", RIVULET_VERSION, what);
    std::fflush(stdout);
    tell_service_manager(fmt::format("READY=1\nSTATUS={}", what), log);
}

std::string with_port(const std::string& address, std::uint16_t port) {
    const auto colon = address.rfind(':');
    auto host = address.substr(0, colon);
    return fmt::format("{}:{}", host.empty() ? "0.0.0.0" : host, port);
}

void wait_for_the_end(stop_signals& signals, const logger& log) {
    log.info("{}: draining", signals.wait());
    tell_service_manager("STOPPING=1", log);
    signals.second_one_kills();
}

http::tls_verify verification(const std::string& text) {
    if (text == "pin")
        return http::tls_verify::pin_first;
    return text == "none" ? http::tls_verify::none : http::tls_verify::full;
}

std::chrono::milliseconds milliseconds(duration value) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(value);
}

void take_doors(const settings& values, gateway_options& options) {
    options.https_addr = values.https_addr;
    options.rtmps_addr = values.rtmps_addr;
    options.srt_addr = values.srt_addr;
    options.webrtc_addr = values.webrtc_addr;
    options.tls_cert = values.tls_cert;
    options.tls_key = values.tls_key;
    options.gateway_host = values.gateway_host;
    options.nat_ip = values.nat_ip;
    options.ice_servers = values.ice_servers;
    options.ice_tcp = values.ice_tcp;
    options.webrtc_peers = static_cast<std::size_t>(values.webrtc_peers);
    options.keyframe_interval = milliseconds(values.keyframe_interval);
    options.whip_transcode = values.whip_transcode;
    options.video_gather = milliseconds(values.video_gather_timeout);
    options.correct_timestamps = !values.disable_ts_correction;
    options.whep_wait = milliseconds(values.whep_wait);
    options.whep_max_sessions = static_cast<std::size_t>(values.whep_max_sessions);
    options.whep_url = values.whep_url;
    options.srt_passphrase = values.srt_passphrase;
    options.srt_latency = milliseconds(values.srt_latency);
    options.max_srt_connections = static_cast<std::size_t>(values.srt_max_connections);
}

void take_access(const settings& values, gateway_options& options) {
    options.stream_keys = values.stream_keys;
    options.auth_webhook_url = values.live_ai_auth_webhook_url;
    options.auth_api_key = values.live_ai_auth_api_key;
    options.heartbeat_url = values.live_ai_heartbeat_url;
    options.heartbeat_headers = values.live_ai_heartbeat_headers;
    options.heartbeat_interval = milliseconds(values.live_ai_heartbeat_interval);
    options.webhook_publish_only = values.auth_webhook_publish_only;
    options.media_mtx_api = values.media_mtx_api;
    options.media_mtx_password = values.media_mtx_api_password;
    options.private_targets = values.allow_private_targets;
    options.push = !values.disable_rtmp_output;
}

void take_network(const settings& values, gateway_options& options) {
    options.orch_addrs = values.orch_addr;
    options.orch_tls = verification(values.orchestrator_tls_verify);
    options.orch_ca_file = values.orchestrator_ca_file;
    options.orch_foreign_channels = values.orchestrator_foreign_channels;
    options.orch_webhook_url = values.orch_webhook_url;
    options.orch_blocklist = values.orch_blocklist;
    options.orch_min_version = values.orch_min_livepeer_version;
    options.ai_min_runner_version = values.ai_min_runner_version;
    options.extra_nodes = static_cast<std::size_t>(values.extra_nodes);
    options.discovery_timeout = milliseconds(values.discovery_timeout);
    options.retry_timeout = milliseconds(values.ai_processing_retry_timeout);
    options.network_poll = milliseconds(values.live_ai_cap_report_interval);
    options.swap_filler = values.swap_filler;
    options.swap_limit = static_cast<unsigned>(values.swap_limit);
    options.swap_window = milliseconds(values.swap_window);
}

void take_prices(const settings& values, gateway_options& options) {
    options.max_price_per_unit = values.max_price_per_unit;
    options.pixels_per_unit = values.pixels_per_unit;
    options.max_price_per_capability = values.max_price_per_capability;
    options.ignore_max_price_if_needed = values.ignore_max_price_if_needed;
    options.remote_signer_url = values.remote_signer_url;
    options.remote_signer_headers = values.remote_signer_headers;
    options.payment_interval = milliseconds(values.live_payment_interval);
    options.real_pixels = values.live_payment_pixels == "real";
    options.chain = values.network;
    options.eth_url = values.eth_url;
    options.eth_controller = values.eth_controller;
    options.eth_account = values.eth_acct_addr;
    options.eth_keystore = values.eth_keystore_path;
    options.eth_password = values.eth_password;
    options.ai_service_registry = values.ai_service_registry;
    options.max_ticket_ev = values.max_ticket_ev;
    options.max_total_ev = values.max_total_ev;
    options.deposit_multiplier = values.deposit_multiplier;
}

void take_batch(const settings& values, gateway_options::batch_options& options) {
    options.timeout = milliseconds(values.batch_timeout);
    options.try_timeout = milliseconds(values.batch_try_timeout);
    options.running = static_cast<std::size_t>(values.max_concurrent_requests);
    options.waiting = static_cast<std::size_t>(values.max_waiting_requests);
    options.longest_wait = milliseconds(values.max_request_wait);
    options.json_bytes = static_cast<std::size_t>(values.max_json_bytes);
    options.upload_bytes = values.max_upload_bytes;
    options.memory = values.batch_memory;
    options.upload_folder = values.upload_folder;
    options.result_store = values.result_store;
    options.result_store_bytes = values.result_store_bytes;
    options.result_file_bytes = values.result_file_bytes;
    options.result_ttl = milliseconds(values.result_ttl);
    options.result_urls = values.result_urls;
    options.result_foreign_hosts = values.result_foreign_hosts;
    options.result_timeout = milliseconds(values.result_timeout);
    options.job_store = values.job_store;
    options.job_ttl = milliseconds(values.job_ttl);
    options.jobs = static_cast<std::size_t>(values.max_jobs);
    options.running_jobs = static_cast<std::size_t>(values.max_running_jobs);
    options.webhook_secret = values.job_webhook_secret;
    options.done_event = values.llm_done_event;
}

void take_monitoring(const settings& values, gateway_options& options) {
    options.private_addr = values.cli_addr;
    options.monitor = values.monitor;
    options.metrics_per_stream = values.metrics_per_stream || values.metrics_client_ip;
    options.metrics_client_ip = values.metrics_client_ip;
    options.node_id = values.node_id;
    options.kafka_servers = values.kafka_bootstrap_servers;
    options.kafka_user = values.kafka_user;
    options.kafka_password = values.kafka_password;
    options.kafka_topic = values.kafka_gateway_topic;
    options.kafka_ca_file = values.kafka_ca_file;
}

// "http 127.0.0.1:8935, rtmp 127.0.0.1:1935, …": every door with its real port.
std::string open_doors(const settings& values, const gateway_ports& ports) {
    std::string text = fmt::format("http {}", with_port(values.http_addr, ports.http));
    const auto add = [&text](std::string_view door, const std::string& address, unsigned port) {
        if (port)
            text +=
                fmt::format(", {} {}", door, with_port(address, static_cast<std::uint16_t>(port)));
    };
    add("https", values.https_addr, ports.https);
    add("rtmp", values.rtmp_addr, ports.rtmp);
    add("rtmps", values.rtmps_addr, ports.rtmps);
    add("srt", values.srt_addr, ports.srt);
    for (const auto port : ports.webrtc)
        add("webrtc", values.webrtc_addr, port);
    add("private", values.cli_addr, ports.private_api);
    add("worker", "127.0.0.1:", ports.worker);
    return text;
}

int run_gateway(const settings& values, const logger& log) {
    stop_signals signals;
    gateway_options options;
    options.http_addr = values.http_addr;
    options.rtmp_addr = values.rtmp_addr;
    options.cors = values.cors;
    take_doors(values, options);
    take_access(values, options);
    take_network(values, options);
    take_prices(values, options);
    take_batch(values, options.batch);
    take_monitoring(values, options);
    options.worker_capacity = static_cast<std::size_t>(values.capacity);
    options.max_streams = static_cast<std::size_t>(values.max_streams);
    options.min_segment = milliseconds(values.min_seg_duration);
    options.max_segment = milliseconds(values.max_seg_duration);
    options.max_segment_media = values.segment_bytes;
    options.play_wait = milliseconds(values.play_wait);
    options.output_timeout = milliseconds(values.live_out_segment_timeout);
    options.shards = static_cast<std::size_t>(values.shards);
    options.max_connections = static_cast<std::size_t>(values.max_connections);
    options.max_rtmp_connections = static_cast<std::size_t>(values.rtmp_max_connections);
    options.rtmp_handshake = milliseconds(values.rtmp_handshake_timeout);
    options.rtmp_idle = milliseconds(values.rtmp_idle_timeout);
    options.max_channels = static_cast<std::size_t>(values.trickle_channels);
    options.max_readers = static_cast<std::size_t>(values.trickle_readers);
    options.max_rtmp_connections_per_address =
        static_cast<std::size_t>(values.rtmp_max_per_address);
    options.max_segment_bytes = values.trickle_segment_bytes;
    options.drain = milliseconds(values.drain_timeout);

    gateway running(std::move(options), log);
    const auto ports = running.start();
    if (!ports)
        return failed(log, ports.error());
    announce(open_doors(values, *ports), log);
    wait_for_the_end(signals, log);
    running.stop();
    return 0;
}

trickle::table_options channel_limits_of(const settings& values) {
    trickle::table_options limits;
    limits.channels = static_cast<std::size_t>(values.trickle_channels);
    limits.channel.readers = static_cast<std::size_t>(values.trickle_readers);
    limits.channel.segment_bytes = values.trickle_segment_bytes;
    return limits;
}

http::server_options front_options_of(const settings& values) {
    http::server_options options;
    options.limits.connections = static_cast<std::size_t>(values.max_connections);
    return options;
}

void take_worker(const settings& values, worker::service_options& options) {
    options.tls_certificate = values.tls_cert;
    options.tls_key = values.tls_key;
    options.tls_self_signed = values.worker_tls;
    options.price_per_unit = values.price_per_unit;
    options.pixels_per_unit = values.pixels_per_unit;
    options.price_per_capability = values.price_per_capability;
    options.orchestrator.public_url = values.service_url;
    options.orchestrator.check_tokens = values.check_tokens;
    options.orchestrator.nodes = values.nodes;
    options.orchestrator.runners = values.runners;
    options.orchestrator.runner_models = values.runner_models;
    options.orchestrator.runner_kind = values.runner_kind;
    options.orchestrator.runner_token = values.runner_token;
    options.orchestrator.runner_callback = values.runner_callback;
    if (!values.node_version.empty())
        options.orchestrator.version = values.node_version;
}

int run_worker(const settings& values, const logger& log) {
    stop_signals signals;
    shards threads(static_cast<std::size_t>(values.shards));
    worker::service_options options;
    options.service_addr = values.service_addr;
    options.orchestrator.capacity = static_cast<std::size_t>(values.capacity);
    options.trickle = channel_limits_of(values);
    options.http = front_options_of(values);
    take_worker(values, options);
    worker::service running(threads, std::move(options), log);
    const auto port = running.start();
    if (!port)
        return failed(log, port.error());
    announce(fmt::format("worker {}", with_port(values.service_addr, *port)), log);
    wait_for_the_end(signals, log);
    running.stop(values.drain_timeout);
    return 0;
}

int run_trickle(const settings& values, const logger& log) {
    stop_signals signals;
    shards threads(static_cast<std::size_t>(values.shards));
    trickle::standalone_options options;
    options.address = values.addr;
    options.http = front_options_of(values);
    options.table = channel_limits_of(values);
    options.trickle.base_path = values.path.ends_with('/') ? values.path : values.path + '/';
    options.trickle.autocreate = values.autocreate;
    trickle::standalone running(threads, std::move(options), log);
    const auto port = running.start();
    if (!port)
        return failed(log, port.error());
    announce(fmt::format("trickle {}", with_port(values.addr, *port)), log);
    wait_for_the_end(signals, log);
    running.stop(values.drain_timeout);
    return 0;
}

} // namespace

int run_command(const invocation& chosen) {
    set_log_level(chosen.values.level);
    const logger log;
    for (const auto& note : chosen.notes)
        log.warn("{}", note);
    const auto& values = chosen.values;
    const auto connections = values.max_connections + values.rtmp_max_connections;
    prepare_process(static_cast<std::size_t>(connections), log);
    switch (chosen.which) {
    case command::gateway:
        return run_gateway(chosen.values, log);
    case command::worker:
        return run_worker(chosen.values, log);
    case command::trickle:
        return run_trickle(chosen.values, log);
    }
    return 1;
}

} // namespace rivulet
