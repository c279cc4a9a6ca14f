#include "worker/batch_forward.hpp"

#include <algorithm>

namespace rivulet::worker {

namespace {

constexpr duration batch_limit = std::chrono::minutes(5);

} // namespace

http::response plain_failure(http::status status, std::string text) {
    http::response made;
    made.status = status;
    made.content_type = "text/plain; charset=utf-8";
    made.body = std::move(text) + "\n";
    return made;
}

const std::vector<session::capability_id>& batch_capabilities() {
    using namespace session::capability;
    static const std::vector<session::capability_id> all{
        text_to_image,
        image_to_image,
        image_to_video,
        upscale,
        audio_to_text,
        segment_anything_2,
        llm,
        image_to_text,
        text_to_speech,
    };
    return all;
}

awaitable<http::response>
forward_batch(runner_pool& pool, session::capability_id capability, const http::request& request) {
    std::string type(request["Content-Type"]);
    const auto model = model_of_batch(type, request.body);
    auto lease = pool.take(capability, model);
    if (!lease)
        co_return plain_failure(http::status::service_unavailable, "insufficient capacity");
    auto link = lease.link();
    auto reply = co_await link->ask(
        http::verb::post,
        "/" + session::pipeline_of(capability),
        std::move(type),
        request.body,
        batch_limit,
        batch_reply_limit
    );
    if (!reply) {
        const bool late = reply.error().code == errc::timed_out;
        co_return plain_failure(
            late ? http::status::internal_server_error : http::status::service_unavailable,
            (late ? "the runner took too long: " : "insufficient capacity: ") + reply.error().detail
        );
    }
    if (is_success(*reply))
        co_return std::move(*reply);
    const auto text = complaint_of(reply->body);
    switch (static_cast<unsigned>(reply->status)) {
    case 400:
    case 422:
        co_return plain_failure(http::status::bad_request, text);
    case 503:
        co_return plain_failure(
            http::status::service_unavailable, "insufficient capacity: " + text
        );
    default:
        co_return plain_failure(http::status::internal_server_error, text);
    }
}

} // namespace rivulet::worker
