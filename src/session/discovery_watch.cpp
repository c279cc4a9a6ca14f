#include "session/discovery_watch.hpp"

#include "base/utf8.hpp"
#include "session/discovery.hpp"
#include "session/keccak.hpp"
#include "session/network_json.hpp"

#include <boost/json/array.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::session {

namespace json = boost::json;

namespace {

constexpr std::size_t most_complaints = 1'024;
constexpr std::size_t most_errors = 1'024;
constexpr std::size_t most_models = 256;

double milliseconds(duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

} // namespace

std::string error_name(const failure& why) {
    if (why.detail.find("OrchestratorCapped") != std::string::npos)
        return "OrchestratorCapped";
    if (why.detail.find("404") != std::string::npos)
        return "HTTP 404";
    if (why.code == errc::timed_out)
        return "DeadlineExceeded";
    if (why.code == errc::connect_failed)
        return "Unreachable";
    if (why.code == errc::tls_failed)
        return "TLS";
    if (why.code == errc::http_status)
        return "Refused";
    if (why.code == errc::protocol_violation || why.code == errc::too_large)
        return "Protocol";
    return "Other";
}

discovery_watch::discovery_watch(
    observe::metrics& metrics, std::shared_ptr<observe::event_queue> events, logger log
)
    : metrics_(metrics), events_(std::move(events)), log_(std::move(log)) {}

// The first time, and whenever it is something else; to everybody's eyes only so often, as clients
// choose what is asked for and orchestrators what they answer.
void discovery_watch::say(
    const std::string& key, const std::string& address, std::string kind, const std::string& line
) {
    const auto known = complaints_.find(key);
    if (known != complaints_.end() && known->second == kind)
        return;
    if (known == complaints_.end() && complaints_.size() >= most_complaints)
        complaints_.erase(complaints_.begin());
    complaints_[key] = std::move(kind);
    const auto verdict = budget_.about(address, steady_clock::now());
    if (verdict == log_budget::verdict::keep_quiet) {
        log_.debug("{}", line);
        return;
    }
    log_.warn("{}", line);
    if (verdict == log_budget::verdict::say_last)
        log_.warn("more about {} is logged at level debug for some minutes", address);
}

void discovery_watch::failed(const std::string& address, const failure& why) {
    if (why.code == errc::cancelled)
        return;
    const std::lock_guard lock(guard_);
    std::pair key(address, error_name(why));
    if (errors_.size() >= most_errors && !errors_.contains(key))
        key.first = "other";
    auto [entry, fresh] = errors_.try_emplace(key);
    if (fresh)
        entry->second = metrics_.make_counter(
            "livepeer_discovery_errors_total",
            "Questions to orchestrators that failed.",
            {{"error_code", key.second}, {"orchestrator_uri", key.first}}
        );
    entry->second.add();
    const auto text = valid_utf8(why.detail, 300);
    // Most texts name the address themselves.
    const bool named = text.find(address) != text.npos;
    say(address,
        address,
        error_name(why),
        named ? text + "; it is not used" : fmt::format("{} is not used: {}", address, text));
}

void discovery_watch::rejected(
    const std::string& address, const std::string& asked_for, const std::string& why
) {
    const std::lock_guard lock(guard_);
    complaints_.erase(address); // it answers
    say(address + ' ' + asked_for,
        address,
        why,
        asked_for.empty() ? fmt::format("{} is not used: {}", address, why)
                          : fmt::format("{} is not used for {}: {}", address, asked_for, why));
}

void discovery_watch::accepted(const std::string& address, const std::string& asked_for) {
    const std::lock_guard lock(guard_);
    const bool was_down = complaints_.erase(address) > 0;
    if (complaints_.erase(address + ' ' + asked_for) == 0 && !was_down)
        return;
    if (budget_.about(address, steady_clock::now()) == log_budget::verdict::keep_quiet)
        log_.debug("{} can be used again", address);
    else
        log_.info("{} can be used again", address);
}

void discovery_watch::available(
    capability_id capability, const std::string& model, std::size_t count
) {
    const std::lock_guard lock(guard_);
    const auto key = std::pair(capability, model);
    if (available_.size() >= most_models && !available_.contains(key)) {
        forget_an_unserved_model();
        if (available_.size() >= most_models)
            return;
    }
    auto [entry, fresh] = available_.try_emplace(key);
    entry->second.count = count;
    if (fresh)
        entry->second.gauge = metrics_.make_gauge(
            "livepeer_ai_orchestrators_available_total",
            "Orchestrators that offered the model at the last gathering.",
            {{"pipeline", pipeline_of(capability)}, {"model_name", valid_utf8(model, 200)}}
        );
    entry->second.gauge.set(static_cast<double>(count));
}

// A name that nobody serves, as clients may think up any number of, makes room.
void discovery_watch::forget_an_unserved_model() {
    const auto unserved =
        std::ranges::find_if(available_, [](const auto& one) { return one.second.count == 0; });
    if (unserved != available_.end())
        available_.erase(unserved);
}

void discovery_watch::gathered(const std::vector<discovered>& found) {
    if (!events_ || found.empty())
        return;
    json::array rows;
    for (const auto& one : found) {
        json::object row;
        row["address"] = checksum_address(one.info->address);
        row["url"] = one.info->transcoder;
        row["latency_ms"] = fmt::format("{:.0f}", milliseconds(one.latency));
        rows.push_back(std::move(row));
    }
    events_->send("discovery_results", std::move(rows));
}

void discovery_watch::network(const std::vector<discovered>& all) {
    std::vector<observe::gauge> fresh;
    const auto set = [&](const char* name, const char* help, observe::labels labels, double value) {
        if (fresh.size() >= most_series)
            return;
        fresh.push_back(metrics_.make_gauge(name, help, labels));
        fresh.back().set(value);
    };
    json::array rows;
    for (const auto& one : all) {
        const auto& info = *one.info;
        if (events_)
            rows.push_back(network_entry(info));
        if (info.price && info.price->pixels_per_unit > 0)
            set("livepeer_live_ai_price_per_pixel",
                "Wei that an orchestrator asks for one pixel of live video.",
                {{"orchestrator_uri", info.transcoder}},
                static_cast<double>(info.price->per_unit) /
                    static_cast<double>(info.price->pixels_per_unit));
        for (const auto& price : info.capability_prices)
            if (price.pixels_per_unit > 0)
                set("livepeer_price_per_capability",
                    "Wei that an orchestrator asks for one unit of a pipeline.",
                    {{"orchestrator_uri", info.transcoder},
                     {"pipeline", pipeline_of(static_cast<capability_id>(price.capability))},
                     {"model_name", valid_utf8(price.constraint, 200)}},
                    static_cast<double>(price.per_unit) / static_cast<double>(price.pixels_per_unit)
                );
        if (!info.capabilities)
            continue;
        for (const auto& [id, models] : info.capabilities->models)
            for (const auto& [model, constraint] : models) {
                const observe::labels labels{
                    {"orchestrator_uri", info.transcoder},
                    {"pipeline", pipeline_of(static_cast<capability_id>(id))},
                    {"model_name", valid_utf8(model, 200)}};
                set("livepeer_ai_container_idle",
                    "Containers of an orchestrator that wait for work.",
                    labels,
                    constraint.capacity);
                set("livepeer_ai_container_in_use",
                    "Containers of an orchestrator that work.",
                    labels,
                    constraint.capacity_in_use);
            }
    }
    {
        const std::lock_guard lock(guard_);
        network_.swap(fresh);
    }
    if (events_ && !all.empty())
        events_->send("network_capabilities", std::move(rows));
}

} // namespace rivulet::session
