#include "viewer_reports.hpp"

#include <algorithm>

namespace rivulet {

namespace json = boost::json;

namespace {

constexpr std::size_t most_listed = 50; // /status stays readable with a thousand viewers

json::object one_viewer(const egress::whep_session_stats& viewer) {
    return {
        {"session", viewer.id},
        {"remote", viewer.transport.remote},
        {"transport", viewer.transport.tcp ? "tcp" : "udp"},
        {"connected", viewer.transport.connected},
        {"age_s", std::chrono::duration<double>(viewer.age).count()},
        {"packets", viewer.media.packets},
        {"bytes", viewer.media.bytes},
        {"resent", viewer.media.resent},
        {"not_resent", viewer.media.not_resent},
        {"skipped_frames", viewer.media.skipped_frames},
        {"keyframe_requests", viewer.media.keyframe_requests},
        {"loss_percent", viewer.media.loss_percent},
        {"jitter_ms", viewer.media.jitter_ms},
        {"round_trip_ms", viewer.media.round_trip_ms}};
}

} // namespace

json::object whep_report(const egress::whep_channel_stats& channel) {
    json::object report;
    report["viewers"] = channel.viewers.size();
    report["packets"] = channel.feed.packets;
    report["history_bytes"] = channel.feed.bytes_held;
    if (channel.feed.transcoding)
        report["transcoder"] = {
            {"reason", "browsers cannot show B-frames"},
            {"frames_in", channel.feed.transcoder.frames_in},
            {"frames_out", channel.feed.transcoder.frames_out},
            {"dropped", channel.feed.transcoder.dropped},
            {"cpu_seconds", channel.feed.transcoder.cpu_seconds}};
    json::array sessions;
    for (std::size_t i = 0; i < std::min(channel.viewers.size(), most_listed); ++i)
        sessions.push_back(one_viewer(channel.viewers[i]));
    report["sessions"] = std::move(sessions);
    return report;
}

json::array
srt_readers(const std::vector<ingest::srt_session>& sessions, std::string_view channel) {
    json::array readers;
    for (const auto& one : sessions)
        if (one.mode == ingest::srt_mode::read && one.stream == channel)
            readers.push_back(json::object{
                {"session", one.session_id},
                {"remote", one.remote},
                {"encrypted", one.encrypted},
                {"latency_ms", one.latency_ms},
                {"round_trip_ms", one.rtt_ms},
                {"bytes", one.bytes},
                {"packets", one.packets},
                {"retransmitted", one.packets_retransmitted},
                {"lost", one.packets_lost}});
    return readers;
}

} // namespace rivulet
