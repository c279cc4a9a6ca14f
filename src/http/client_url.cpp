#include "http/client_url.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <charconv>

namespace rivulet::http {

std::string http_url::endpoint() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

http_url http_url::operator/(std::string_view segment) const {
    http_url below = *this;
    if (below.path.empty() || below.path.back() != '/')
        below.path += '/';
    below.path += segment;
    return below;
}

std::string to_text(const http_url& url) {
    return (url.secure ? "https://" : "http://") + url.authority + url.target();
}

outcome<http_url> parse_http_url(std::string_view text) {
    auto parsed = boost::urls::parse_uri(boost::urls::string_view(text.data(), text.size()));
    if (!parsed)
        return failure(errc::invalid_argument, "not a valid http:// or https:// address");
    const boost::urls::url_view& view = *parsed;
    http_url made;
    if (view.scheme_id() == boost::urls::scheme::https)
        made.secure = true;
    else if (view.scheme_id() != boost::urls::scheme::http)
        return failure(
            errc::invalid_argument,
            "the address must begin with http:// or https://, not " + std::string(view.scheme()) +
                ":"
        );
    if (view.has_userinfo())
        return failure(errc::invalid_argument, "user names in the address are not supported");
    made.host = view.host_address();
    if (made.host.empty())
        return failure(errc::invalid_argument, "the address has no host");
    if (view.has_port() && !std::string_view(view.port()).empty()) {
        const std::string_view digits(view.port());
        const auto end = digits.data() + digits.size();
        if (std::from_chars(digits.data(), end, made.port).ec != std::errc{} || made.port == 0)
            return failure(errc::invalid_argument, "the port must be a number from 1 to 65535");
    } else {
        made.port = made.secure ? 443 : 80;
    }
    made.authority = std::string(std::string_view(view.encoded_host_and_port()));
    made.path = std::string(std::string_view(view.encoded_path()));
    if (made.path.empty())
        made.path = "/";
    made.query = std::string(std::string_view(view.encoded_query()));
    return made;
}

} // namespace rivulet::http
