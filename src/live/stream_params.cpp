#include "live/stream_params.hpp"

#include "live/json_object.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace rivulet::live {
namespace {

constexpr std::size_t name_bytes = 128;
constexpr std::size_t pipeline_bytes = 256;
constexpr std::size_t filter_bytes = 256;
constexpr std::size_t url_bytes = 2048;
constexpr json_limits params_limits{256 * 1024, 32};

bool visible_ascii(char c) {
    return c > 0x20 && c < 0x7f;
}

// Characters that survive in a URL path segment, a log line and a file name.
bool name_character(char c) {
    return visible_ascii(c) &&
           std::string_view("/?#%\\\"<>{}|^`").find(c) == std::string_view::npos;
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

} // namespace

std::optional<std::string> name_problem(std::string_view name) {
    if (name.empty())
        return "the stream has no name: publish to rtmp://HOST/NAME or rtmp://HOST/live/NAME";
    if (name.size() > name_bytes)
        return fmt::format("the stream's name is longer than {} characters", name_bytes);
    if (!std::ranges::all_of(name, name_character) || name == "." || name == "..")
        return "the stream's name has a character that can't stand in a URL path; use letters, "
               "digits, '-', '_' and '.'";
    if (name.front() == '_')
        return "a stream's name can't begin with '_': such names are internal";
    static constexpr std::array<std::string_view, 4> reserved{
        output_suffix, "-control", "-events", "-data"};
    for (auto suffix : reserved)
        if (name.ends_with(suffix))
            return fmt::format(
                "a stream's name can't end in '{}': that ending is for what the gateway itself "
                "publishes",
                suffix
            );
    return std::nullopt;
}

outcome<rtmp_target> parse_rtmp_target(std::string_view text) {
    const auto refuse = [](std::string_view why) {
        return failure(errc::invalid_argument, fmt::format("rtmpOutput: {}", why));
    };
    if (text.size() > url_bytes)
        return refuse("the URL is too long");
    const auto parsed = boost::urls::parse_uri(text);
    if (!parsed)
        return refuse("not a URL; rtmp://HOST/APP/KEY is wanted");
    const auto scheme = lower(parsed->scheme());
    if (scheme != "rtmp" && scheme != "rtmps")
        return refuse("only rtmp:// and rtmps:// can be pushed to");
    rtmp_target target{
        std::string(text), std::string(parsed->host_address()), 0, scheme == "rtmps"};
    if (target.host.empty())
        return refuse("the URL has no host");
    if (parsed->encoded_path().find_first_not_of('/') == boost::core::string_view::npos)
        return refuse("the URL has no path; rtmp://HOST/APP/KEY is wanted");
    target.port = target.tls ? 443 : 1935;
    if (parsed->has_port()) {
        // port_number() of this Boost wraps around instead of failing.
        const std::string digits(parsed->port());
        const auto* end = digits.data() + digits.size();
        const auto [stop, ec] = std::from_chars(digits.data(), end, target.port);
        if (ec != std::errc() || stop != end || target.port == 0)
            return refuse("the port is not a number from 1 to 65535");
    }
    return target;
}

outcome<stream_params> parse_stream_params(
    std::string_view name, const std::vector<std::pair<std::string, std::string>>& query
) {
    if (auto problem = name_problem(name))
        return failure(errc::invalid_argument, *problem);
    stream_params out;
    out.name = name;
    const auto value = [&query](std::string_view key) -> std::string_view {
        for (const auto& [k, v] : query)
            if (k == key)
                return v;
        return {};
    };

    out.pipeline = value("pipeline");
    if (out.pipeline.empty())
        out.pipeline = default_pipeline;
    if (out.pipeline.size() > pipeline_bytes || !std::ranges::all_of(out.pipeline, visible_ascii))
        return failure(
            errc::invalid_argument, "pipeline: a model's name of at most 256 visible characters"
        );

    out.stream_id = value("streamId");
    if (out.stream_id.size() > name_bytes || !std::ranges::all_of(out.stream_id, name_character))
        return failure(
            errc::invalid_argument,
            "streamId: at most 128 characters that can stand in a URL path segment"
        );

    out.orchestrator = value("orchestrator");
    if (out.orchestrator.size() > filter_bytes ||
        !std::ranges::all_of(out.orchestrator, visible_ascii))
        return failure(
            errc::invalid_argument, "orchestrator: a part of the orchestrator's URL is wanted"
        );

    if (const auto text = value("params"); !text.empty()) {
        auto object = parse_json_object(text, params_limits);
        if (!object)
            return failure(object.error().code, "params: " + object.error().detail);
        out.params = std::move(*object);
    }
    if (const auto url = value("rtmpOutput"); !url.empty()) {
        auto target = parse_rtmp_target(url);
        if (!target)
            return target.error();
        out.rtmp_output = std::move(*target);
    }
    return out;
}

} // namespace rivulet::live
