// What MediaMTX's hook says (POST …/{stream}/start): which source began to publish which path, and
// with which query; and MediaMTX's API paths for that source. Pure.
// Fails with: invalid_argument and a text for the caller.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "live/form_fields.hpp"

#include <string>
#include <string_view>

namespace rivulet::live {

struct mediamtx_start {
    std::string source_id;
    std::string protocol; // "rtmp", "whip", "srt", "rtsp"
    std::string api_kind; // "rtmpconns", …: where the API keeps such sources
    field_list query;     // of the publisher's address
    std::string rtmp_url; // where to pull from; empty: see pull_url()
};

outcome<mediamtx_start> parse_mediamtx_start(const field_list& form);

// The query of a publisher's address as MediaMTX hands it on: as it was (old versions), or
// percent-encoded once more as a whole (1.18.1 and later).
field_list parse_hook_query(std::string_view text);

// The peer as a host in a URL: the loopback is 127.0.0.1, IPv6 has brackets.
std::string url_host(const asio::ip::address& peer);

// rtmp://{peer}/{path}
std::string pull_url(const asio::ip::address& peer, std::string_view path);

} // namespace rivulet::live
