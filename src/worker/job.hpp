// One live job: four channels, a runner between them, status on the events channel. Ends when the
// gateway closes the input channel, when no input comes for too long, or when the runner fails;
// then all four channels close. Thread: the home shard of its id; summary() from any.
#pragma once

#include "base/log.hpp"
#include "base/task_group.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/channel_writer.hpp"
#include "worker/capacity_ledger.hpp"
#include "worker/runner.hpp"
#include "worker/status_report.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace rivulet::worker {

struct job_options {
    // Names the channels: ID, ID-out, ID-control, ID-events. Their only protection: not for logs
    // and pages.
    std::string id;
    std::string label; // what logs and pages say instead
    std::string model;
    std::string stream_id, request_id; // the gateway's, for people
    boost::json::object params;
    duration status_interval = std::chrono::seconds(10);
    duration input_timeout = std::chrono::seconds(60);
    duration first_input_timeout = std::chrono::seconds(60); // before any came
    bool reports = true; // status and trace events; false for a runner that sends its own
    duration flush_limit = std::chrono::seconds(10); // for the runner to end
};

class job final : public runner_host, public std::enable_shared_from_this<job> {
  public:
    using make_runner = std::function<std::unique_ptr<runner>(std::weak_ptr<runner_host>)>;
    using on_ended = std::function<void(const std::shared_ptr<job>&)>;

    job(asio::any_io_executor home,
        trickle::channel_table& channels,
        job_options options,
        capacity_ledger::lease place,
        logger log);
    ~job();

    // Creates the channels, then starts the runner. `ended` is called once, when all is over and
    // the runner's thread has ended (or `flush_limit` has passed). Fails with too_many, or
    // no_capacity when the system has no thread or memory left; nothing is left behind then.
    error_code start(const make_runner& make, on_ended ended);
    // Begins to end it. Idempotent; a later call may only shorten the time that the runner has.
    void end(std::string reason);
    void end_within(std::string reason, duration flush_limit);

    // True when no thread works for it any more.
    bool idle() const { return !runner_ || runner_->idle(); }

    const std::string& id() const { return options_.id; }

    const std::string& label() const { return options_.label; }

    // Any thread; a second old at most.
    boost::json::object summary() const;

  private:
    void begin_segment() override;
    void append(bytes block) override;
    void end_segment() override;
    void output_begins() override;
    void relay_event(bytes event) override;
    void params_applied(boost::json::object params) override;
    void failed(std::string message) override;
    void ended(std::string cause) override;

    error_code begin(const make_runner& make, on_ended ended);
    void forget_start();
    awaitable<void> read_input(std::shared_ptr<job> self);
    awaitable<void> read_control(std::shared_ptr<job> self);
    awaitable<void> report(std::shared_ptr<job> self);
    awaitable<void> finish(std::shared_ptr<job> self);

    void take_control(const std::string& text);
    void publish(boost::json::object event, std::string_view queue_type);
    void publish_trace(std::string_view type);
    void publish_status();
    void update_summary();
    void check_output(error_code failed);

    // given
    asio::any_io_executor home_;
    trickle::channel_table& channels_;
    job_options options_;
    capacity_ledger::lease place_;
    logger log_;

    // owned
    std::unique_ptr<runner> runner_;
    task_group tasks_;   // input, control, status
    task_group closing_; // finish()
    trickle::channel_ptr input_, control_;
    std::unique_ptr<trickle::channel_writer> output_, events_;
    on_ended on_ended_;

    // state
    status_report status_;
    time_point last_input_;
    time_point last_status_;
    bool ending_ = false;
    bool runner_ended_ = false;
    bool got_input_ = false, sent_output_ = false;
    notifier changed_; // runner_ended_

    mutable std::mutex summary_guard_;
    boost::json::object summary_;
};

} // namespace rivulet::worker
