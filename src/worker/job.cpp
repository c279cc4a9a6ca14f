#include "worker/job.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace rivulet::worker {

namespace {

constexpr std::size_t control_limit = 1u << 20; // one control message
constexpr duration sample_interval = std::chrono::seconds(1);
constexpr std::string_view video_mime = "video/MP2T";
constexpr std::string_view json_mime = "application/json";

} // namespace

job::job(
    asio::any_io_executor home,
    trickle::channel_table& channels,
    job_options options,
    capacity_ledger::lease place,
    logger log
)
    : home_(home), channels_(channels), options_(std::move(options)), place_(std::move(place)),
      log_(std::move(log)), tasks_(home, log_), closing_(home, log_),
      status_(options_.model, unix_now()), last_input_(steady_clock::now()),
      last_status_(steady_clock::now()), changed_(home) {
    update_summary();
}

job::~job() = default;

error_code job::start(const make_runner& make, on_ended ended) {
    try {
        return begin(make, std::move(ended));
    } catch (const std::exception& e) { // no thread, no memory: nothing that the gateway did
        log_.error("does not start: {}", e.what());
    }
    forget_start();
    return make_error_code(errc::no_capacity);
}

void job::forget_start() {
    ending_ = true;
    tasks_.close();
    if (runner_)
        runner_->cancel();
    on_ended_ = nullptr;
    for (const char* suffix : {"", "-out", "-control", "-events"})
        channels_.remove(options_.id + suffix);
    place_.release();
}

error_code job::begin(const make_runner& make, on_ended ended) {
    const auto& id = options_.id;
    auto input = channels_.create(id, std::string(video_mime));
    auto output = channels_.create(id + "-out", std::string(video_mime));
    auto control = channels_.create(id + "-control", std::string(json_mime));
    auto events = channels_.create(id + "-events", std::string(json_mime));
    for (const auto* made : {&input, &output, &control, &events}) {
        if (*made) {
            (**made)->keep(); // this job ends them, the sweeper does not
            continue;
        }
        for (const auto* others : {&input, &output, &control, &events})
            if (*others)
                channels_.remove(**others);
        return made->error();
    }
    input_ = *input;
    control_ = *control;
    output_ = std::make_unique<trickle::channel_writer>(*output);
    events_ = std::make_unique<trickle::channel_writer>(*events);
    on_ended_ = std::move(ended);

    auto self = shared_from_this();
    publish_trace("runner_receive_stream_request");
    runner_ = make(self);
    runner_->set_params(options_.params);
    tasks_.spawn("input", read_input(self));
    tasks_.spawn("control", read_control(self));
    tasks_.spawn("status", report(self));
    publish_status();
    log_.info("begins: {} for stream {}", options_.model, options_.stream_id);
    return {};
}

awaitable<void> job::read_input([[maybe_unused]] std::shared_ptr<job> self) {
    trickle::channel_reader reader(home_, input_, 0);
    for (;;) {
        auto chunk = co_await reader.read();
        if (!chunk) {
            end("the input ended");
            co_return;
        }
        last_input_ = steady_clock::now();
        if (!std::exchange(got_input_, true))
            publish_trace("runner_receive_first_ingest_segment");
        if (chunk->skipped)
            failed("part of the input was lost");
        runner_->input(*chunk, last_input_);
    }
}

// One JSON object per segment.
awaitable<void> job::read_control([[maybe_unused]] std::shared_ptr<job> self) {
    trickle::channel_reader reader(home_, control_, 0);
    std::string text;
    for (;;) {
        auto chunk = co_await reader.read();
        // A gateway that is done closes the input as well: that ends the job.
        if (!chunk)
            co_return;
        if (chunk->segment_begins)
            text.clear();
        for (const auto& block : chunk->blocks)
            if (text.size() <= control_limit)
                text.append(block.text());
        if (chunk->segment_ends && !text.empty()) {
            take_control(text);
            text.clear();
        }
    }
}

void job::take_control(const std::string& text) {
    if (text.size() > control_limit)
        return failed("a control message longer than 1 MiB was ignored");
    error_code bad;
    auto value = boost::json::parse(text, bad);
    if (bad || !value.is_object())
        return failed("a control message that is no JSON object was ignored");
    auto& params = value.as_object();
    if (params.contains("keep") && params.size() == 1)
        return;
    // ai-runner uses this form to re-label its logs.
    if (params.contains("request_id") && params.contains("manifest_id") &&
        params.contains("stream_id"))
        return;
    runner_->set_params(std::move(params));
}

