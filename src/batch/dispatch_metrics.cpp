#include "batch/dispatch_metrics.hpp"

#include "base/utf8.hpp"

namespace rivulet::batch {
namespace {

constexpr std::size_t label_bytes = 200;

std::string pipeline_label(const request& what) {
    return std::string(what.kind->name);
}

std::string model_label(const request& what) {
    return valid_utf8(what.model, label_bytes);
}

// What this orchestrator asks for one unit of this model.
std::optional<session::price_info>
price_of(const session::orchestrator_info& info, const request& what) {
    for (const auto& each : info.capability_prices)
        if (static_cast<session::capability_id>(each.capability) == what.kind->id &&
            each.constraint == what.model)
            return each;
    return info.price;
}

} // namespace

dispatch_metrics::dispatch_metrics(observe::metrics& to) {
    tries_ = counter_set(
        to, "rivulet_batch_tries_total", "Batch requests sent to an orchestrator, by how it went."
    );
    errors_ = counter_set(
        to, "livepeer_ai_request_errors", "Requests and live jobs that failed, by reason."
    );
    prices_ = gauge_set(
        to, "livepeer_ai_request_price", "Wei for one unit, of who answered the newest request."
    );
    running_ = gauge_set(
        to, "rivulet_batch_at_orchestrators", "Batch requests that orchestrators work on now."
    );
    seconds_ = histogram_set(
        to,
        "rivulet_batch_orchestrator_seconds",
        "From a batch request's sending to the last byte of its good answer.",
        {0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900}
    );
}

void dispatch_metrics::tried(const request& what, std::string_view how) const {
    tries_.with({{"pipeline", pipeline_label(what)}, {"result", std::string(how)}}).add();
}

void dispatch_metrics::answered(const request& what, const session::attempt& by, duration took)
    const {
    seconds_.with({{"pipeline", pipeline_label(what)}}
    ).observe(std::chrono::duration<double>(took).count());
    const auto info = by.info();
    const auto price = info ? price_of(*info, what) : std::nullopt;
    if (price && price->pixels_per_unit > 0)
        prices_.with({{"pipeline", pipeline_label(what)}, {"model_name", model_label(what)}}
        ).set(static_cast<double>(price->per_unit) / static_cast<double>(price->pixels_per_unit));
}

void dispatch_metrics::failed(
    const request& what, std::string_view code, std::string_view orchestrator
) const {
    errors_
        .with(
            {{"error_code", std::string(code)},
             {"pipeline", pipeline_label(what)},
             {"model_name", model_label(what)},
             {"orchestrator_uri", std::string(orchestrator)}}
        )
        .add();
}

dispatch_metrics::under_way::under_way(observe::gauge of) : of_(std::move(of)) {
    of_.add(1);
}

dispatch_metrics::under_way::~under_way() {
    of_.add(-1);
}

observe::gauge dispatch_metrics::running(const request& what) const {
    return running_.with({{"pipeline", pipeline_label(what)}});
}

} // namespace rivulet::batch
