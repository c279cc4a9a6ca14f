// One live job at one orchestrator: finds who takes it, sends the source, reads the result and the
// events, keeps the control channel alive, and notices when the orchestrator fails. It decides
// nothing beyond that: the owner hears why the job ended and chooses what follows.
// Thread: the home shard of the stream. Held by shared_ptr; close() before the listener goes.
// Owns: the trickle clients and every coroutine of the job.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "live/control_fsm.hpp"
#include "live/event_merge.hpp"
#include "live/job_end.hpp"
#include "live/stream_status.hpp"
#include "live/watchdogs.hpp"
#include "session/orchestrator_client.hpp"
#include "session/selection_fsm.hpp"
#include "trickle/publisher_relay.hpp"
#include "trickle/subscriber_relay.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::live {

struct job_timing {
    duration selection_budget = std::chrono::seconds(2); // -aiProcessingRetryTimeout
    duration capacity_pause = std::chrono::milliseconds(250);
    // Between searches for an orchestrator while nobody takes the job; doubled each time.
    duration retry_first = std::chrono::seconds(1), retry_last = std::chrono::seconds(10);
    duration output_silence = output_watchdog::default_limit; // -liveOutSegmentTimeout
    duration event_silence = event_watchdog::default_limit;
    duration keepalive = control_fsm::keepalive_interval;
    duration last_segment = std::chrono::seconds(3); // to send it after the publisher left
    duration last_output = std::chrono::seconds(2);  // without a byte, after the input's end
    duration last_output_total = std::chrono::seconds(10);
    duration goodbye = std::chrono::seconds(3); // for the DELETEs
};

// What all jobs of a gateway share.
struct job_services {
    session::orchestrator_client client;
    http::client_options http; // of the trickle clients
    std::vector<std::string> orchestrators;
    job_timing timing;
};

struct job_request {
    session::live_request offer;
    std::string orchestrator_filter;
    std::optional<bytes> cached_params; // sent first on the control channel
};

// Called from the job's coroutines; job_ended() from a turn of its own, where the job may be
// closed.
class job_listener {
  public:
    virtual void job_connected(const std::string& orchestrator) = 0;
    virtual void job_output(trickle::subscriber_item item) = 0;
    virtual void job_event(const stream_event& event) = 0;
    // Something failed and is tried again, or was lost, without ending the job.
    enum class trouble { retried, lost };
    virtual void job_trouble(trouble kind, const std::string& text) = 0;
    virtual void job_ended(const job_end& end) = 0;

  protected:
    ~job_listener() = default;
};

class job final : public std::enable_shared_from_this<job>, private trickle::relay_listener {
  public:
    job(asio::any_io_executor executor,
        const job_services& services,
        trickle::channel_ptr source,
        job_request request,
        job_listener& listener,
        logger log);
    ~job();

    void start();
    // Forwarded as it is; also while the job is starting.
    void update(bytes body);

    enum class ending {
        finish, // the source has ended: send the rest of it, take the rest of the output
        at_once // drop everything
    };

    // Deletes the input and the control channel at the orchestrator and ends every coroutine. The
    // listener hears only output meanwhile, and nothing afterwards.
    awaitable<void> close(ending how);
    // Ends the waits of a close(finish) that is under way.
    void hurry();

    // Absent until an orchestrator took the job.
    std::optional<orchestrator_status> status(time_point now) const;

    const std::optional<boost::json::object>& runner_status() const { return events_.status(); }

    time_point started() const { return started_; }

  private:
    awaitable<void> run();
    awaitable<std::optional<session::live_channels>> choose_orchestrator();
    void connect(session::live_channels channels);
    awaitable<void> run_output();
    awaitable<void> run_events();
    awaitable<void> run_control();
    awaitable<void> watch();
    awaitable<void> finish();
    awaitable<void> delete_input();
    awaitable<void> say_goodbye();
    void end(job_end_cause cause, std::string text);
    void take_event(const std::string& body);
    void retried(std::string_view doing, const failure& why);
    void unreachable(std::string_view doing, const failure& why);
    time_point last_input() const;

    void segment_dropped(std::int64_t seq, const std::string& why) override;
    void segment_retried(std::int64_t seq, const failure& why) override;
    void relay_ended(const failure& why) override;

    // given
    asio::any_io_executor executor_;
    const job_services& services_;
    trickle::channel_ptr source_;
    job_request request_;
    job_listener* listener_;
    logger log_;

    // owned
    task_group starter_; // choosing an orchestrator: its answer is awaited even when closing
    task_group tasks_;
    notifier changed_;
    std::unique_ptr<trickle::publisher_relay> relay_;
    std::unique_ptr<trickle::subscriber> output_;
    std::unique_ptr<trickle::subscriber> event_source_;
    std::unique_ptr<trickle::publisher> control_channel_;

    // state
    std::string orchestrator_;
    std::optional<session::live_channels> channels_;
    control_fsm control_;
    event_merge events_;
    event_identity identity_;
    output_watchdog output_watch_;
    event_watchdog event_watch_;
    time_point started_;
    time_point last_output_{};
    std::uint64_t event_count_ = 0;
    std::string last_trouble_;
    bool output_open_ = false, events_open_ = false, relay_open_ = false;
    bool closing_ = false; // close() was called
    bool hurry_ = false;
    bool input_deleted_ = false;
    std::optional<job_end> end_;
};

} // namespace rivulet::live
