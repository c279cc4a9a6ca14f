#include "batch/process.hpp"

namespace rivulet::batch {

awaitable<answer<processed>> process(
    dispatcher& orchestrators,
    result_media& files,
    std::shared_ptr<const request> what,
    std::string request_id,
    std::string base
) {
    auto done = co_await orchestrators.run(*what, request_id);
    if (!done)
        co_return done.error();
    auto taken = co_await files.take_in(
        what->kind->reply, done->body, std::move(done->orchestrator), std::move(base)
    );
    if (!taken && taken.error().code == errc::no_capacity) {
        auto why = memory_is_full();
        why.answer_lost = true;
        co_return why;
    }
    if (!taken)
        co_return api_error(
            http::status::internal_server_error,
            "Internal Server Error: a file of the result could not be taken over: " +
                taken.error().detail
        );
    processed out;
    out.body = std::move(done->body);
    out.held = std::move(done->held);
    co_return std::move(out);
}

} // namespace rivulet::batch
