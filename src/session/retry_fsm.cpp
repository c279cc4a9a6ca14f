#include "session/retry_fsm.hpp"

#include <boost/json/array.hpp>
#include <fmt/core.h>

#include <algorithm>

namespace rivulet::session {
namespace {

auto milliseconds(duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

} // namespace

retry_fsm::retry_fsm(duration budget, time_point now) : budget_(budget), started_(now) {}

retry_fsm::step retry_fsm::next(time_point now) const {
    if (bad_request_)
        return step::bad_request;
    if (gone_)
        return step::gone;
    if (left(now) <= duration::zero())
        return step::out_of_time;
    if (tries_ >= max_tries)
        return step::out_of_tries;
    return again_ ? step::again : step::choose;
}

void retry_fsm::trying(const std::string& orchestrator, time_point now) {
    tries_here_ = again_ && orchestrator == current_ ? tries_here_ + 1 : 1;
    ++tries_;
    again_ = false;
    current_ = orchestrator;
    try_began_ = now;
}

remedy retry_fsm::failed(const fault& why, time_point now) {
    reasons_.push_back({current_, why});
    auto next = remedy_for(why.kind, tries_here_);
    if (why.kind == fault_kind::timed_out && now - try_began_ < fair_try)
        next = remedy::try_another;
    if (next == remedy::same_again) {
        again_ = true;
        return next;
    }
    if (next == remedy::give_up) {
        bad_request_ = why.kind == fault_kind::bad_request;
        gone_ = !bad_request_;
        return next;
    }
    excluded_.insert(current_);
    return next;
}

duration retry_fsm::left(time_point now) const {
    return std::max(duration::zero(), budget_ - (now - started_));
}

duration retry_fsm::try_limit(time_point now, bool others) const {
    return others ? left(now) / 2 : left(now);
}

std::string retry_fsm::summary(const std::string& nobody, time_point now) const {
    std::string out = "no orchestrators available";
    if (bad_request_)
        out = "the request was refused as bad";
    else if (left(now) <= duration::zero())
        out += fmt::format(" within {} ms", milliseconds(budget_));
    if (reasons_.empty())
        return nobody.empty() ? out : out + ": " + nobody;
    // In an order of their own: who asks again and again says the same thing each time, and logs
    // and lists of errors can tell that it is the same.
    std::set<std::string> each;
    for (const auto& one : reasons_)
        each.insert(fmt::format("{}: {}", one.orchestrator, one.why.text));
    const char* separator = ": ";
    for (const auto& one : each) {
        out += separator + one;
        separator = "; ";
    }
    return out;
}

boost::json::object retry_fsm::to_json(const std::string& nobody, time_point now) const {
    boost::json::array rows;
    for (const auto& one : reasons_)
        rows.push_back(boost::json::object{
            {"orchestrator", one.orchestrator},
            {"kind", std::string(to_string(one.why.kind))},
            {"status", one.why.status},
            {"text", one.why.text}});
    const bool late = left(now) <= duration::zero();
    const char* code = bad_request_ ? "bad_request" : late ? "timed_out" : "no_capacity";
    std::string message =
        bad_request_ && !reasons_.empty() ? reasons_.back().why.text : summary(nobody, now);
    boost::json::object error{
        {"message", std::move(message)}, {"code", code}, {"tried", std::move(rows)}};
    return {{"error", std::move(error)}};
}

} // namespace rivulet::session
