#include "batch/dispatcher.hpp"

#include "base/ids.hpp"
#include "batch/dispatch_metrics.hpp"
#include "batch/dispatch_try.hpp"

#include <boost/json/value_to.hpp>

namespace rivulet::batch {

namespace json = boost::json;
using session::fault;
using session::fault_kind;

namespace {

// Read uploads and parse large answers.
constexpr std::size_t disk_threads = 2;
constexpr std::size_t boundary_octets = 16;

std::int64_t milliseconds(duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

bool somebody_has(const std::vector<session::tried>& reasons, fault_kind kind, std::size_t times) {
    std::size_t found = 0;
    for (const auto& one : reasons)
        found += one.why.kind == kind ? 1 : 0;
    return found >= times;
}

} // namespace

struct dispatcher::impl {
    session::manager& sessions;
    payment::payments& payments;
    http::connection_pool& connections;
    dispatch_metrics metrics;
    const dispatch_options options;
    const logger log;
    blocking_threads disk{disk_threads};

    impl(
        session::manager& s,
        payment::payments& p,
        http::connection_pool& c,
        observe::metrics& m,
        dispatch_options o,
        logger l
    )
        : sessions(s), payments(p), connections(c), metrics(m), options(std::move(o)),
          log(std::move(l)) {}

    awaitable<answer<dispatched>>
    work(const request& from, const std::string& request_id, completion_sink* sink);
    awaitable<try_end> try_here(dispatch_try& one, session::attempt& at, time_point until);
    void worked(
        const request& from,
        const std::string& request_id,
        session::attempt& at,
        const try_end& end,
        std::size_t tries
    );
    api_error
    ended(const request& from, const std::string& request_id, api_error why, duration took);
    api_error nobody(const session::selection& choice, const failure& why) const;
};

// A token or a certificate that is no longer good is no reason to go elsewhere: what discovery
// knows is asked anew, once.
awaitable<try_end>
dispatcher::impl::try_here(dispatch_try& one, session::attempt& at, time_point until) {
    auto end = co_await one.run(at, until);
    if (end.went != try_end::how::failed || !end.said.refresh)
        co_return end;
    auto known = co_await sessions.refresh(at, true);
    if (!known)
        co_return end;
    co_return co_await one.run(at, until);
}

void dispatcher::impl::worked(
    const request& from,
    const std::string& request_id,
    session::attempt& at,
    const try_end& end,
    std::size_t tries
) {
    auto shape = from.shape;
    if (end.tokens)
        shape.total_tokens = end.tokens;
    std::optional<double> score;
    if (from.kind->score)
        score = from.kind->score(shape, std::chrono::duration<double>(end.took).count());
    at.succeeded(score);
    metrics.tried(from, "ok");
    metrics.answered(from, at, end.took);
    log.info(
        "{} {}: {} answered in {} ms{}",
        from.kind->name,
        request_id,
        at.url(),
        milliseconds(end.took),
        tries > 1 ? ", try " + std::to_string(tries) : std::string()
    );
}

api_error dispatcher::impl::ended(
    const request& from, const std::string& request_id, api_error why, duration took
) {
    const auto* last = why.tried.empty() ? nullptr : why.tried.back().if_object();
    std::string orchestrator;
    if (last && last->contains("orchestrator"))
        orchestrator = json::value_to<std::string>(last->at("orchestrator"));
    std::string_view code = "no_orchestrators_available";
    if (why.type == gateway_full)
        code = "gateway_full";
    else if (why.status == http::status::gateway_timeout)
        code = "timed_out";
    else if (why.status == http::status::bad_gateway)
        code = "broken_answer";
    else if (static_cast<unsigned>(why.status) < 500)
        code = "bad_request";
    else if (why.status == http::status::internal_server_error)
        code = "internal";
    metrics.failed(from, code, orchestrator);
    log.warn(
        "{} {}: failed with {} after {} ms and {} tries: {}",
        from.kind->name,
        request_id,
        static_cast<unsigned>(why.status),
        milliseconds(took),
        why.tried.size(),
        why.message
    );
    return why;
}

api_error dispatcher::impl::nobody(const session::selection& choice, const failure& why) const {
    if (why.code == errc::invalid_argument)
        return api_error(http::status::bad_request, why.detail);
    if (why.code == errc::cancelled)
        return api_error(
            http::status::service_unavailable, "Service Unavailable Error: " + why.detail
        );
    return nobody_answered(choice.reasons(), why.detail, choice.retry_after(), false);
}

awaitable<answer<dispatched>>
dispatcher::impl::work(const request& from, const std::string& request_id, completion_sink* sink) {
    const auto begun = steady_clock::now();
    const auto until = begun + options.request;
    const dispatch_metrics::under_way counted(metrics.running(from));
    byte_share copy(options.memory);
    const bool room = copy.take(from.fields_bytes);
    const auto fails = [&](api_error why) {
        return ended(from, request_id, std::move(why), steady_clock::now() - begun);
    };
    if (!room)
        co_return fails(memory_is_full());
    const auto body = body_of(
        from, from.kind->body == body_kind::json ? std::string() : random_hex(boundary_octets)
    );
    dispatch_try one(payments, connections, disk, options, from, body, sink);
    session::job_need need(from.kind->id, from.model);
    auto choice = sessions.begin(std::move(need), options.request);
    for (std::size_t tries = 1;; ++tries) {
        auto next = co_await choice.next();
        if (!next)
            co_return fails(nobody(choice, next.error()));
        auto at = std::move(*next);
        const auto url = at.url();
        auto end = co_await try_here(one, at, until);
        switch (end.went) {
        case try_end::how::worked: {
            worked(from, request_id, at, end, tries);
            dispatched out;
            out.body = std::move(end.body);
            out.orchestrator = url;
            out.held = std::move(end.held);
            co_return std::move(out);
        }
        case try_end::how::gone:
            // Without a word: nothing is learnt from it.
            log.info("{} {}: the client left, {} is released", from.kind->name, request_id, url);
            co_return api_error(static_cast<http::status>(499), "the client left");
        case try_end::how::refused: {
            metrics.tried(from, session::to_string(end.said.why.kind));
            if (end.said.why.kind == fault_kind::bad_request)
                choice.failed(std::move(at), end.said.why);
            auto why = std::move(*end.said.client);
            why.tried = to_json(choice.reasons());
            co_return fails(std::move(why));
        }
        case try_end::how::too_late: {
            metrics.tried(from, "timed_out");
            auto why = nobody_answered(
                choice.reasons(),
                url + " did not answer within the " +
                    std::to_string(milliseconds(options.request)) + " ms that a request may take",
                choice.retry_after(),
                true
            );
            why.tried.push_back(json::object{
                {"orchestrator", url},
                {"kind", "timed_out"},
                {"status", 0},
                {"text", "no answer before the request's deadline"}});
            co_return fails(std::move(why));
        }
        case try_end::how::failed:
            break;
        }
        const auto& why = end.said.why;
        metrics.tried(from, session::to_string(why.kind));
        log.info(
            "{} {}: {} failed after {} ms, try {}: {}: {}",
            from.kind->name,
            request_id,
            url,
            milliseconds(end.took),
            tries,
            session::to_string(why.kind),
            why.text
        );
        choice.failed(std::move(at), why);
        if (sink && sink->begun()) {
            api_error broken(
                why.kind == fault_kind::timed_out ? http::status::gateway_timeout
                                                  : http::status::bad_gateway,
                "the orchestrator's answer broke off: " + why.text
            );
            broken.tried = to_json(choice.reasons());
            co_return fails(std::move(broken));
        }
        if (somebody_has(choice.reasons(), fault_kind::declined, believed_refusals))
            co_return fails(
                nobody_answered(choice.reasons(), choice.summary(), choice.retry_after(), false)
            );
    }
}

dispatcher::dispatcher(
    session::manager& sessions,
    payment::payments& payments,
    http::connection_pool& connections,
    observe::metrics& metrics,
    dispatch_options options,
    logger log
)
    : impl_(std::make_unique<impl>(
          sessions, payments, connections, metrics, std::move(options), std::move(log)
      )) {}

dispatcher::~dispatcher() = default;

awaitable<answer<dispatched>> dispatcher::run(const request& from, const std::string& request_id) {
    co_return co_await impl_->work(from, request_id, nullptr);
}

awaitable<answer<void>>
dispatcher::run_stream(const request& from, const std::string& request_id, completion_sink& to) {
    auto done = co_await impl_->work(from, request_id, &to);
    if (!done)
        co_return done.error();
    co_return answer<void>();
}

} // namespace rivulet::batch
