// What the auth webhook is asked and answers: the JSON of both, and how an answer changes what a
// publisher asked for. Pure.
// Fails with: protocol_violation and a text that names what is wrong with the answer.
#pragma once

#include "base/error.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::live {

using query_list = std::vector<std::pair<std::string, std::string>>;

struct webhook_question {
    std::string action; // "publish", "watch" or "control"
    std::string stream; // the name; empty for what concerns all streams
    std::string type;   // see webhook_type()
    std::string key;    // what the client showed besides the query; empty: left out
    std::string remote;
    std::string query; // encoded; empty: left out
    std::string gateway_host, whep_url, update_url, status_url;
};

// Also for a 2xx with an empty `pipeline_parameters`: nothing is overridden then.
struct webhook_answer {
    std::string rtmp_output_url, pipeline, stream_id;       // empty: as the publisher asked
    std::optional<boost::json::object> pipeline_parameters; // absent: as the publisher asked
    std::string srt_passphrase; // of this publisher's connection; empty: the gateway's own counts
};

std::string to_json(const webhook_question& question);
outcome<webhook_answer> parse_webhook_answer(std::string_view body);

// The publisher's query as the answer wants it.
void override_query(const webhook_answer& answer, query_list& query);

// The network's word for a door: "rtmp" and "whip" for what comes through MediaMTX (and for our own
// RTMP), "livepeer-whip" for the gateway's own WHIP; others by their name.
std::string webhook_type(std::string_view protocol);

// "a=1&b=x%20y", in this order.
std::string to_query_text(const query_list& query);

} // namespace rivulet::live
