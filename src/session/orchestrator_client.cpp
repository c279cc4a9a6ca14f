#include "session/orchestrator_client.hpp"

#include <boost/beast/core/detail/base64.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::session {
namespace {

constexpr std::size_t answer_bytes = 64 * 1024;

std::string base64(std::string_view raw) {
    namespace b64 = boost::beast::detail::base64;
    std::string out(b64::encoded_size(raw.size()), '\0');
    out.resize(b64::encode(out.data(), raw.data(), raw.size()));
    return out;
}

// The orchestrator's own words, fit for one line.
std::string one_line(std::string_view body) {
    std::string out(body.substr(0, 300));
    while (!out.empty() && (out.back() == '\n' || out.back() == '\r' || out.back() == ' '))
        out.pop_back();
    std::ranges::replace_if(
        out, [](unsigned char c) { return c < 0x20; }, ' '
    );
    return out;
}

} // namespace

live_credentials live_credentials::off_chain(const std::string& manifest) {
    // SegData (protobuf): manifestId = 1, bytes.
    std::string seg_data = "\x0a";
    seg_data += static_cast<char>(std::min<std::size_t>(manifest.size(), 127));
    seg_data += manifest.substr(0, 127);
    return {base64(seg_data), ""};
}

awaitable<outcome<live_channels>> orchestrator_client::start_live(
    std::string base, live_request request, live_credentials credentials, duration limit
) const {
    http::header_list headers;
    headers.emplace_back("Content-Type", "application/json");
    headers.emplace_back("Livepeer-Segment", credentials.segment);
    headers.emplace_back("Livepeer-Payment", credentials.payment);
    headers.emplace_back("Authorization", "Livepeer-AI-Worker-1.0");
    const auto hosts = hosts_;
    auto answer = co_await http::fetch(
        options_,
        http::verb::post,
        base + "/live-video-to-video",
        std::move(headers),
        to_json(request),
        limit,
        answer_bytes
    );
    if (!answer)
        co_return answer.error();
    const auto code = static_cast<unsigned>(answer->status);
    if (code < 200 || code > 299) {
        auto said = one_line(answer->body);
        co_return failure(
            errc::http_status,
            said.empty() ? fmt::format("answered {}", code)
                         : fmt::format("answered {}: {}", code, said)
        );
    }
    co_return parse_live_answer(answer->body, base, hosts);
}

} // namespace rivulet::session
