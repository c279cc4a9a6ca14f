// An RTMP client for tests, benchmarks and the demo: publishes tags with their own pace, or plays
// and hands over every media message. Uses the product's client machine
// (ingest/rtmp_client_fsm.hpp), so real clients (ffmpeg, GStreamer) are tested besides it. Thread:
// the executor's; every call is a coroutine there.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "ingest/rtmp_message.hpp"
#include "media/flv_tag.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rivulet::test {

struct rtmp_publish_options {
    bool realtime = true;  // send each tag when its timestamp is due; else as fast as it goes
    bool loop = false;     // begin again with continuing timestamps, until cancelled
    bool unpublish = true; // say FCUnpublish and deleteStream at the end; else just close
    duration limit = std::chrono::hours(24); // stop after so much wall time
    // Called right before a tag is written, with the timestamp that it carries (latency tests).
    std::function<void(const media::flv_tag&)> on_send;
};

// Every tag of an FLV file. Fails with media_error, or the system's error when it can't be read.
outcome<std::vector<media::flv_tag>> load_flv(const std::string& path);

// Connects to rtmp://HOST:PORT/APP/NAME?QUERY and publishes. The failure's detail is what the
// server said: "NetStream.Publish.BadName: replaced by a newer publisher".
awaitable<outcome<void>> rtmp_publish(
    std::string url,
    std::shared_ptr<const std::vector<media::flv_tag>> tags,
    rtmp_publish_options options = {}
);

struct rtmp_played {
    media::flv_tag tag; // type, timestamp in milliseconds, body as on the wire
    time_point received;
};

// Plays until the server ends the stream (success), `on_tag` returns false (success), or something
// fails. on_tag gets every audio, video and script message.
awaitable<outcome<void>> rtmp_play(
    std::string url,
    std::function<bool(const rtmp_played&)> on_tag,
    duration limit = std::chrono::hours(24)
);

} // namespace rivulet::test
