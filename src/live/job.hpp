// One live job at one orchestrator: finds who takes it, sends the source, reads the result and the
// events, keeps the control channel alive, and notices when the orchestrator fails. It decides
// nothing beyond that: the owner hears why the job ended and chooses what follows.
// Thread: the home shard of the stream. Held by shared_ptr; close() or abandon() before the
// listener goes. Owns: the trickle clients and every coroutine of the job.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "live/connection_watch.hpp"
#include "live/control_fsm.hpp"
#include "live/event_merge.hpp"
#include "live/job_end.hpp"
#include "live/job_search.hpp"
#include "live/job_services.hpp"
#include "live/output_proof.hpp"
#include "live/stream_metrics.hpp"
#include "live/stream_status.hpp"
#include "live/watchdogs.hpp"
#include "trickle/publisher_relay.hpp"
#include "trickle/subscriber_relay.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::live {

// Called from the job's coroutines; job_ended() from a turn of its own, where the job may be
// closed.
class job_listener {
  public:
    virtual void job_connected(const orchestrator_name& orchestrator) = 0;
    // A source segment has arrived there whole.
    virtual void job_segment_sent() = 0;
    // Answers what it was: only video is a sign that the orchestrator works.
    virtual output_proof::content job_output(trickle::subscriber_item item) = 0;
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
    // What the source is, for those who are paid by the pixel.
    void video(int width, int height, double fps);

    enum class ending {
        finish, // the source has ended: send the rest of it, take the rest of the output
        at_once // drop everything
    };

    // Deletes the job's channels at the orchestrator and ends every coroutine. The listener hears
    // only output meanwhile, and nothing afterwards; with at_once nothing at all.
    awaitable<void> close(ending how);
    // Instead of close(), or in the middle of it, where nobody can wait: the listener may go at
    // once, and every coroutine ends as soon as it can.
    void abandon();
    // Ends the waits of a close(finish) that is under way.
    void hurry();

    // Absent until an orchestrator took the job.
    std::optional<orchestrator_status> status(time_point now) const;

    const std::optional<boost::json::object>& runner_status() const { return events_.status(); }

    time_point started() const { return started_; }

    // The one that has the job, or had it; empty while nobody took it.
    const std::string& orchestrator() const { return orchestrator_; }

    // How long processed video came.
    duration worked() const { return last_video_ - first_video_; }

    // When asking again may help, after no_orchestrator.
    duration retry_after() const { return retry_after_; }

  private:
    awaitable<void> run();
    void connect(job_place place);
    void start_paying();
    awaitable<void> run_output();
    void take_output(trickle::subscriber_item item);
    awaitable<void> run_events();
    awaitable<void> run_control();
    awaitable<void> watch();
    awaitable<void> finish();
    awaitable<void> give_back(job_place place);
    awaitable<void> delete_input();
    awaitable<void> delete_control();
    awaitable<void> stop_paying();
    static awaitable<void> pay_last(std::shared_ptr<job> self);
    awaitable<void> say_goodbye();
    void end(job_end_cause cause, std::string text);
    void take_event(const std::string& body);
    using channel = connection_watch::channel;
    // After a failed read: the pause before the next one; nothing when the job is over.
    std::optional<duration> after_failure(
        channel which,
        const failure& why,
        trickle::subscribe_policy_fsm& patience,
        trickle::subscriber& source
    );
    void connection_failed(channel which, const failure& why);
    void think_of_standby();
    time_point last_input() const;

    void segment_begun(std::int64_t seq) override;
    void segment_sent(std::int64_t seq, std::uint64_t size) override;
    void attempt_failed(std::int64_t seq, const failure& why) override;
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
    job_search search_;
    std::optional<job_place> place_; // before everything that uses the account
    std::unique_ptr<payment::live_payer> payer_;
    task_group starter_; // choosing an orchestrator: its answer is awaited even when closing
    task_group tasks_;
    task_group last_; // what outlives an abandoned job for a moment
    notifier changed_;
    std::unique_ptr<trickle::publisher_relay> relay_;
    std::unique_ptr<trickle::subscriber> output_;
    std::unique_ptr<trickle::subscriber> event_source_;
    std::unique_ptr<trickle::publisher> control_channel_;

    // state
    std::string orchestrator_;
    std::optional<std::string> standby_;
    connection_watch connections_;
    control_fsm control_;
    event_merge events_;
    event_identity identity_;
    output_watchdog output_watch_;
    event_watchdog event_watch_;
    time_point started_;
    time_point first_video_{}, last_video_{};
    time_point last_output_{}; // bytes of any kind
    output_proof proof_;
    duration retry_after_{};
    std::uint64_t event_count_ = 0;
    std::string last_trouble_;
    bool output_open_ = false, events_open_ = false, relay_open_ = false;
    bool closing_ = false; // close() was called
    bool hurry_ = false;
    bool over_ = false; // nothing of it runs any more
    bool input_deleted_ = false;
    std::optional<job_end> end_;
};

} // namespace rivulet::live
