// Everything of a live stream that strangers write: the query of the ingest URL, JSON parameters,
// events of an orchestrator, its answer to a job, and the TS bytes that it sends back. The first
// byte chooses which; nothing may crash, and what was accepted must hold what its type promises.
#include "http/client_url.hpp"
#include "http/target.hpp"
#include "live/control_fsm.hpp"
#include "live/error_log.hpp"
#include "live/event_merge.hpp"
#include "live/json_object.hpp"
#include "live/stream_params.hpp"
#include "live/ts_meter.hpp"
#include "session/fault.hpp"
#include "session/live_offer.hpp"
#include "session/orchestrator_address.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

using namespace rivulet;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void ingest_url(std::string_view text) {
    const auto question = std::min(text.find('?'), text.size());
    const auto query =
        http::parse_query(question < text.size() ? text.substr(question + 1) : std::string_view());
    const auto params = live::parse_stream_params(text.substr(0, question), query);
    if (!params)
        return;
    require(!params->name.empty() && params->name.find('/') == std::string::npos);
    require(!params->name.ends_with("-out"));
    require(!params->pipeline.empty());
    if (params->rtmp_output)
        require(!params->rtmp_output->host.empty() && params->rtmp_output->port != 0);
}

void json(std::string_view text) {
    const auto object = live::parse_json_object(text, {64 * 1024, 32});
    if (!object)
        return;
    const auto again = live::parse_json_object(boost::json::serialize(*object), {1024 * 1024, 32});
    require(again.has_value());
}

void events(std::string_view text) {
    live::event_merge merge;
    live::error_log errors;
    const live::event_identity who{"sid", "rid", "", "", "http://o"};
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (const auto event = merge.take(line, who))
            require(event->event.at("stream_id") == "sid");
        else
            errors.add(event.error().detail, 1);
        errors.add(std::string(line), 2);
    }
}

void answer(std::string_view text) {
    for (auto hosts : {session::channel_hosts::own, session::channel_hosts::any}) {
        const auto channels = session::parse_live_answer(text, "https://o.example:8935/p", hosts);
        if (!channels)
            continue;
        require(http::parse_http_url(channels->publish_url).has_value());
        require(channels->manifest_id.find('/') == std::string::npos);
    }
    (void)session::orchestrator_bases({std::string(text)});
    (void)session::to_fault(500, text);
}

void ts(std::span<const std::uint8_t> data) {
    std::uint64_t seen = 0;
    live::ts_meter whole([&seen](std::int64_t pts) {
        require(pts >= 0 && pts < (std::int64_t{1} << 33));
        ++seen;
    });
    whole.feed(data);
    require(seen <= whole.frames());
    // Where the bytes are cut makes no difference.
    live::ts_meter parts({});
    for (std::size_t at = 0; at < data.size(); at += 61)
        parts.feed(data.subspan(at, std::min<std::size_t>(61, data.size() - at)));
    require(parts.frames() == whole.frames());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::span<const std::uint8_t> rest(data + 1, size - 1);
    const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
    switch (data[0] % 5) {
    case 0:
        ingest_url(text);
        break;
    case 1:
        json(text);
        break;
    case 2:
        events(text);
        break;
    case 3:
        answer(text);
        break;
    case 4:
        ts(rest);
        break;
    }
    return 0;
}
