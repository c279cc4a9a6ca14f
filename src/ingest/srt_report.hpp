// An SRT publisher's connection as /status shows it. Pure.
#pragma once

#include "ingest/srt_server.hpp"

#include <boost/json/object.hpp>

namespace rivulet::ingest {

// `transcoder` is of a publisher whose video is transcoded; null: it goes on as it is.
boost::json::object
srt_report(const srt_session& session, const media::video_transcoder_stats* transcoder);

} // namespace rivulet::ingest
