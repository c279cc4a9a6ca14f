#include "gateway.hpp"

#include "egress/feed_table.hpp"
#include "egress/rtmp_play.hpp"
#include "http/server.hpp"
#include "ingest/rtmp_server.hpp"
#include "live/registry.hpp"
#include "live/routes.hpp"
#include "media/runtime.hpp"
#include "session/orchestrator_address.hpp"
#include "trickle/server.hpp"
#include "worker/service.hpp"

#include <fmt/core.h>

#include <charconv>

namespace rivulet {
namespace {

constexpr std::string_view trickle_path = "/ai/trickle/";

struct host_and_port {
    std::string host;
    std::uint16_t port = 0;
};

outcome<host_and_port> split_address(const std::string& address) {
    const failure bad(
        errc::invalid_argument,
        fmt::format("'{}' is not an address to listen on; HOST:PORT is wanted", address)
    );
    const auto colon = address.rfind(':');
    if (colon == std::string::npos)
        return bad;
    host_and_port out{address.substr(0, colon), 0};
    const auto* end = address.data() + address.size();
    const auto [stop, ec] = std::from_chars(address.data() + colon + 1, end, out.port);
    if (ec != std::errc() || stop != end)
        return bad;
    if (out.host.size() > 1 && out.host.front() == '[' && out.host.back() == ']')
        out.host = out.host.substr(1, out.host.size() - 2);
    if (out.host.empty())
        out.host = "0.0.0.0";
    return out;
}

awaitable<std::shared_ptr<egress::channel_feed>>
find_feed(egress::feed_table& feeds, std::string name) {
    co_return feeds.find(name);
}

} // namespace

struct gateway::impl {
    impl(gateway_options o, logger l) : options(std::move(o)), log(std::move(l)) {}

    outcome<gateway_ports> start();
    void stop();

    trickle::table_options channel_limits() const;
    outcome<std::vector<std::string>> orchestrators(gateway_ports& ports);
    outcome<void> make_registry(std::vector<std::string> orchestrators);
    outcome<std::uint16_t> listen_rtmp();

    gateway_options options;
    logger log;