awaitable<void> job::report([[maybe_unused]] std::shared_ptr<job> self) {
    asio::steady_timer timer(home_);
    for (;;) {
        timer.expires_after(sample_interval);
        co_await timer.async_wait(as_tuple);
        const auto now = steady_clock::now();
        const bool changed = status_.sample(runner_->counters(), unix_now());
        if (changed || now - last_status_ >= options_.status_interval)
            publish_status();
        update_summary();
        if (now - last_input_ >
            (got_input_ ? options_.input_timeout : options_.first_input_timeout)) {
            end("no input for too long");
            co_return;
        }
    }
}

// --- the runner's calls --------------------------------------------------------------------------

void job::begin_segment() {
    check_output(output_->begin_segment());
}

void job::append(bytes block) {
    output_begins();
    check_output(output_->append(std::move(block)));
}

void job::output_begins() {
    if (std::exchange(sent_output_, true))
        return;
    publish_trace("runner_send_first_processed_segment");
    if (status_.sample(runner_->counters(), unix_now()))
        publish_status();
}

void job::relay_event(bytes event) {
    if (events_)
        events_->write_segment(std::move(event));
}

void job::end_segment() {
    output_->end_segment();
}

void job::check_output(error_code failed) {
    if (failed == errc::closed)
        end("the output channel was closed");
}

void job::params_applied(boost::json::object params) {
    status_.params_applied(std::move(params), unix_now());
    log_.info("new parameters in force");
    publish_status();
}

void job::failed(std::string message) {
    log_.warn("{}", message);
    publish(error_event(options_.model, message, unix_now()), ai_stream_events);
    status_.failed(message, unix_now());
    publish_status();
}

void job::ended(std::string cause) {
    runner_ended_ = true;
    changed_.notify_all();
    if (cause.empty())
        return;
    log_.error("{}", cause);
    publish(error_event(options_.model, cause, unix_now()), ai_stream_events);
    status_.failed(cause, unix_now());
    status_.end(job_state::error, unix_now());
    end(std::move(cause));
}

// --- telling -------------------------------------------------------------------------------------

void job::publish(boost::json::object event, std::string_view queue_type) {
    if (!events_)
        return;
    const auto text = boost::json::serialize(wrap_event(std::move(event), queue_type));
    events_->write_segment(bytes::copy_of(text)); // fails only once the channel is closed
}

void job::publish_trace(std::string_view type) {
    if (options_.reports)
        publish(trace_event(type, unix_now()), stream_trace);
}

void job::publish_status() {
    last_status_ = steady_clock::now();
    if (options_.reports)
        publish(status_.event(unix_now()), ai_stream_events);
    update_summary();
}

void job::update_summary() {
    boost::json::object made;
    made["job"] = options_.label;
    made["model_id"] = options_.model;
    made["stream_id"] = options_.stream_id;
    made["gateway_request_id"] = options_.request_id;
    made["status"] = status_.describe(unix_now());
    const std::lock_guard lock(summary_guard_);
    summary_ = std::move(made);
}

boost::json::object job::summary() const {
    const std::lock_guard lock(summary_guard_);
    return summary_;
}

// --- ending --------------------------------------------------------------------------------------

void job::end(std::string reason) {
    if (std::exchange(ending_, true))
        return;
    log_.info("ends: {}", reason);
    closing_.spawn("closing", finish(shared_from_this()));
}

void job::end_within(std::string reason, duration flush_limit) {
    options_.flush_limit = std::min(options_.flush_limit, flush_limit);
    changed_.notify_all();
    end(std::move(reason));
}

awaitable<void> job::finish(std::shared_ptr<job> self) {
    tasks_.close();
    if (!runner_)
        co_return;
    if (!runner_ended_)
        runner_->finish();
    const auto began = steady_clock::now();
    while (!runner_ended_ && steady_clock::now() < began + options_.flush_limit)
        co_await changed_.wait_until(began + options_.flush_limit);
    if (!runner_ended_) {
        log_.error("the runner did not end in time");
        runner_->cancel();
    }

    status_.sample(runner_->counters(), unix_now());
    status_.end(job_state::offline, unix_now());
    publish_status();
    const auto out = output_->target();
    const auto events = events_->target();
    output_->close();
    events_->close();
    for (const auto& channel : {input_, out, control_, events})
        channels_.remove(channel);
    if (runner_->idle()) // else the place stays taken until the thread comes back
        place_.release();
    if (auto told = std::exchange(on_ended_, nullptr))
        told(self);
}

} // namespace rivulet::worker
