#include "live/job_search.hpp"

#include "base/deadline.hpp"

#include <algorithm>

namespace rivulet::live {
namespace {

double seconds(duration d) {
    return std::chrono::duration<double>(d).count();
}

bool somebody_was_full(const std::vector<session::tried>& reasons) {
    return std::ranges::any_of(reasons, [](const session::tried& each) {
        return each.why.kind == session::fault_kind::capacity;
    });
}

} // namespace

awaitable<job_search_result> job_search::run() {
    const auto& timing = services_.timing;
    const auto until = steady_clock::now() + timing.selection_budget;
    job_search_result out;
    for (;;) {
        session::job_need need(
            session::capability::live_video_to_video,
            request_.offer.model_id,
            request_.orchestrator_filter
        );
        auto choice = services_.sessions.begin(
            std::move(need), std::max(until - steady_clock::now(), duration{}), request_.avoid
        );
        bool bad_request = false;
        while (!stopped_) {
            auto next = co_await choice.next();
            if (!next) {
                bad_request = next.error().code == errc::invalid_argument;
                break;
            }
            if (stopped_)
                break;
            out.place = co_await try_one(choice, std::move(*next));
            if (out.place)
                co_return out;
        }
        if (stopped_)
            co_return out;
        out.why.cause = bad_request ? job_end_cause::bad_request : job_end_cause::no_orchestrator;
        out.why.text = choice.summary();
        out.retry_after = choice.retry_after();
        // A place is often about to be free: the publisher that just left still has it.
        const bool worth_waiting = !bad_request && somebody_was_full(choice.reasons()) &&
                                   steady_clock::now() + timing.capacity_pause < until;
        if (!worth_waiting)
            co_return out;
        co_await expire_after(timing.capacity_pause);
    }
}

awaitable<std::optional<job_place>>
job_search::try_one(session::selection& choice, session::attempt chosen) {
    job_place place;
    place.at = std::make_unique<session::attempt>(std::move(chosen));
    place.account = services_.payments.open(*place.at);
    const auto url = place.at->url();
    const auto begun = steady_clock::now();
    auto headers = co_await place.account->start(payment::live_start_units);
    if (!headers) {
        place.account->settle(payment::payment_session::sent::not_sent, 0);
        place.account.reset();
        const auto why = session::to_payment_fault(headers.error());
        refused(url, why.text);
        choice.failed(std::move(*place.at), why);
        co_return std::nullopt;
    }
    const session::live_credentials credentials{headers->segment, headers->payment};
    const auto limit = limit_of(choice, url);
    auto answer = co_await services_.client.start_live(url, request_.offer, credentials, limit);
    if (!answer && answer.error().code == errc::tls_failed && !stopped_) {
        // One that was started anew has made itself a new certificate; discovery learns it.
        auto known = co_await services_.sessions.refresh(*place.at, true);
        if (known)
            answer = co_await services_.client.start_live(url, request_.offer, credentials, limit);
    }
    if (answer) {
        place.account->settle(payment::payment_session::sent::accepted, payment::live_start_units);
        place.at->succeeded(seconds(steady_clock::now() - begun));
        place.channels = std::move(*answer);
        co_return std::move(place);
    }
    place.account->settle(payment::payment_session::sent::lost, 0);
    place.account.reset();
    const auto why = session::to_fault(answer.error());
    refused(url, answer.error().detail);
    choice.failed(std::move(*place.at), why);
    co_return std::nullopt;
}

duration job_search::limit_of(const session::selection& choice, const std::string& url) const {
    const duration most = session::orchestrator_client::start_limit;
    // The one that just failed is asked for want of another: its answer comes soon or never.
    if (std::ranges::find(request_.avoid, url) != request_.avoid.end())
        return services_.timing.failed_before;
    const auto now = steady_clock::now();
    // Nobody is gained by cutting off the last one.
    if (!choice.has_others(now))
        return most;
    // A shorter try says nothing about an orchestrator that is far away.
    const duration least = session::retry_fsm::fair_try;
    return std::clamp(choice.try_limit(now), least, most);
}

void job_search::refused(const std::string& url, const std::string& said) {
    auto& last = last_refusals_[url];
    if (last == said)
        return;
    last = said;
    using verdict = session::log_budget::verdict;
    const auto speak = services_.refusals->about(url, steady_clock::now());
    if (speak == verdict::keep_quiet)
        log_.debug("orchestrator {} did not take the job: {}", url, said);
    else
        log_.info(
            "orchestrator {} did not take the job: {}{}",
            url,
            said,
            speak == verdict::say_last ? "; for some minutes more of this is logged at level debug"
                                       : ""
        );
}

} // namespace rivulet::live