    // In the order of construction; stop() takes them down the other way round.
    std::unique_ptr<shards> threads;
    std::unique_ptr<worker::service> built_in;
    std::unique_ptr<trickle::channel_table> channels;
    std::unique_ptr<trickle::server> segments;
    std::unique_ptr<egress::feed_table> feeds;
    std::unique_ptr<live::registry> streams;
    std::unique_ptr<http::server> front;
    std::unique_ptr<ingest::rtmp_server> rtmp;
};

trickle::table_options gateway::impl::channel_limits() const {
    trickle::table_options limits;
    limits.channels = options.max_channels;
    limits.channel.readers = options.max_readers;
    limits.channel.segment_bytes = options.max_segment_bytes;
    return limits;
}

// The configured orchestrators, or the built-in one, started now.
outcome<std::vector<std::string>> gateway::impl::orchestrators(gateway_ports& ports) {
    auto bases = session::orchestrator_bases(options.orch_addrs);
    if (!bases || !bases->empty())
        return bases;
    worker::service_options service;
    service.service_addr = "127.0.0.1:0";
    service.orchestrator.capacity = options.worker_capacity;
    service.trickle = channel_limits();
    built_in = std::make_unique<worker::service>(*threads, std::move(service), log.with("worker"));
    auto port = built_in->start();
    if (!port)
        return port.error();
    ports.worker = *port;
    log.info("no orchestrator is configured: the built-in one runs on {}", built_in->url());
    return std::vector<std::string>{built_in->url()};
}

outcome<void> gateway::impl::make_registry(std::vector<std::string> orchestrators) {
    http::client_options client;
    auto tls = http::client_tls(options.orch_tls, options.orch_ca_file);
    if (!tls)
        return tls.error();
    client.tls = *tls;
    live::registry_options wanted;
    wanted.max_streams = options.max_streams;
    wanted.private_rtmp_output = options.private_rtmp_output;
    wanted.segments.min_segment = options.min_segment;
    wanted.segments.max_segment = options.max_segment;
    wanted.segments.max_bytes = options.max_segment_media;
    auto push_tls = http::client_tls(http::tls_verify::full);
    if (!push_tls)
        return push_tls.error();
    wanted.push.tls = *push_tls;
    live::job_services jobs{
        session::orchestrator_client(
            client,
            options.orch_foreign_channels ? session::channel_hosts::any
                                          : session::channel_hosts::own
        ),
        client,
        std::move(orchestrators),
        {}};
    if (options.output_timeout.count() > 0)
        jobs.timing.output_silence = options.output_timeout;
    streams = std::make_unique<live::registry>(
        *threads, *channels, *feeds, std::move(jobs), std::move(wanted), log
    );
    return {};
}

outcome<std::uint16_t> gateway::impl::listen_rtmp() {
    auto address = split_address(options.rtmp_addr);
    if (!address)
        return address.error();
    ingest::rtmp_options wanted;
    wanted.host = address->host;
    wanted.port = address->port;
    wanted.connections = options.max_rtmp_connections;
    wanted.connections_per_address = options.max_rtmp_connections_per_address;
    wanted.handshake_limit = options.rtmp_handshake;
    wanted.idle_limit = options.rtmp_idle;
    ingest::rtmp_callbacks callbacks;
    callbacks.publish = [streams = streams.get()](ingest::publish_request r, ingest::kick k) {
        return streams->admit(std::move(r), std::move(k));
    };
    callbacks.play = egress::rtmp_play(
        [feeds = feeds.get()](std::string name) { return find_feed(*feeds, std::move(name)); },
        {.wait_for_stream = options.play_wait},
        std::make_shared<egress::rtmp_play_stats>()
    );
    rtmp = std::make_unique<ingest::rtmp_server>(
        *threads, std::move(wanted), std::move(callbacks), log.with("rtmp")
    );
    return rtmp->listen();
}

outcome<gateway_ports> gateway::impl::start() {
    if (const auto missing = media::init(); !missing.empty())
        return failure(
            errc::unsupported,
            fmt::format("GStreamer elements are missing: {}; ./dev setup installs them", missing)
        );
    gateway_ports ports;
    threads = std::make_unique<shards>(options.shards);
    auto bases = orchestrators(ports);
    if (!bases)
        return bases.error();

    channels =
        std::make_unique<trickle::channel_table>(*threads, channel_limits(), log.with("trickle"));
    feeds = std::make_unique<egress::feed_table>(
        *threads, *channels, egress::feed_options(), log.with("feed")
    );
    if (auto made = make_registry(std::move(*bases)); !made)
        return made.error();

    http::server_options front_options;
    front_options.limits.connections = options.max_connections;
    front_options.cors = options.cors;
    front = std::make_unique<http::server>(*threads, front_options, log.with("http"));
    trickle::server_options readable;
    readable.base_path = trickle_path;
    live::forbid_writes(readable);
    segments = std::make_unique<trickle::server>(*channels, readable, log.with("trickle"));
    segments->mount(*front, *threads);
    live::add_routes(*front, *streams);

    auto http_port = front->listen(options.http_addr);
    if (!http_port)
        return http_port.error();
    ports.http = *http_port;
    if (!options.rtmp_addr.empty()) {
        auto rtmp_port = listen_rtmp();
        if (!rtmp_port)
            return rtmp_port.error();
        ports.rtmp = *rtmp_port;
    }
    return ports;
}

void gateway::impl::stop() {
    if (!threads)
        return;
    // Publishers first, so that their channels are deleted while the orchestrators still listen;
    // then the channels, so that nobody waits for a segment; then the connections.
    if (streams)
        streams->stop(options.drain);
    if (feeds)
        feeds->stop();
    if (channels)
        channels->stop();
    if (rtmp)
        rtmp->stop(options.drain);
    if (front)
        front->stop(options.drain);
    if (built_in)
        built_in->stop(options.drain);
    threads->stop();
    rtmp.reset();
    front.reset();
    streams.reset();
    feeds.reset();
    segments.reset();
    channels.reset();
    built_in.reset();
    threads.reset();
}

gateway::gateway(gateway_options options, logger log)
    : impl_(std::make_unique<impl>(std::move(options), std::move(log))) {}

gateway::~gateway() {
    stop();
}

outcome<gateway_ports> gateway::start() {
    auto ports = impl_->start();
    if (!ports)
        impl_->stop();
    return ports;
}

void gateway::stop() {
    impl_->stop();
}

} // namespace rivulet
