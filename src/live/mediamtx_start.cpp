#include "live/mediamtx_start.hpp"

#include "http/target.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace rivulet::live {
namespace {

struct source_kind {
    std::string_view type; // lower case
    std::string_view protocol, api_kind;
};

constexpr std::array kinds{
    source_kind{"rtmpconn", "rtmp", "rtmpconns"},
    source_kind{"rtmpsconn", "rtmp", "rtmpsconns"},
    source_kind{"webrtcsession", "whip", "webrtcsessions"},
    source_kind{"srtconn", "srt", "srtconns"},
    source_kind{"rtspsession", "rtsp", "rtspsessions"},
    source_kind{"rtspssession", "rtsp", "rtspssessions"},
};

constexpr std::size_t id_bytes = 128;

failure bad(std::string text) {
    return {errc::invalid_argument, std::move(text)};
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

} // namespace

field_list parse_hook_query(std::string_view text) {
    if (text.starts_with('?'))
        text.remove_prefix(1);
    // Encoded as a whole it has neither of its own characters left.
    const bool encoded =
        text.find_first_of("=&") == text.npos && lower(text).find("%3d") != std::string::npos;
    if (!encoded)
        return http::parse_query(text);
    const auto once = http::percent_decode(text);
    return http::parse_query(once ? std::string_view(*once) : text);
}

outcome<mediamtx_start> parse_mediamtx_start(const field_list& form) {
    mediamtx_start made;
    std::string type;
    field_list loose;
    for (const auto& [name, value] : form) {
        if (name == "source_id")
            made.source_id = value;
        else if (name == "source_type")
            type = lower(value);
        else if (name == "query")
            made.query = parse_hook_query(value);
        else if (name == "rtmp_url")
            made.rtmp_url = value;
        else
            loose.emplace_back(name, value);
    }
    // `curl -d query=$MTX_QUERY` cuts the query at its '&': the rest arrives as fields.
    made.query.insert(made.query.end(), loose.begin(), loose.end());
    if (made.source_id.empty())
        return bad("Missing source_id");
    if (type.empty())
        return bad("Missing source_type");
    const auto kind = std::ranges::find(kinds, std::string_view(type), &source_kind::type);
    if (kind == kinds.end())
        return bad(
            "unknown media source: source_type is one of rtmpConn, rtmpsConn, webRTCSession, "
            "srtConn, rtspSession, rtspsSession"
        );
    // It becomes part of an API path.
    if (made.source_id.size() > id_bytes ||
        !std::ranges::all_of(made.source_id, [](unsigned char c) {
            return std::isalnum(c) || c == '-' || c == '_' || c == '.';
        }))
        return bad("source_id has a character that no id of MediaMTX has");
    made.protocol = kind->protocol;
    made.api_kind = kind->api_kind;
    return made;
}

std::string url_host(const asio::ip::address& peer) {
    if (peer.is_v4())
        return peer.to_string();
    auto v6 = peer.to_v6();
    if (v6.is_loopback())
        return "127.0.0.1";
    if (v6.is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string();
    return "[" + v6.to_string() + "]";
}

std::string pull_url(const asio::ip::address& peer, std::string_view path) {
    return "rtmp://" + url_host(peer) + "/" + std::string(path);
}

} // namespace rivulet::live
