// The viewers of a channel as /status shows them. Pure.
#pragma once

#include "egress/whep_door.hpp"
#include "ingest/srt_server.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string_view>
#include <vector>

namespace rivulet {

// What is done once for all of them, and each of at most 50 viewers.
boost::json::object whep_report(const egress::whep_channel_stats& channel);

// An entry for each reader of `channel`.
boost::json::array
srt_readers(const std::vector<ingest::srt_session>& sessions, std::string_view channel);

} // namespace rivulet
