// Which stream an RTMP client means. Encoders put name and query in the application, in the stream
// key, or in both; this takes them all.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::ingest {

struct rtmp_target {
    std::string app;    // "live"; empty when the address had none
    std::string stream; // valid by is_stream_name()
    std::vector<std::pair<std::string, std::string>> query; // percent-decoded, in order
};

// 1 to 128 characters of A-Z a-z 0-9 . _ -, but neither "." nor "..".
bool is_stream_name(std::string_view text);

// `app` and `tc_url` from connect, `key` from publish or play. Fails with invalid_argument and a
// text for the client.
outcome<rtmp_target>
resolve_rtmp_target(std::string_view app, std::string_view tc_url, std::string_view key);

// Percent-decodes; '+' stays. A broken escape stays as it is.
std::string percent_decoded(std::string_view text);
// "a=b&c=d", form style ('+' is a space).
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view text);

// An rtmp:// or rtmps:// address, as a client needs it.
struct rtmp_url {
    bool secure = false;
    std::string host;
    std::uint16_t port = 1935;
    std::string app;    // with query, if the address has it there
    std::string key;    // stream name with query
    std::string tc_url; // scheme://host:port/app
    std::string shown;  // scheme://host:port/app/… for people, without key, query and credentials
};

// Fails with invalid_argument and a text for the user that does not repeat secrets.
outcome<rtmp_url> parse_rtmp_url(std::string_view url);

} // namespace rivulet::ingest
