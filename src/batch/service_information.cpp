// What users and machines may look up: what is offered, how it is asked for, whether anybody is
// there.
#include "batch/access_question.hpp"
#include "batch/docs_page.hpp"
#include "batch/model_list.hpp"
#include "batch/openai.hpp"
#include "batch/openapi.hpp"
#include "batch/service_parts.hpp"

#include <ctime>

namespace rivulet::batch {
namespace {

namespace json = boost::json;

using maker = std::function<http::response(const http::request&)>;

awaitable<http::response> answer_open(const maker& make, const http::request& head) {
    co_return make(head);
}

http::handler open_to_all(maker make) {
    return [make = std::move(make)](const http::request& head) { return answer_open(make, head); };
}

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

json::object service::impl::models() const {
    return model_list(sessions.network_capabilities(), options.reading.rules);
}

http::handler service::impl::guarded(maker make) {
    return [this, make = std::move(make)](const http::request& head) {
        return answer_guarded(make, head);
    };
}

awaitable<http::response>
service::impl::answer_guarded(const maker& make, const http::request& head) {
    auto no = co_await ask_access(check, head);
    if (no)
        co_return to_response(*no, {});
    co_return make(head);
}

void service::impl::add_information(http::server& server) {
    const auto get = http::verb::get;
    server.route(get, "/readyz", open_to_all([this](const auto&) { return readiness(); }));
    server.route(get, "/docs", open_to_all(docs_page));
    openapi_options described;
    described.keys = check != nullptr;
    described.rules = options.reading.rules;
    described.form_bytes = options.reading.form_bytes;
    auto document = http::json_response(openapi_document(described));
    server.route(get, "/openapi.json", open_to_all([document](const auto&) { return document; }));
    server.route(get, "/models", guarded([this](const auto&) {
                     return http::json_response(models());
                 }));
    const auto begun = std::time(nullptr);
    server.route(
        get, "/v1/models", guarded([this, begun](const auto&) {
            return http::json_response(openai_models(sessions.network_capabilities(), begun));
        })
    );
    server.route(
        get, "/v1/models/{model}", guarded([this, begun](const http::request& asked) {
            const auto& name = asked.params.at("model");
            auto found = openai_model(openai_models(sessions.network_capabilities(), begun), name);
            return found ? http::json_response(std::move(*found))
                         : to_response(
                               api_error(
                                   http::status::not_found,
                                   "no orchestrator offers the model '" + name.substr(0, 200) + "'"
                               ),
                               {}
                           );
        })
    );
}

} // namespace rivulet::batch
