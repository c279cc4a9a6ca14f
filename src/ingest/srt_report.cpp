#include "ingest/srt_report.hpp"

namespace rivulet::ingest {

boost::json::object
srt_report(const srt_session& session, const media::video_transcoder_stats* transcoder) {
    boost::json::object report{
        {"session", session.session_id},
        {"encrypted", session.encrypted},
        {"latency_ms", session.latency_ms},
        {"round_trip_ms", session.rtt_ms},
        {"bytes", session.bytes},
        {"packets", session.packets},
        {"lost", session.packets_lost},
        {"retransmitted", session.packets_retransmitted},
        {"too_late", session.packets_dropped},
        {"bytes_dropped", session.bytes_dropped}};
    if (transcoder)
        report["transcoder"] = {
            {"reason", "orchestrators take H.264"},
            {"frames_in", transcoder->frames_in},
            {"frames_out", transcoder->frames_out},
            {"dropped", transcoder->dropped},
            {"cpu_seconds", transcoder->cpu_seconds}};
    return report;
}

} // namespace rivulet::ingest
