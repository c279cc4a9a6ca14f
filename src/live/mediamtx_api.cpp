#include "live/mediamtx_api.hpp"

#include <boost/beast/core/detail/base64.hpp>
#include <fmt/core.h>

namespace rivulet::live {
namespace {

constexpr std::size_t most_answer_bytes = 64 * 1024;

std::string base64(std::string_view text) {
    namespace codec = boost::beast::detail::base64;
    std::string out(codec::encoded_size(text.size()), '\0');
    out.resize(codec::encode(out.data(), text.data(), text.size()));
    return out;
}

} // namespace

mediamtx_api::mediamtx_api(
    std::string base, std::string password, http::client_options client, duration limit
)
    : base_(std::move(base)), client_(std::move(client)), limit_(limit) {
    while (base_.ends_with('/'))
        base_.pop_back();
    if (!password.empty())
        headers_.emplace_back("Authorization", "Basic " + base64("admin:" + password));
}

awaitable<outcome<unsigned>> mediamtx_api::ask(http::verb method, std::string path) const {
    auto reply = co_await http::fetch(
        client_, method, base_ + "/v3/" + path, headers_, {}, limit_, most_answer_bytes
    );
    if (!reply)
        co_return reply.error();
    co_return static_cast<unsigned>(reply->status);
}

awaitable<source_presence> mediamtx_api::look(std::string kind, std::string id) const {
    const auto status = co_await ask(http::verb::get, kind + "/get/" + id);
    if (!status)
        co_return source_presence::unknown;
    if (*status >= 200 && *status < 400)
        co_return source_presence::there;
    // 400 is a malformed id: MediaMTX has no such source and never had.
    const bool gone = *status == 404 || *status == 400;
    co_return gone ? source_presence::gone : source_presence::unknown;
}

awaitable<outcome<void>> mediamtx_api::kick(std::string kind, std::string id) const {
    const auto status = co_await ask(http::verb::post, kind + "/kick/" + id);
    if (!status)
        co_return status.error();
    if ((*status >= 200 && *status < 400) || *status == 404)
        co_return outcome<void>();
    co_return failure(errc::http_status, fmt::format("MediaMTX answered {} to a kick", *status));
}

} // namespace rivulet::live
