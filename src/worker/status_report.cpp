#include "worker/status_report.hpp"

#include "base/utf8.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace rivulet::worker {

namespace {

constexpr unix_ms rate_window = 5'000;      // rates are means over so long
constexpr unix_ms settling_time = 3'000;    // after the first output, before a rate is judged
constexpr double low_input_fps = 15 * 0.95; // 15 as the network's runners say, less jitter
constexpr std::size_t error_text_limit = 1'000;

boost::json::value time_or_null(const std::optional<unix_ms>& time) {
    return time ? boost::json::value(*time) : boost::json::value(nullptr);
}

double rounded(double fps) {
    return static_cast<double>(static_cast<long long>(fps * 100 + 0.5)) / 100;
}

// FNV-1a: tells two parameter sets apart, nothing more.
std::string hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return fmt::format("{:016x}", hash);
}

} // namespace

unix_ms unix_now() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

std::string_view to_string(job_state state) {
    switch (state) {
    case job_state::loading:
        return "LOADING";
    case job_state::online:
        return "ONLINE";
    case job_state::degraded_input:
        return "DEGRADED_INPUT";
    case job_state::degraded_inference:
        return "DEGRADED_INFERENCE";
    case job_state::error:
        return "ERROR";
    case job_state::offline:
        return "OFFLINE";
    }
    return "ERROR";
}

status_report::status_report(std::string pipeline, unix_ms now)
    : pipeline_(std::move(pipeline)), started_(now), state_since_(now) {}

bool status_report::sample(const frame_counters& totals, unix_ms now) {
    if (state_ == job_state::error || state_ == job_state::offline)
        return false;
    if (totals.in > totals_.in)
        last_input_ = now;
    if (totals.out > totals_.out) {
        last_output_ = now;
        if (!first_output_)
            first_output_ = now;
    }
    totals_ = totals;
    samples_.push_back({now, totals.in, totals.out});
    while (samples_.size() > 2 && samples_[1].at <= now - rate_window)
        samples_.pop_front();
    const auto& oldest = samples_.front();
    if (now > oldest.at) {
        const double seconds = static_cast<double>(now - oldest.at) / 1000;
        input_fps_ = static_cast<double>(totals.in - oldest.in) / seconds;
        output_fps_ = static_cast<double>(totals.out - oldest.out) / seconds;
    }

    auto next = job_state::loading;
    if (first_output_) {
        next = job_state::online;
        if (now - *first_output_ >= settling_time) {
            if (input_fps_ < low_input_fps)
                next = job_state::degraded_input;
            else if (output_fps_ < std::min(10.0, 0.8 * input_fps_))
                next = job_state::degraded_inference;
        }
    }
    if (next == state_)
        return false;
    enter(next, now);
    return true;
}

void status_report::params_applied(boost::json::object params, unix_ms now) {
    params_ = std::move(params);
    params_hash_ = hash_of(boost::json::serialize(params_));
    params_at_ = now;
    params_sent_ = false;
}

void status_report::failed(std::string_view message, unix_ms now) {
    last_error_ = valid_utf8(message, error_text_limit);
    last_error_at_ = now;
}

void status_report::end(job_state state, unix_ms now) {
    if (state_ != job_state::error)
        enter(state, now);
}

void status_report::enter(job_state state, unix_ms now) {
    state_ = state;
    state_since_ = now;
}

boost::json::object status_report::build(unix_ms now, bool with_params) const {
    boost::json::object input;
    input["last_input_time"] = time_or_null(last_input_);
    input["fps"] = rounded(input_fps_);

    boost::json::object inference;
    inference["last_output_time"] = time_or_null(last_output_);
    inference["fps"] = rounded(output_fps_);
    inference["last_params_update_time"] = time_or_null(params_at_);
    if (with_params)
        inference["last_params"] = params_;
    else
        inference["last_params"] = nullptr;
    inference["last_params_hash"] =
        params_at_ ? boost::json::value(params_hash_) : boost::json::value(nullptr);
    inference["last_error_time"] = time_or_null(last_error_at_);
    inference["last_error"] =
        last_error_at_ ? boost::json::value(last_error_) : boost::json::value(nullptr);
    inference["last_restart_time"] = nullptr;
    inference["last_restart_logs"] = nullptr;
    inference["restart_count"] = 0;
    inference["skipped_frames"] = totals_.skipped;
    inference["dropped_frames"] = totals_.dropped;

    boost::json::object event;
    event["type"] = "status";
    event["pipeline"] = pipeline_;
    event["start_time"] = started_;
    event["state"] = to_string(state_);
    event["last_state_update_time"] = state_since_;
    event["input_status"] = std::move(input);
    event["inference_status"] = std::move(inference);
    event["last_status_timestamp"] = time_or_null(last_event_at_);
    event["timestamp"] = now;
    return event;
}

boost::json::object status_report::event(unix_ms now) {
    auto event = build(now, !params_sent_);
    params_sent_ = true;
    last_event_at_ = now;
    return event;
}

boost::json::object status_report::describe(unix_ms now) const {
    return build(now, params_at_.has_value());
}

boost::json::object wrap_event(boost::json::object event, std::string_view queue_type) {
    boost::json::object whole;
    whole["event"] = std::move(event);
    whole["queue_event_type"] = queue_type;
    return whole;
}

boost::json::object trace_event(std::string_view type, unix_ms now) {
    boost::json::object event;
    event["type"] = type;
    event["timestamp"] = now;
    return event;
}

boost::json::object error_event(std::string_view pipeline, std::string_view message, unix_ms now) {
    boost::json::object event;
    event["type"] = "error";
    event["pipeline"] = pipeline;
    event["message"] = valid_utf8(message, error_text_limit);
    event["time"] = static_cast<double>(now) / 1000; // seconds here, unlike everywhere else
    event["timestamp"] = now;
    return event;
}

} // namespace rivulet::worker
