#include "batch/result_source.hpp"

#include "base/private_address.hpp"

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <fmt/core.h>

#include <string>

namespace rivulet::batch {
namespace {

constexpr std::size_t url_bytes = 8 * 1024;

bool is_literal(const std::string& host) {
    error_code bad;
    asio::ip::make_address(host, bad);
    return !bad;
}

// One spelling a host.
std::string plain(std::string host) {
    error_code bad;
    const auto address = asio::ip::make_address(host, bad);
    if (!bad)
        return address.to_string();
    while (!host.empty() && host.back() == '.')
        host.pop_back();
    boost::algorithm::to_lower(host);
    return host;
}

bool has_scheme(std::string_view text) {
    const auto colon = text.find(':');
    return colon != text.npos && colon > 0 &&
           text.substr(0, colon).find_first_of("/?#") == text.npos;
}

// A name that anybody may own and point wherever they like.
bool is_public_name(const std::string& host) {
    return !is_literal(host) && !is_private_host(host) && host.find('.') != host.npos;
}

std::string absolute(std::string_view text, const http::http_url& base) {
    if (has_scheme(text))
        return std::string(text);
    const std::string scheme = base.secure ? "https:" : "http:";
    if (text.starts_with("//"))
        return scheme + std::string(text);
    const auto root = scheme + "//" + base.authority;
    if (text.starts_with('/'))
        return root + std::string(text);
    return root + base.path.substr(0, base.path.rfind('/') + 1) + std::string(text);
}

} // namespace

outcome<result_source>
find_source(std::string_view text, const http::http_url& orchestrator, bool foreign_hosts) {
    if (text.empty() || text.size() > url_bytes)
        return failure(
            errc::invalid_argument, "the answer's URL is empty or longer than 8192 bytes"
        );
    if (has_scheme(text) && !boost::algorithm::istarts_with(text, "http://") &&
        !boost::algorithm::istarts_with(text, "https://"))
        return failure(
            errc::unauthorized, "the answer's URL is neither a data: nor an http(s): one"
        );
    const auto whole = absolute(text, orchestrator);
    auto url = http::parse_http_url(std::string_view(whole).substr(0, whole.find('#')));
    if (!url)
        return failure(errc::invalid_argument, "the answer's URL is none that can be fetched");
    result_source made;
    made.url = std::move(*url);
    made.own = plain(made.url.host) == plain(orchestrator.host);
    if (made.own) {
        // Where the answer came from, there it may come from. On another port a name could have
        // been pointed at this machine since.
        made.public_only = made.url.port != orchestrator.port && is_public_name(made.url.host);
        return made;
    }
    if (!foreign_hosts)
        return failure(
            errc::unauthorized,
            fmt::format(
                "the result is at {}, which is not the orchestrator that answered "
                "(-resultForeignHosts allows other public hosts)",
                made.url.host
            )
        );
    if (is_private_host(made.url.host))
        return failure(
            errc::unauthorized,
            fmt::format(
                "the result is at {}, a host of this machine or of a private network", made.url.host
            )
        );
    made.public_only = true;
    return made;
}

} // namespace rivulet::batch
