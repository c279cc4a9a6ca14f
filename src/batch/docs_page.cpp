#include "batch/docs_page.hpp"

#include "live/web_pages.hpp"

namespace rivulet::batch {

http::response docs_page(const http::request& request) {
    // Results may be on another host, as -gatewayHost says.
    constexpr std::string_view policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: http: "
        "https:; media-src 'self' blob: http: https:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'";
    return live::web_page(request, "docs.html", policy);
}

} // namespace rivulet::batch
