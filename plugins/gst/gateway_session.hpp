// One live stream through a gateway's trickle door, seen from outside the gateway: encoded units go
// in, processed units come out. Opens the door (POST /live/video-to-video/{stream}/trickle),
// publishes the input channel, reads the output and the events, sends parameters, and begins again
// with backoff when the gateway is lost. Knows nothing of GStreamer elements.
// Thread: construct, start, stop and destroy from one thread; the input side and the setters from
// any, never waiting; listeners are called on the session's own network thread and must not block.
// Owns: that thread.
#pragma once

#include "base/asio.hpp"
#include "media/access_unit.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace rivulet::element {

struct session_settings {
    std::string gateway = "http://127.0.0.1:8935"; // http or https, with an optional path prefix
    std::string stream;                            // empty: a random name
    std::string pipeline;                          // empty: the gateway's default
    std::string params;                            // a JSON object as text; empty: none
    std::string token;                             // sent as Authorization: Bearer; never logged
    bool tls_verify = true;
    duration connect_timeout = std::chrono::seconds(5);
    duration first_retry = std::chrono::milliseconds(250), last_retry = std::chrono::seconds(10);
    // Of input not sent yet; above either, video drops to the next keyframe.
    std::size_t queue_bytes = 8u << 20;
    duration queue_time = std::chrono::seconds(3);

    session_settings() {}
};

// What the gateway answered.
struct session_place {
    std::string gateway, stream, stream_id, request_id;
};

struct session_stats {
    std::uint64_t units_in = 0, bytes_in = 0, units_dropped = 0; // dropped: the queue was full
    std::uint64_t units_out = 0, bytes_out = 0;
    std::uint64_t connects = 0, reconnects = 0, swaps = 0;
    std::uint64_t queued_bytes = 0;
    bool connected = false;
};

class session_listener {
  public:
    virtual ~session_listener() = default;
    virtual void connected(const session_place& place) = 0;
    // The gateway is not there, or ended the stream; tried again in `retry`.
    virtual void lost(const std::string& reason, duration retry) = 0;
    // Trying again is hopeless; once, nothing follows. `status` is the gateway's answer (401, 403,
    // 400, 404, …); 0 when the settings can't even be asked with.
    virtual void refused(int status, const std::string& reason) = 0;
    // Of the output; before its first unit and whenever it changes.
    virtual void output_format(const media::stream_format& format) = 0;
    // Times as the output carries them, unwrapped to 64 bits near the newest input's.
    virtual void output_unit(media::access_unit unit) = 0;
    // An event of the stream as the gateway's event feed tells it (type, data); docs/events.md.
    virtual void event(const std::string& type, const boost::json::object& data) = 0;
    // The input should bring a keyframe soon: nothing can be sent before one.
    virtual void keyframe_wanted() = 0;
    // After finish(): everything that the gateway had is out, or the limit has passed. Once.
    virtual void drained() = 0;
};

class gateway_session {
  public:
    // The listener outlives the session. Fails at start(), not here.
    gateway_session(session_settings settings, session_listener& listener);
    ~gateway_session(); // stop()
    gateway_session(const gateway_session&) = delete;
    gateway_session& operator=(const gateway_session&) = delete;

    void start();
    // Closes everything at once (the channel is deleted at the gateway where that is possible
    // within 200 ms). No listener is called afterwards.
    void stop();

    // Input; units as media::access_unit describes them, times in 90 kHz. Copied nowhere.
    void input_format(const media::stream_format& format);
    void input_unit(media::access_unit unit);
    // New parameters, a JSON object as text; the newest one also begins the next connection.
    void update(std::string params);
    // The input is over: the rest is sent, the output read to its end or for `limit`, then
    // drained().
    void finish(duration limit);
    session_stats stats() const;

    struct impl;

  private:
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::element
