// What users and machines may look up: what is offered, how it is asked for, whether anybody is
// there.
#include "batch/openai.hpp"
#include "batch/service_parts.hpp"

#include <ctime>

namespace rivulet::batch {
namespace {

namespace json = boost::json;

} // namespace

http::response service::impl::readiness() const {
    const auto known = sessions.orchestrators().size();
    const bool ready = known > 0 && !stopping;
    json::object body{
        {"status",
         ready      ? "ready"
         : stopping ? "stopping"
                    : "no orchestrator is known"},
        {"orchestrators", known},
        {"running", doors.running()},
        {"waiting", doors.waiting()},
        {"jobs", jobs->unfinished()}};
    auto made = http::json_response(
        std::move(body), ready ? http::status::ok : http::status::service_unavailable
    );
    if (!ready)
        made.headers.emplace_back("Retry-After", "2");
    return made;
}

void service::impl::add_information(http::server& server) {
    http::handler readiness_of = [this](const http::request&) -> awaitable<http::response> {
        co_return readiness();
    };
    server.route(http::verb::get, "/readyz", std::move(readiness_of));
}

} // namespace rivulet::batch
