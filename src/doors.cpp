#include "doors.hpp"

#include "egress/rtmp_play.hpp"
#include "listen_address.hpp"
#include "live/srt_access.hpp"
#include "viewer_reports.hpp"

#include <boost/json/object.hpp>

#include <algorithm>

namespace rivulet {
namespace {

constexpr std::string_view long_path = "/live/video-to-video/{stream}/";
constexpr std::string_view short_path = "/{stream}/";

awaitable<std::shared_ptr<egress::channel_feed>>
find_feed(egress::feed_table& feeds, std::string name) {
    co_return feeds.find(name);
}

} // namespace

doors::doors(const door_services& services, const gateway_options& options, logger log)
    : services_(services), options_(options), log_(std::move(log)) {}

doors::~doors() {
    close(std::chrono::seconds(0));
}

outcome<std::uint16_t> doors::open_rtmp(
    std::unique_ptr<ingest::rtmp_server>& server,
    const std::string& address,
    http::tls_context certificate
) {
    auto where = parse_listen_address(address);
    if (!where)
        return where.error();
    auto named = log_.with(certificate ? "rtmps" : "rtmp");
    ingest::rtmp_options wanted;
    wanted.host = where->host;
    wanted.port = where->first_port;
    wanted.tls = std::move(certificate);
    wanted.connections = options_.max_rtmp_connections;
    wanted.connections_per_address = options_.max_rtmp_connections_per_address;
    wanted.handshake_limit = options_.rtmp_handshake;
    wanted.idle_limit = options_.rtmp_idle;
    ingest::rtmp_callbacks callbacks;
    callbacks.publish = services_.gate.admission();
    egress::rtmp_play_options play;
    play.wait_for_stream = options_.play_wait;
    if (services_.gate.closed())
        play.access = services_.gate.access();
    callbacks.play = egress::rtmp_play(
        [feeds = &services_.feeds](std::string name) { return find_feed(*feeds, std::move(name)); },
        std::move(play),
        std::make_shared<egress::rtmp_play_stats>()
    );
    server = std::make_unique<ingest::rtmp_server>(
        services_.threads, std::move(wanted), std::move(callbacks), std::move(named)
    );
    return server->listen();
}

outcome<std::uint16_t> doors::open_srt() {
    auto where = parse_listen_address(options_.srt_addr);
    if (!where)
        return where.error();
    ingest::srt_options wanted;
    wanted.host = where->host;
    wanted.port = where->first_port;
    wanted.passphrase = options_.srt_passphrase;
    wanted.latency = options_.srt_latency;
    wanted.connections = options_.max_srt_connections;
    wanted.connections_per_address = options_.max_srt_connections;
    wanted.publisher.transcoder.keyframe_interval = options_.keyframe_interval;
    ingest::srt_callbacks callbacks;
    live::decide_over_srt(callbacks, services_.gate);
    callbacks.locate = [streams = &services_.streams](const std::string& path) {
        return streams->stream_of(path);
    };
    callbacks.find = [services = services_](const std::string& path) {
        const auto channel = services.streams.playback_channel(path);
        return channel ? services.channels.find(*channel) : trickle::channel_ptr();
    };
    srt_ = std::make_unique<ingest::srt_server>(
        services_.threads, std::move(wanted), std::move(callbacks), log_.with("srt")
    );
    return srt_->listen();
}

void doors::add_whip(http::server& front) {
    ingest::whip_options wanted;
    wanted.publisher.transcode = options_.whip_transcode;
    wanted.publisher.video_gather = options_.video_gather;
    wanted.publisher.keyframe_interval = options_.keyframe_interval;
    wanted.publisher.transcoder.keyframe_interval = options_.keyframe_interval;
    wanted.publisher.correct_timestamps = options_.correct_timestamps;
    wanted.playback_prefix = options_.whep_url;
    whip_routes_ = std::make_unique<webrtc::session_routes>(
        services_.threads,
        "whip",
        webrtc::session_routes_options{.ice_servers = ice_servers_},
        log_.with("whip")
    );
    ingest::whip_hooks hooks;
    hooks.publish = services_.gate.admission();
    hooks.session_ended = [routes = whip_routes_.get()](const std::string& id) {
        routes->session_ended(id);
    };
    whip_ = std::make_unique<ingest::whip_door>(
        services_.threads, *network_, std::move(hooks), std::move(wanted), log_.with("whip")
    );
    for (const auto path : {long_path, short_path})
        whip_routes_->add(front, std::string(path) + "whip", {}, whip_->door());
}

void doors::add_whep(http::server& front) {
    egress::whep_options wanted;
    wanted.wait = options_.whep_wait;
    wanted.sessions_per_stream = options_.whep_max_sessions;
    whep_routes_ = std::make_unique<webrtc::session_routes>(
        services_.threads,
        "whep",
        webrtc::session_routes_options{.ice_servers = ice_servers_},
        log_.with("whep")
    );
    egress::whep_hooks hooks;
    hooks.resolve = [streams = &services_.streams](const std::string& path) {
        return streams->playback_channel(path);
    };
    if (services_.gate.closed())
        hooks.access = services_.gate.access();
    hooks.request_keyframe = [streams = &services_.streams](const std::string& channel) {
        streams->request_keyframe(channel);
    };
    hooks.session_ended = [routes = whep_routes_.get()](const std::string& id) {
        routes->session_ended(id);
    };
    hooks.joined = [events = &services_.events](const std::string& stream, const std::string& id) {
        events->publish(stream, "viewer_joined", {{"protocol", "whep"}, {"session", id}});
    };
    hooks.left = [events = &services_.events](
                     const std::string& stream, const std::string& id, const std::string& reason
                 ) {
        events->publish(
            stream, "viewer_left", {{"protocol", "whep"}, {"session", id}, {"reason", reason}}
        );
    };
    whep_ = std::make_unique<egress::whep_door>(
        services_.threads,
        *network_,
        services_.feeds,
        std::move(hooks),
        std::move(wanted),
        log_.with("whep")
    );
    const auto locate = [streams = &services_.streams](std::string path) {
        return streams->locate_playback(std::move(path));
    };
    for (const auto path : {long_path, short_path})
        whep_routes_->add(front, std::string(path) + "whep", locate, whep_->door());
}

void doors::add_trickle(http::server& front) {
    live::trickle_door_options wanted;
    wanted.playback_prefix = options_.whep_url;
    wanted.session.publisher.transcoder.keyframe_interval = options_.keyframe_interval;
    trickle_ = std::make_unique<live::trickle_door>(
        services_.threads,
        services_.channels,
        services_.door_channels,
        services_.gate,
        services_.events.shared_from_this(),
        std::move(wanted),
        log_.with("trickle")
    );
    trickle_->add_route(front);
}

outcome<std::vector<std::uint16_t>> doors::open_webrtc(http::server& front) {
    auto where = parse_listen_address(options_.webrtc_addr, true);
    if (!where)
        return where.error();
    auto servers = webrtc::parse_ice_servers(options_.ice_servers);
    if (!servers)
        return servers.error();
    ice_servers_ = std::move(*servers);
    webrtc::network_options wanted;
    wanted.host = where->host;
    wanted.first_port = where->first_port;
    wanted.last_port = where->last_port;
    // A port for each shard: one that stands alone is the first of them.
    const auto needed = where->first_port + services_.threads.size() - 1;
    if (where->first_port != 0 && where->last_port < needed)
        wanted.last_port = static_cast<std::uint16_t>(std::min<std::size_t>(needed, 65'535));
    wanted.nat_ip = options_.nat_ip;
    wanted.tcp = options_.ice_tcp;
    wanted.peers = options_.webrtc_peers;
    network_ = std::make_unique<webrtc::network>(
        services_.threads, std::move(wanted), log_.with("webrtc")
    );
    auto ports = network_->open();
    if (!ports)
        return ports.error();
    add_whip(front);
    add_whep(front);
    return *ports;
}

outcome<void>
doors::open(http::server& front, http::tls_context certificate, gateway_ports& ports) {
    const auto taken = [](auto opened, auto& into) -> outcome<void> {
        if (!opened)
            return opened.error();
        into = std::move(*opened);
        return {};
    };
    outcome<void> done;
    add_trickle(front);
    if (!options_.webrtc_addr.empty())
        done = taken(open_webrtc(front), ports.webrtc);
    // Before RTMP: streams ask how many watch them as soon as they are.
    if (done && !options_.srt_addr.empty())
        done = taken(open_srt(), ports.srt);
    if (done && !options_.rtmp_addr.empty())
        done = taken(open_rtmp(rtmp_, options_.rtmp_addr, {}), ports.rtmp);
    if (done && !options_.rtmps_addr.empty())
        done = taken(open_rtmp(rtmps_, options_.rtmps_addr, certificate), ports.rtmps);
    return done;
}

live::viewer_report doors::viewers_of(const std::string& channel, bool details) const {
    live::viewer_report report;
    const auto whep = whep_ ? whep_->stats(channel) : std::nullopt;
    if (whep && !whep->viewers.empty()) {
        report.viewers += whep->viewers.size();
        report.by_protocol["whep"] = whep->viewers.size();
        report.subscriptions = 1; // one packetisation for all
        if (details)
            report.details["whep"] = whep_report(*whep);
    }
    const auto srt = srt_ ? srt_readers(srt_->readers(channel), channel) : boost::json::array();
    report.viewers += srt.size();
    if (!srt.empty())
        report.by_protocol["srt"] = srt.size();
    if (details && !srt.empty())
        report.details["srt"] = srt;
    return report;
}

void doors::streams_ended() {
    if (trickle_)
        trickle_->stop();
}

void doors::close(duration drain) {
    streams_ended();
    for (auto* server : {rtmp_.get(), rtmps_.get()})
        if (server)
            server->stop(drain);
    if (srt_)
        srt_->stop(drain);
    for (auto* routes : {whip_routes_.get(), whep_routes_.get()})
        if (routes)
            routes->stop();
    if (whip_)
        whip_->stop();
    if (whep_)
        whep_->stop();
    if (network_)
        network_->stop();
}

} // namespace rivulet
