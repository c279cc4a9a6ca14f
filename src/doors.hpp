// Every door through which media comes and goes besides plain HTTP: RTMP, RTMPS, SRT, WebRTC (WHIP
// and WHEP), trickle. Builds them from the gateway's options and connects each to the streams, the
// feeds and the gate. Thread: construct, open, close and destroy from the owner's thread, outside
// the shards. Owns: the servers and the WebRTC network.
#pragma once

#include "egress/feed_table.hpp"
#include "egress/whep_door.hpp"
#include "gateway.hpp"
#include "http/server.hpp"
#include "http/tls.hpp"
#include "ingest/rtmp_server.hpp"
#include "ingest/srt_server.hpp"
#include "ingest/whip_door.hpp"
#include "live/event_hub.hpp"
#include "live/gate.hpp"
#include "live/registry.hpp"
#include "live/trickle_door.hpp"
#include "trickle/channel_table.hpp"
#include "webrtc/network.hpp"
#include "webrtc/session_routes.hpp"

#include <memory>

namespace rivulet {

// What the doors connect; all of it outlives them.
struct door_services {
    shards& threads;
    trickle::channel_table& channels;
    egress::feed_table& feeds;
    live::registry& streams;
    live::gate& gate;
    live::event_hub& events;
    live::door_channels& door_channels; // of the trickle door
};

class doors {
  public:
    doors(const door_services& services, const gateway_options& options, logger log);
    ~doors(); // close()
    doors(const doors&) = delete;
    doors& operator=(const doors&) = delete;

    // Adds the routes of WHIP, WHEP and trickle to `front`, which does not listen yet, and opens
    // every port. `certificate` is of RTMPS. Fails with a text that names the setting or the
    // address.
    outcome<void> open(http::server& front, http::tls_context certificate, gateway_ports& ports);
    // The registry has stopped, the channels still live: their last words are read.
    void streams_ended();
    // Publishers and viewers are told; waits at most about `drain` for each door.
    void close(duration drain);

    // WHEP and SRT viewers of a channel. Its home shard, while the doors are open.
    live::viewer_report viewers_of(const std::string& channel, bool details) const;

    const std::vector<webrtc::ice_server>& ice_servers() const { return ice_servers_; }

  private:
    outcome<std::uint16_t> open_rtmp(
        std::unique_ptr<ingest::rtmp_server>& server,
        const std::string& address,
        http::tls_context certificate
    );
    outcome<std::uint16_t> open_srt();
    outcome<std::vector<std::uint16_t>> open_webrtc(http::server& front);
    void add_whip(http::server& front);
    void add_whep(http::server& front);
    void add_trickle(http::server& front);

    const door_services services_;
    const gateway_options& options_;
    const logger log_;
    std::vector<webrtc::ice_server> ice_servers_;

    std::unique_ptr<ingest::rtmp_server> rtmp_, rtmps_;
    std::unique_ptr<ingest::srt_server> srt_;
    std::unique_ptr<webrtc::network> network_;
    std::unique_ptr<ingest::whip_door> whip_;
    std::unique_ptr<egress::whep_door> whep_;
    std::unique_ptr<webrtc::session_routes> whip_routes_, whep_routes_;
    std::unique_ptr<live::trickle_door> trickle_;
};

} // namespace rivulet
