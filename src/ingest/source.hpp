// What every door for publishers (RTMP, SRT, WHIP) and the live side say to each other.
// Thread: everything below runs on the home shard of the stream's name.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "media/access_unit.hpp"

#include <boost/json/fwd.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rivulet::ingest {

struct publish_request {
    // "rtmp", "srt", "whip", "trickle"; "mediamtx-rtmp", "mediamtx-whip" when pulled
    std::string protocol;
    std::string stream; // the name, without application and query
    std::vector<std::pair<std::string, std::string>> query; // percent-decoded, in order
    std::string remote;                                     // "127.0.0.1:50123"
    std::string session_id;                                 // names this session on log lines
    std::string key;        // what the publisher showed (see key_of); never logged
    std::string base;       // "http://host:port" as the publisher sees this gateway; may be empty
    std::string request_id; // of this session, as unit_sink::request_id(); empty: made up
    std::string whep_url;   // where its processed video is watched; may be empty
    // The publisher compares the output's times with its own: the first unit keeps its dts.
    bool keeps_times = false;
};

// The live side of one accepted publisher. Calls after ended() are ignored.
class unit_sink {
  public:
    virtual ~unit_sink() = default;
    // Before the first unit, and again when a codec or its parameters change.
    virtual void format_changed(const media::stream_format& format) = 0;
    // In arrival order; dts may jump, the sink copes.
    virtual void unit(media::access_unit unit) = 0;
    // The publisher left, or was cut; `reason` is for people.
    virtual void ended(const std::string& reason) = 0;

    // Of this session: viewers may ask for {stream}-{request}-out.
    virtual std::string request_id() const { return {}; }

    // As /status knows it.
    virtual std::string stream_id() const { return {}; }

    // Asked by the live side's consumers; the door sets it when its protocol can ask the publisher.
    std::function<void()> request_keyframe;
    // Numbers of the publisher's connection for /status; set by doors that have some.
    std::function<boost::json::object()> session_stats;
};

// Why the live side ends a publisher; protocols have codes for it.
enum class kick_cause {
    replaced, // a newer publisher took the name
    stopped,  // by the API, or the gateway ends
    bad_media // its media can't be carried
};

// Called by the live side to end the publisher; `reason` reaches the client where its protocol can
// carry a text.
using kick = std::function<void(kick_cause cause, std::string reason)>;

// Decides over a publisher. The failure's detail goes to the client and the log.
using admit_publisher =
    std::function<awaitable<outcome<std::shared_ptr<unit_sink>>>(publish_request, kick)>;

} // namespace rivulet::ingest
