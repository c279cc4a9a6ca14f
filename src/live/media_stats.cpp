#include "live/media_stats.hpp"

#include <boost/json/array.hpp>

#include <string_view>

namespace rivulet::live {

namespace json = boost::json;

namespace {

constexpr double most_jitter_ms = 50, most_loss_percent = 2;
constexpr double ns_per_ms = 1e6;

double number(const json::object& from, std::string_view key) {
    const auto* value = from.if_contains(key);
    return value && value->is_number() ? value->to_number<double>() : 0;
}

} // namespace

std::optional<json::object> media_stats(const json::object& session) {
    const auto* protocol = session.if_contains("protocol");
    if (!protocol || !protocol->is_string() || protocol->get_string() != "whip")
        return std::nullopt;
    const auto jitter = number(session, "jitter_ms");
    const auto lost = number(session, "packets_lost"), received = number(session, "packets");
    const auto loss = lost + received > 0 ? 100 * lost / (lost + received) : 0;
    json::array warnings;
    if (jitter > most_jitter_ms)
        warnings.push_back("jitter greater than 50 ms");
    if (loss > most_loss_percent)
        warnings.push_back("packet loss greater than 2%");
    json::object out;
    out["peer_conn_stats"] = {
        {"ID", "whip"},
        {"BytesReceived", static_cast<std::uint64_t>(number(session, "bytes"))},
        {"BytesSent", 0}};
    out["conn_quality"] = warnings.empty() ? "good" : "bad";
    // One bundle carries all tracks; its figures are those of the video, which is most of it.
    json::object track{
        {"type", "video"},
        {"jitter", jitter},
        {"packets_lost", static_cast<std::uint64_t>(lost)},
        {"packets_received", static_cast<std::uint64_t>(received)},
        {"packet_loss_pct", loss},
        {"rtt", static_cast<std::uint64_t>(number(session, "rtt_ms") * ns_per_ms)}};
    track["warnings"] = std::move(warnings);
    out["track_stats"] = json::array{std::move(track)};
    return out;
}

} // namespace rivulet::live
