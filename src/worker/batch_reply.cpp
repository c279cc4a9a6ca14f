#include "worker/batch_reply.hpp"

#include <fmt/format.h>

namespace rivulet::worker {

http::response plain_failure(http::status status, std::string text) {
    http::response made;
    made.status = status;
    made.content_type = "text/plain; charset=utf-8";
    made.body = std::move(text) + "\n";
    return made;
}

http::response runner_failure(std::string_view pipeline, unsigned status, std::string_view text) {
    if (status == 503) {
        auto made = plain_failure(
            http::status::service_unavailable,
            text.empty() ? std::string("insufficient capacity")
                         : fmt::format("insufficient capacity: {}", text)
        );
        made.headers.emplace_back("Retry-After", "1");
        return made;
    }
    const bool known = status == 400 || status == 413 || status == 415 || status == 422;
    return plain_failure(
        known ? static_cast<http::status>(status) : http::status::internal_server_error,
        fmt::format("{} container returned {}: {}", pipeline, status, text)
    );
}

http::response model_failure(std::string_view pipeline, const failure& why) {
    unsigned status = 500;
    if (why.code == errc::invalid_argument || why.code == errc::media_error)
        status = 400;
    else if (why.code == errc::too_large)
        status = 413;
    else if (why.code == errc::unsupported)
        status = 415;
    else if (why.code == errc::no_capacity)
        status = 503;
    return runner_failure(pipeline, status, why.detail);
}

} // namespace rivulet::worker
