// The batch service's parts and handlers. Private to src/batch.
// Thread: handlers run on the connection's shard.
#pragma once

#include "base/ids.hpp"
#include "base/task_group.hpp"
#include "batch/admission.hpp"
#include "batch/client_watch.hpp"
#include "batch/completion_dialect.hpp"
#include "batch/openai.hpp"
#include "batch/process.hpp"
#include "batch/service.hpp"

#include <atomic>
#include <optional>

namespace rivulet::batch {

struct service::impl {
    impl(
        shards& threads,
        session::manager& sessions,
        payment::payments& payments,
        observe::metrics& metrics,
        ingest::check_access check,
        service_options options,
        logger log,
        std::shared_ptr<result_store> results
    );

    // A request on its way through the service.
    struct visit {
        visit(
            const http::request& h,
            http::exchange& p,
            completion_dialect& d,
            std::string_view n,
            std::string i = random_hex(4)
        );

        const http::request& head;
        http::exchange& peer;
        completion_dialect& dialect; // how a failure is told
        const std::string name;      // of the pipeline
        const std::string id;        // 8 hex digits
        admission::place place;
    };

    awaitable<void>
    answer_pipeline(const pipeline& kind, const http::request& head, http::exchange& peer);
    awaitable<void> answer_chat(const http::request& head, http::exchange& peer);

    // /models, /v1/models, /openapi.json, /docs, /readyz.
    void add_information(http::server& server);
    http::response readiness() const;
    boost::json::object models() const;
    // With the access question before it.
    http::handler guarded(std::function<http::response(const http::request&)> make);
    awaitable<http::response> answer_guarded(
        const std::function<http::response(const http::request&)>& make, const http::request& head
    );

    // Whether its body may come: stopped, access, too many others. False: it was answered.
    awaitable<bool> let_in(visit& now);
    // Its turn, once its body is there: slow clients wait for themselves alone. False: it was
    // answered, or nobody is there to be answered.
    awaitable<bool> take_turn(visit& now);
    awaitable<answer<openai_request>> check_openai(raw_body body);

    // What follows once the request is known to be good.
    awaitable<void> answer_later(visit& now, std::shared_ptr<request> what);
    awaitable<void> answer_stream(visit& now, std::shared_ptr<const request> what);
    awaitable<void> answer_whole(visit& now, std::shared_ptr<const request> what);
    void count(const visit& now, std::string status) const;
    awaitable<void> refuse(visit& now, const api_error& why);
    awaitable<void> reply(visit& now, http::response message);

    std::string base_for(const http::request& head) const;

    session::manager& sessions;
    const ingest::check_access check;
    const byte_budget_ptr memory;
    const service_options options;
    const logger log;
    const std::string base; // of URLs, as the operator said

    std::atomic<bool> stopping{false};
    shards& shards_;
    std::shared_ptr<blocking_threads> threads; // uploads, and looking into files
    // The result folder: a picture that takes long to look into keeps nobody from his result.
    std::shared_ptr<blocking_threads> disk = std::make_shared<blocking_threads>(2);
    http::connection_pool connections;
    std::shared_ptr<result_store> results;
    result_media media;
    dispatcher orchestrators;
    admission doors;
    std::shared_ptr<job_table> jobs;
    std::atomic<std::size_t> reading{0};           // bodies on their way
    observe::series_set<observe::counter> replies; // by pipeline and status
    std::shared_ptr<void> counted;                 // reads the gauges
    std::unique_ptr<task_group> sweeper;           // of shard 0
};

} // namespace rivulet::batch
