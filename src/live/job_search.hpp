// Finds an orchestrator that takes a live job: the session manager names one after the other, each
// is paid and asked until one says yes or the budget is over.
// Thread: the home shard of the stream.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "live/job_end.hpp"
#include "live/job_services.hpp"
#include "session/live_offer.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::live {

struct job_request {
    session::live_request offer;
    std::string orchestrator_filter;
    std::optional<bytes> cached_params; // sent first on the control channel
    std::vector<std::string> avoid;     // taken only when nobody else is there
};

// A job that somebody took.
struct job_place {
    std::unique_ptr<session::attempt> at;
    std::unique_ptr<payment::payment_session> account; // goes before what it refers to
    session::live_channels channels;
};

struct job_search_result {
    std::optional<job_place> place;
    job_end why{job_end_cause::stopped, {}}; // without a place
    // Without a place: when asking again may help.
    duration retry_after{};

    job_search_result() {}
};

class job_search {
  public:
    job_search(const job_services& services, const job_request& request, logger log)
        : services_(services), request_(request), log_(std::move(log)) {}

    // Both arguments of the constructor, and this, outlive it.
    awaitable<job_search_result> run();

    // Nobody wants the job any more: the try under way is the last one.
    void stop() { stopped_ = true; }

  private:
    awaitable<std::optional<job_place>>
    try_one(session::selection& choice, session::attempt chosen);
    // How long it may take to answer.
    duration limit_of(const session::selection& choice, const std::string& url) const;
    void refused(const std::string& url, const std::string& said);

    const job_services& services_;
    const job_request& request_;
    logger log_;
    bool stopped_ = false;
    std::map<std::string, std::string> last_refusals_; // by orchestrator
};

} // namespace rivulet::live
