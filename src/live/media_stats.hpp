// What /status tells of a WHIP publisher's connection, in the words of the queue's
// stream_ingest_metrics. Pure.
#pragma once

#include <boost/json/object.hpp>

#include <optional>

namespace rivulet::live {

// {"peer_conn_stats", "track_stats", "conn_quality"}; nothing for a publisher that is not WHIP. Bad
// is more than 50 ms of jitter or 2 % of loss.
std::optional<boost::json::object> media_stats(const boost::json::object& session);

} // namespace rivulet::live
