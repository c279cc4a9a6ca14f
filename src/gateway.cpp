#include "gateway.hpp"

#include "access_setup.hpp"
#include "base/ids.hpp"
#include "batch_setup.hpp"
#include "doors.hpp"
#include "doors_route.hpp"
#include "http/tls_reload.hpp"
#include "http/websocket_host.hpp"
#include "listen_address.hpp"
#include "live/event_door.hpp"
#include "live/http_access.hpp"
#include "live/mediamtx_hook.hpp"
#include "live/routes.hpp"
#include "media/runtime.hpp"
#include "monitoring.hpp"
#include "network_setup.hpp"
#include "trickle/server.hpp"
#include "worker/service.hpp"

#include <fmt/core.h>

namespace rivulet {
namespace {

constexpr std::string_view trickle_path = "/ai/trickle/";

} // namespace

struct gateway::impl {
    impl(gateway_options o, logger l) : options(std::move(o)), log(std::move(l)) {}

    outcome<gateway_ports> start();
    void stop();

    trickle::table_options channel_limits() const;
    outcome<void> find_orchestrators(gateway_ports& ports);
    outcome<live::job_services> make_jobs();
    outcome<void> make_registry();
    outcome<void> read_certificate();
    outcome<void> make_front();
    outcome<void> make_batch();
    void describe_doors(const gateway_ports& ports);
    live::viewer_report viewers_of(const std::string& channel, bool details) const;
    outcome<void> listen_private(gateway_ports& ports);
    outcome<void> listen_http(gateway_ports& ports);

    gateway_options options;
    logger log;

