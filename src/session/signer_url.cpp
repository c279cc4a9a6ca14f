#include "session/signer_url.hpp"

#include "http/client_url.hpp"

#include <fmt/core.h>

namespace rivulet::session {

outcome<std::string> signer_endpoint(std::string_view signer, std::string_view endpoint) {
    const auto first = signer.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        return failure(errc::invalid_argument, "the remote signer's URL is empty");
    signer = signer.substr(first, signer.find_last_not_of(" \t\r\n") - first + 1);
    auto text = std::string(signer);
    if (signer.find("://") == std::string_view::npos)
        text.insert(0, "https://");
    const auto url = http::parse_http_url(text);
    if (!url)
        return failure(
            errc::invalid_argument, fmt::format("the remote signer's URL: {}", url.error().detail)
        );
    if (!url->query.empty())
        return failure(errc::invalid_argument, "the remote signer's URL: it can't have a query");
    text = http::to_text(*url);
    while (text.ends_with('/'))
        text.pop_back();
    return text + std::string(endpoint);
}

} // namespace rivulet::session
