#include "private_api.hpp"

#include "base/log.hpp"
#include "http/websocket_upgrade.hpp"
#include "live/form_fields.hpp"
#include "live/json_text.hpp"
#include "session/price_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace rivulet {

namespace json = boost::json;
using http::verb;

namespace {

constexpr session::capability_id no_capability = -1;

http::response text_reply(std::string body, http::status status = http::status::ok) {
    http::response reply;
    reply.status = status;
    reply.content_type = "text/plain; charset=utf-8";
    reply.headers.emplace_back("Cache-Control", "no-store");
    reply.body = std::move(body);
    return reply;
}

http::response bad(std::string why) {
    return text_reply(std::move(why), http::status::bad_request);
}

http::response json_reply(const json::value& value) {
    http::response reply;
    reply.content_type = "application/json";
    reply.headers.emplace_back("Cache-Control", "no-store");
    reply.body = live::to_text(value);
    return reply;
}

// A posted form's fields, and the query's for those that the form lacks: tools send either.
class fields {
  public:
    explicit fields(const http::request& request) : query_(request.query) {
        if (auto form = live::parse_form(request["Content-Type"], request.body))
            form_ = std::move(*form);
    }

    std::string operator[](std::string_view name) const {
        for (const auto* list : {&form_, &query_})
            for (const auto& [key, value] : *list)
                if (key == name)
                    return value;
        return {};
    }

  private:
    live::field_list form_, query_;
};

// --- log level -----------------------------------------------------------------------------------

// As -v counts.
std::string_view verbosity(log_level level) {
    switch (level) {
    case log_level::trace:
        return "6";
    case log_level::debug:
        return "4";
    case log_level::info:
        return "3";
    case log_level::warning:
        return "2";
    case log_level::error:
        return "1";
    case log_level::off:
        return "0";
    }
    return "3";
}

http::response set_level(const fields& form) {
    auto wanted = form["loglevel"];
    int number = 0;
    const auto* end = wanted.data() + wanted.size();
    const auto read = std::from_chars(wanted.data(), end, number);
    if (read.ec == std::errc() && read.ptr == end && number > 6)
        wanted = "6"; // 99 is common
    log_level level{};
    if (!parse_log_level(wanted, level))
        return bad("loglevel is not a level; send error, warn, info, debug, trace or 0 to 99");
    if (level != current_log_level())
        logger("private API").warn("log level is now {}", verbosity(level));
    set_log_level(level);
    return text_reply({});
}

// --- prices --------------------------------------------------------------------------------------

std::string fraction(const session::price& p) {
    return p.denominator == 1 ? std::to_string(p.numerator)
                              : fmt::format("{}/{}", p.numerator, p.denominator);
}

http::response set_capability_price(const private_sources& from, const fields& form) {
    for (const auto* name : {"maxPricePerUnit", "pixelsPerUnit", "currency", "pipeline", "modelID"})
        if (form[name].empty())
            return bad(fmt::format("{} is missing", name));
    const auto capability = session::capability_of(form["pipeline"]);
    if (!capability)
        return bad("pipeline is unknown: " + form["pipeline"]);
    const auto cap =
        session::parse_price(form["maxPricePerUnit"], form["currency"], form["pixelsPerUnit"]);
    if (!cap)
        return bad(cap.error().detail);
    if (cap->numerator <= 0)
        return bad("maxPricePerUnit must be more than 0");
    from.caps->set(*capability, form["modelID"], *cap);
    return text_reply({});
}

http::response set_global_price(const private_sources& from, const fields& form) {
    if (!form["transcodingOptions"].empty())
        return bad("transcodingOptions: this gateway does not transcode");
    if (form["maxPricePerUnit"].empty() || form["pixelsPerUnit"].empty())
        return bad("maxPricePerUnit and pixelsPerUnit go together");
    const auto cap =
        session::parse_price(form["maxPricePerUnit"], form["currency"], form["pixelsPerUnit"]);
    if (!cap)
        return bad(cap.error().detail);
    if (cap->numerator > 0)
        from.caps->set_global(*cap);
    else
        from.caps->set_global(std::nullopt); // 0 is no cap
    return text_reply({});
}

json::object global_price(const private_sources& from) {
    // What holds for a capability that nobody has set a cap for.
    const auto cap = from.caps->cap_of(no_capability, {});
    json::object out;
    out["MaxPrice"] = cap ? json::value(fraction(*cap)) : json::value(nullptr);
    out["TranscodingOptions"] = "";
    out["Capabilities"] = from.caps->to_json()["capabilities"];
    return out;
}

// --- status --------------------------------------------------------------------------------------

json::object node_status(const private_sources& from) {
    json::array urls, infos;
    if (from.orchestrators)
        infos = from.orchestrators();
    for (const auto& one : infos)
        if (const auto* row = one.if_object())
            if (const auto* url = row->if_contains("Url"))
                urls.push_back(*url);
    json::object out;
    for (const auto* name : {"Manifests", "InternalManifests", "StreamInfo"})
        out[name] = json::object();
    out["OrchestratorPool"] = std::move(urls);
    out["OrchestratorPoolInfos"] = std::move(infos);
    out["Version"] = "rivulet " RIVULET_VERSION;
    out["GolangRuntimeVersion"] = "";
#if defined(__aarch64__)
    out["GOArch"] = "arm64";
#else
    out["GOArch"] = "amd64";
#endif
    out["GOOS"] = "linux";
    out["RegisteredTranscodersNumber"] = 0;
    out["RegisteredTranscoders"] = json::array();
    out["LocalTranscoding"] = false;
    out["BroadcasterPrices"] = json::object();
    out["LiveStreams"] = from.streams ? from.streams() : 0;
    return out;
}

http::response index(const private_sources& from) {
    http::response reply;
    reply.content_type = "text/html; charset=utf-8";
    reply.body = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Rivulet</title>"
                 "<h1>Rivulet " RIVULET_VERSION "</h1><ul>";
    for (const auto* path :
         {"/status",
          "/getNetworkCapabilities",
          "/getAISessionPoolsInfo",
          "/getBroadcastConfig",
          "/getLogLevel",
          "/healthz"})
        reply.body += fmt::format("<li><a href=\"{0}\">{0}</a></li>", path);
    reply.body += from.metrics ? "<li><a href=\"/metrics\">/metrics</a></li>"
                               : "<li>/metrics: off, start with -monitor</li>";
    reply.body += "</ul><p>POST: /setLogLevel (loglevel), /setBroadcastConfig (maxPricePerUnit, "
                  "pixelsPerUnit, currency), /setMaxPriceForCapability (the same, pipeline, "
                  "modelID).</p></html>\n";
    return reply;
}

// --- routes --------------------------------------------------------------------------------------

using shared_sources = std::shared_ptr<const private_sources>;
using answer = http::response (*)(const private_sources&, const http::request&);

awaitable<http::response>
answer_now(const private_sources& from, answer how, const http::request& request) {
    co_return how(from, request);
}

http::handler with(shared_sources from, answer how) {
    return [from = std::move(from), how](const http::request& request) {
        return answer_now(*from, how, request);
    };
}

awaitable<http::response> metrics_text(shared_sources from) {
    auto text = co_await from->metrics();
    http::response reply;
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    reply.body = std::move(text);
    co_return reply;
}

// Browsers let every page send forms to every host; no tool of an operator sends an Origin. With a
// GET, as for an image, they send none either, but say where it comes from.
bool of_another_page(const http::request& request) {
    const auto origin = request["Origin"];
    if (!origin.empty() && !http::same_origin(origin, request["Host"]))
        return true;
    const auto site = request["Sec-Fetch-Site"];
    return !site.empty() && site != "same-origin" && site != "none";
}

template <http::response (*change)(const private_sources&, const fields&)>
http::response guarded(const private_sources& from, const http::request& request) {
    if (of_another_page(request))
        return text_reply("not from another web page\n", http::status::forbidden);
    return change(from, fields(request));
}

http::response set_level_of(const private_sources&, const fields& form) {
    return set_level(form);
}

} // namespace

