#include "session/manager_parts.hpp"

#include <boost/json/array.hpp>
#include <fmt/core.h>

#include <ctime>
#include <map>

namespace rivulet::session {
namespace {

namespace json = boost::json;

std::string rfc3339(std::int64_t unix_seconds) {
    const std::time_t when = unix_seconds;
    std::tm parts{};
    ::gmtime_r(&when, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text.data();
}

json::object one_pool(const pool& members, bool warm) {
    json::array rows;
    std::int64_t in_use = 0;
    for (const auto& one : members.members()) {
        if (one->warm != warm)
            continue;
        in_use += one->in_flight > 0 ? 1 : 0;
        rows.push_back(json::object{
            {"url", one->url},
            {"latency_score", one->latency.value_or(0)},
            {"in_flight", one->in_flight}});
    }
    const auto size = rows.size();
    // What reads this knows null for an empty list.
    json::value list = nullptr;
    if (!rows.empty())
        list = std::move(rows);
    return {{"size", size}, {"in_use", in_use}, {"orchestrators", std::move(list)}};
}

} // namespace

json::object manager::pools_info() const {
    json::object out;
    const auto now = impl_->ground->now();
    for (const auto& entry : impl_->all_pools()) {
        const std::scoped_lock lock(entry->guard);
        const auto& members = entry->members;
        json::object suspended;
        for (const auto& one : members.members())
            if (one->suspension.now_is(now) == suspension_fsm::state::shut)
                suspended[one->url] =
                    std::chrono::ceil<std::chrono::seconds>(one->suspension.until() - now).count();
        out[fmt::format("{}_{}", members.id(), members.model())] = json::object{
            {"cold", one_pool(members, false)},
            {"warm", one_pool(members, true)},
            {"last_refresh", rfc3339(entry->last_refresh_unix)},
            {"suspended",
             json::object{{"list", std::move(suspended)}, {"current_count", entry->refreshes}}}};
    }
    return out;
}

json::object manager::network_capabilities() const {
    return impl_->network->network_capabilities();
}

json::array manager::orchestrators() const {
    struct row {
        double score = 1;
        duration latency{};
    };

    std::map<std::string, row> by_url;
    for (const auto& one : impl_->network->network())
        if (one.info && !one.info->transcoder.empty())
            by_url[one.info->transcoder] = {one.score, one.latency};
    for (const auto& entry : impl_->all_pools()) {
        const std::scoped_lock lock(entry->guard);
        for (const auto& one : entry->members.members())
            by_url[one->url] = {one->score, one->discovery};
    }
    json::array out;
    for (const auto& [url, one] : by_url)
        out.push_back(json::object{
            {"Url", url},
            {"Score", one.score},
            // Nanoseconds, as Go prints a duration.
            {"Latency", std::chrono::duration_cast<std::chrono::nanoseconds>(one.latency).count()}}
        );
    return out;
}

} // namespace rivulet::session