    // In the order of construction; stop() takes them down the other way round.
    std::unique_ptr<shards> threads;
    std::unique_ptr<http::reloading_tls> certificate;
    std::unique_ptr<monitoring> watch;
    std::unique_ptr<worker::service> built_in;
    std::unique_ptr<network> orchestrators;
    std::unique_ptr<trickle::channel_table> channels;
    std::unique_ptr<live::door_channels> door_channels;
    std::unique_ptr<trickle::server> segments;
    std::unique_ptr<egress::feed_table> feeds;
    std::shared_ptr<live::event_hub> events;
    std::unique_ptr<live::registry> streams;
    std::unique_ptr<live::gate> access;
    std::unique_ptr<live::mediamtx_hook> hook;
    std::unique_ptr<batch::service> pipelines;
    std::unique_ptr<http::server> front;
    std::shared_ptr<door_notice> door_facts;
    std::unique_ptr<http::websocket_host> sockets;
    std::unique_ptr<doors> open_doors;
    std::unique_ptr<live::heartbeat> reports;
};

trickle::table_options gateway::impl::channel_limits() const {
    trickle::table_options limits;
    limits.channels = options.max_channels;
    limits.channel.readers = options.max_readers;
    limits.channel.segment_bytes = options.max_segment_bytes;
    return limits;
}

// The configured orchestrators, or the built-in one, started now.
outcome<void> gateway::impl::find_orchestrators(gateway_ports& ports) {
    std::string built_in_url;
    if (needs_built_in(options)) {
        worker::service_options service;
        service.service_addr = "127.0.0.1:0";
        service.orchestrator.capacity = options.worker_capacity;
        service.trickle = channel_limits();
        built_in =
            std::make_unique<worker::service>(*threads, std::move(service), log.with("worker"));
        auto port = built_in->start();
        if (!port)
            return port.error();
        ports.worker = *port;
        built_in_url = built_in->url();
    }
    auto opened =
        network::open(*threads, options, built_in_url, watch->metrics(), watch->queue(), log);
    if (!opened)
        return opened.error();
    orchestrators = std::move(*opened);
    if (built_in)
        log.info("no orchestrator is configured: the built-in one runs on {}", built_in_url);
    return orchestrators->start();
}

outcome<live::job_services> gateway::impl::make_jobs() {
    http::client_options client;
    auto tls = http::client_tls(options.orch_tls, options.orch_ca_file);
    if (!tls)
        return tls.error();
    client.tls = *tls;
    const auto hosts =
        options.orch_foreign_channels ? session::channel_hosts::any : session::channel_hosts::own;
    live::job_services jobs{
        session::orchestrator_client(client, hosts),
        client,
        orchestrators->sessions(),
        orchestrators->payments(),
        {},
        {},
        {}};
    jobs.timing.selection_budget = options.retry_timeout;
    if (options.output_timeout.count() > 0) {
        jobs.timing.first_output = options.output_timeout;
        jobs.timing.output_silence = options.output_timeout;
    }
    jobs.swaps.most = options.swap_limit;
    jobs.swaps.window = options.swap_window;
    jobs.paying.interval = options.payment_interval;
    jobs.paying.real_pixels = options.real_pixels;
    return jobs;
}

outcome<void> gateway::impl::make_registry() {
    auto jobs = make_jobs();
    if (!jobs)
        return jobs.error();
    live::registry_options wanted;
    wanted.max_streams = options.max_streams;
    wanted.private_rtmp_output = options.private_targets;
    wanted.rtmp_output = options.push;
    wanted.events = events;
    wanted.queue = watch->queue();
    wanted.metrics = watch->live();
    wanted.filler = options.swap_filler == "source" ? live::swap_filler::source
                    : options.swap_filler == "none" ? live::swap_filler::none
                                                    : live::swap_filler::freeze;
    wanted.viewers = [this](const std::string& channel, bool details) {
        return viewers_of(channel, details);
    };
    wanted.segments.min_segment = options.min_segment;
    wanted.segments.max_segment = options.max_segment;
    wanted.segments.max_bytes = options.max_segment_media;
    auto push_tls = http::client_tls(http::tls_verify::full);
    if (!push_tls)
        return push_tls.error();
    wanted.push.tls = *push_tls;
    streams = std::make_unique<live::registry>(
        *threads, *channels, *feeds, std::move(*jobs), std::move(wanted), log
    );
    return {};
}

outcome<void> gateway::impl::read_certificate() {
    const bool wanted = !options.https_addr.empty() || !options.rtmps_addr.empty();
    if (options.tls_cert.empty() != options.tls_key.empty() || (wanted && options.tls_cert.empty()))
        return failure(
            errc::invalid_argument, "-httpsAddr and -rtmpsAddr need both -tlsCert and -tlsKey"
        );
    if (options.tls_cert.empty())
        return {};
    auto opened = http::reloading_tls::open(options.tls_cert, options.tls_key, log.with("tls"));
    if (!opened)
        return opened.error();
    certificate = std::move(*opened);
    certificate->watch(threads->at(0).get_executor());
    return {};
}

outcome<void> gateway::impl::make_front() {
    http::server_options wanted;
    wanted.limits.connections = options.max_connections;
    wanted.cors = options.cors;
    wanted.error_body = [](http::status status, std::string_view message) {
        return batch::to_response({status, std::string(message)}, random_hex(4));
    };
    front = std::make_unique<http::server>(*threads, wanted, log.with("http"));
    const auto check = access->closed() ? access->access() : ingest::check_access();
    trickle::server_options readable;
    readable.base_path = trickle_path;
    live::forbid_writes(readable, door_channels.get());
    live::guard_reads(readable, check, door_channels.get());
    segments = std::make_unique<trickle::server>(*channels, readable, log.with("trickle"));
    segments->mount(*front, *threads);
    live::add_routes(*front, *streams, check);
    live::mediamtx_options media_mtx;
    media_mtx.api_url = options.media_mtx_api;
    media_mtx.api_password = options.media_mtx_password;
    media_mtx.private_targets = options.private_targets;
    auto pull_tls = http::client_tls(http::tls_verify::full);
    if (!pull_tls)
        return pull_tls.error();
    media_mtx.pull.tls = *pull_tls;
    hook = std::make_unique<live::mediamtx_hook>(
        *threads, access->admission(), std::move(media_mtx), log.with("mediamtx")
    );
    hook->add_routes(*front);
    add_doors_route(*front, door_facts);
    sockets = std::make_unique<http::websocket_host>(
        http::websocket_options{.any_origin = options.cors}, log.with("websocket")
    );
    if (auto started = sockets->start(); !started)
        return started;
    live::add_event_door(*sockets, *front, events, {.check = check});
    return {};
}

outcome<void> gateway::impl::make_batch() {
    if (auto writable = check_upload_folder(options, log); !writable)
        return writable;
    auto tls = http::client_tls(options.orch_tls, options.orch_ca_file);
    if (!tls)
        return tls.error();
    auto opened = batch::service::open(
        *threads,
        orchestrators->sessions(),
        orchestrators->payments(),
        watch->metrics(),
        access->closed() ? access->access() : ingest::check_access(),
        batch_options_of(options, *tls),
        log.with("batch")
    );
    if (!opened)
        return opened.error();
    pipelines = std::move(*opened);
    pipelines->add_routes(*front);
    return {};
}

// What /doors tells; the routes exist before the ports are known.
void gateway::impl::describe_doors(const gateway_ports& ports) {
    door_list list;
    list.host = options.gateway_host;
    list.http = ports.http;
    list.https = ports.https;
    list.rtmp = ports.rtmp;
    list.rtmps = ports.rtmps;
    list.srt = ports.srt;
    list.webrtc = !ports.webrtc.empty();
    list.auth = access->closed();
    list.ice_servers = open_doors->ice_servers();
    if (ports.worker)
        list.pipelines = {"noop", "passthrough", "avfilter"};
    door_facts->put(std::move(list));
}

// Asked on shards, which have nothing to ask about before the doors are open.
live::viewer_report gateway::impl::viewers_of(const std::string& channel, bool details) const {
    return open_doors ? open_doors->viewers_of(channel, details) : live::viewer_report();
}

outcome<void> gateway::impl::listen_private(gateway_ports& ports) {
    gateway_numbers from{
        *threads,
        *streams,
        [this](const std::string& channel, bool details) { return viewers_of(channel, details); },
        [this] { return front->connections(); },
        options.max_streams};
    auto port = watch->serve(*threads, options, *orchestrators, std::move(from));
    if (!port)
        return port.error();
    ports.private_api = *port;
    return {};
}

outcome<void> gateway::impl::listen_http(gateway_ports& ports) {
    auto plain = front->listen(options.http_addr);
    if (!plain)
        return plain.error();
    ports.http = *plain;
    if (options.https_addr.empty())
        return {};
    auto secure = front->listen(options.https_addr, certificate->context());
    if (!secure)
        return secure.error();
    ports.https = *secure;
    return {};
}

outcome<gateway_ports> gateway::impl::start() {
    if (const auto missing = media::init(); !missing.empty())
        return failure(
            errc::unsupported,
            fmt::format("GStreamer elements are missing: {}; ./dev setup installs them", missing)
        );
    gateway_ports ports;
    threads = std::make_unique<shards>(options.shards);
    if (auto read = read_certificate(); !read)
        return read.error();
    auto watching = monitoring::open(options, log);
    if (!watching)
        return watching.error();
    watch = std::move(*watching);
    if (auto found = find_orchestrators(ports); !found)
        return found.error();

    channels =
        std::make_unique<trickle::channel_table>(*threads, channel_limits(), log.with("trickle"));
    door_channels = std::make_unique<live::door_channels>(*threads, *channels);
    feeds = std::make_unique<egress::feed_table>(
        *threads, *channels, egress::feed_options(), log.with("feed")
    );
    events = std::make_shared<live::event_hub>();
    door_facts = std::make_shared<door_notice>();
    if (auto made = make_registry(); !made)
        return made.error();
    auto gate = make_gate(*streams, options, watch->metrics(), log);
    if (!gate)
        return gate.error();
    access = std::move(*gate);
    if (auto made = make_front(); !made)
        return made.error();
    if (auto made = make_batch(); !made)
        return made.error();

    open_doors = std::make_unique<doors>(
        door_services{*threads, *channels, *feeds, *streams, *access, *events, *door_channels},
        options,
        log
    );
    const auto rtmps = certificate ? certificate->context() : http::tls_context();
    if (auto opened = open_doors->open(*front, rtmps, ports); !opened)
        return opened.error();
    if (auto listening = listen_private(ports); !listening)
        return listening.error();
    // Last: with the first connection the table of routes is closed.
    if (auto listening = listen_http(ports); !listening)
        return listening.error();
    describe_doors(ports);
    auto own_host = parse_listen_address(options.http_addr)->host;
    if (own_host == "0.0.0.0" || own_host == "::")
        own_host = "127.0.0.1";
    const bool v6 = own_host.find(':') != std::string::npos;
    access->set_base(fmt::format("http://{}:{}", v6 ? '[' + own_host + ']' : own_host, ports.http));

    auto pulse = make_heartbeat(*threads, *streams, options, log);
    if (!pulse)
        return pulse.error();
    reports = std::move(*pulse);
    if (reports)
        if (auto started = reports->start(); !started)
            return started.error();
    return ports;
}

void gateway::impl::stop() {
    if (!threads)
        return;
    // Publishers first, so that their channels are deleted while the orchestrators still listen;
    // then the channels, so that nobody waits for a segment; then the connections.
    if (watch)
        watch->stop(options.drain);
    if (reports)
        reports->stop();
    if (streams)
        streams->stop(options.drain);
    if (open_doors)
        open_doors->streams_ended();
    if (watch)
        watch->flush();
    if (hook)
        hook->stop();
    if (feeds)
        feeds->stop();
    if (channels)
        channels->stop();
    if (sockets)
        sockets->stop();
    if (front)
        front->stop(options.drain);
    if (pipelines)
        pipelines->stop();
    if (open_doors)
        open_doors->close(options.drain);
    if (orchestrators)
        orchestrators->stop();
    if (built_in)
        built_in->stop(options.drain);
    if (certificate)
        certificate->close();
    threads->stop();
    reports.reset();
    front.reset();
    pipelines.reset();
    open_doors.reset();
    sockets.reset();
    hook.reset();
    access.reset();
    streams.reset();
    feeds.reset();
    segments.reset();
    door_channels.reset();
    channels.reset();
    orchestrators.reset();
    built_in.reset();
    certificate.reset();
    threads.reset();
    watch.reset();
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