void add_private_routes(http::server& server, private_sources sources) {
    const shared_sources from = std::make_shared<const private_sources>(std::move(sources));
    // go-livepeer answers every method.
    const auto any = [&](const std::string& path, const http::handler& handle) {
        for (const auto method : {verb::get, verb::post, verb::put})
            server.route(method, path, handle);
    };
    any("/status", with(from, [](const private_sources& s, const http::request&) {
            return json_reply(node_status(s));
        }));
    any("/getNetworkCapabilities", with(from, [](const private_sources& s, const http::request&) {
            return json_reply(s.network_capabilities ? s.network_capabilities() : json::object());
        }));
    any("/getAISessionPoolsInfo", with(from, [](const private_sources& s, const http::request&) {
            return json_reply(s.pools ? s.pools() : json::object());
        }));
    any("/getLogLevel", with(from, [](const private_sources&, const http::request&) {
            return text_reply(std::string(verbosity(current_log_level())));
        }));
    any("/setLogLevel", with(from, guarded<set_level_of>));
    any("/healthz",
        with(from, [](const private_sources&, const http::request&) { return text_reply({}); }));
    if (from->caps) {
        any("/setMaxPriceForCapability", with(from, guarded<set_capability_price>));
        any("/setBroadcastConfig", with(from, guarded<set_global_price>));
        any("/getBroadcastConfig", with(from, [](const private_sources& s, const http::request&) {
                return json_reply(global_price(s));
            }));
    }
    server.route(verb::get, "/", with(from, [](const private_sources& s, const http::request&) {
                     return index(s);
                 }));
    if (from->metrics)
        any("/metrics", [from](const http::request&) { return metrics_text(from); });
}

} // namespace rivulet
