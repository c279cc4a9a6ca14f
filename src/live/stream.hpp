// One published stream: units from the publisher become segments of channel NAME, a job turns them
// into channel NAME-out, and /status knows how it goes.
// Thread: the home shard of the name. Held by shared_ptr.
// Owns: both channels' writers, the job, the RTMP output.
#pragma once

#include "base/log.hpp"
#include "base/task_group.hpp"
#include "egress/feed_table.hpp"
#include "egress/rtmp_push.hpp"
#include "ingest/source.hpp"
#include "live/error_log.hpp"
#include "live/job.hpp"
#include "live/meters.hpp"
#include "live/spliced_output.hpp"
#include "live/stream_events.hpp"
#include "live/stream_params.hpp"
#include "live/stream_status.hpp"
#include "live/swap_fsm.hpp"
#include "media/segmenter.hpp"
#include "media/timestamps.hpp"
#include "media/ts_muxer.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/channel_writer.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::live {

// Who watches a channel through doors that share one subscription, or need none.
struct viewer_report {
    std::uint64_t viewers = 0;
    std::uint64_t subscriptions = 0;                  // of the channel's feed, made for all of them
    boost::json::object details;                      // by protocol
    std::map<std::string, std::uint64_t> by_protocol; // the viewers above
};

// What all streams of a gateway share; outlives them.
struct stream_services {
    trickle::channel_table& channels;
    egress::feed_table& feeds;
    const job_services& jobs;
    media::segmenter_options segments;
    egress::rtmp_push_options push;
    stream_listeners listeners;
    swap_filler filler = swap_filler::freeze;
    // Of those viewers that are no subscribers of a feed; may be empty.
    std::function<viewer_report(const std::string& channel, bool details)> viewers;
};

class stream final : public ingest::unit_sink,
                     private job_listener,
                     public std::enable_shared_from_this<stream> {
  public:
    // `tasks` of the shard run the stream's coroutines. `over` is called once, when the publisher
    // is gone; `gone` once after that, when nothing of the stream is left.
    stream(
        asio::any_io_executor executor,
        const stream_services& services,
        task_group& tasks,
        stream_params params,
        ingest::publish_request request,
        ingest::kick kick,
        std::function<void()> over,
        std::function<void(stream&)> gone
    );
    ~stream();

    // Creates the channels. Fails with too_many.
    outcome<void> open();

    // From the publisher.
    void format_changed(const media::stream_format& format) override;
    void unit(media::access_unit unit) override;
    void ended(const std::string& reason) override;

    // Opaque bytes for the control channel; kept for the next orchestrator too.
    void update(std::string body);
    // Ends the stream at once and tells the publisher: by the API, by a newer publisher, at
    // shutdown, for media that can't be carried.
    void cut(job_end_cause cause, const std::string& reason);

    // False once the publisher is gone; the rest of its media may still be under way.
    bool has_publisher() const { return !over_; }

    const std::string& name() const { return params_.name; }

    const std::string& id() const { return params_.stream_id; }

    std::string request_id() const override { return request_id_; }

    std::string stream_id() const override { return params_.stream_id; }

    // `list_entry` leaves out what to_list_entry() does not show.
    enum class detail { everything, list_entry };
    stream_snapshot snapshot(detail wanted = detail::everything) const;

  private:
    void job_connected(const orchestrator_name& orchestrator) override;
    void job_segment_sent() override;
    output_proof::content job_output(trickle::subscriber_item item) override;
    void job_event(const stream_event& event) override;
    void job_trouble(trouble kind, const std::string& text) override;
    void job_ended(const job_end& end) override;

    // A job that is not the stream's any more: a task that can't close it to the end, or never
    // begins, leaves none behind that still calls the stream.
    class former_job {
      public:
        explicit former_job(std::shared_ptr<job> of) : job_(std::move(of)) {}

        former_job(former_job&&) noexcept = default;
        former_job& operator=(former_job&&) = delete;

        ~former_job() {
            if (job_)
                job_->abandon();
        }

        explicit operator bool() const { return job_ != nullptr; }

        job* operator->() const { return job_.get(); }

      private:
        std::shared_ptr<job> job_;
    };

    void start_job();
    void write_unit(const media::access_unit& unit, bool begins_segment, time_point now);
    void output_came(std::uint64_t frames_before, std::uint64_t bytes, time_point now);
    void swap(const job_end& end);
    void swap_is_over(time_point now);
    awaitable<void> run_filler();
    void sample(time_point now);
    void report(const std::string& text);
    void become(stream_state state);
    void finish(job_end_cause cause, const std::string& reason, job::ending how);
    awaitable<void> wind_up(job::ending how, former_job ending);
    awaitable<void> close_failed_job(former_job failed);
    awaitable<void> start_again(former_job refused, duration pause);
    void close_channel(trickle::channel_writer& writer);
    std::uint64_t players_of(const std::string& channel) const;

    struct viewer_counts {
        std::uint64_t source = 0, output = 0;
    };

    viewer_counts viewers() const;

    // given
    asio::any_io_executor executor_;
    const stream_services& services_;
    task_group& tasks_;
    stream_params params_;
    ingest::publish_request request_;
    ingest::kick kick_;
    std::function<void()> on_over_;
    std::function<void(stream&)> gone_;
    std::string request_id_;
    logger log_;

    // owned
    std::optional<trickle::channel_writer> source_, output_;
    std::optional<spliced_output> splice_; // what goes into output_
    std::shared_ptr<job> job_;
    std::unique_ptr<egress::rtmp_push> push_;
    asio::steady_timer retry_; // until the next search for an orchestrator
    media::continuous_clock clock_;
    media::segmenter segmenter_;
    media::ts_muxer muxer_;
    stream_events events_;
    swap_fsm swaps_;

    // state
    stream_state state_ = stream_state::waiting_for_media;
    std::string state_detail_;
    std::string end_cause_;
    bool over_ = false;
    bool muxer_ready_ = false;
    bool job_failed_ = false;
    bool searching_again_ = false; // nobody has the job; start_again() runs
    bool filler_runs_ = false;
    duration retry_pause_;
    bool sound_refused_ = false; // video goes on without it
    std::optional<bytes> cached_params_;
    std::uint64_t updates_ = 0;
    error_log errors_;
    ingest_status in_;
    output_status out_;
    std::optional<orchestrator_status> last_orchestrator_; // of a job that is gone
    std::optional<boost::json::object> last_runner_status_;
    std::optional<swap_status> last_swap_;
    std::optional<time_point> swap_began_; // until processed video is back
    std::string avoid_;                    // who failed last
    time_point last_frame_{};              // of processed video
    rate_meter in_frames_, in_bits_, out_frames_, out_bits_;
    latency_meter latency_;
    std::optional<std::int64_t> last_keyframe_dts_;
    time_point last_unit_{}, last_output_{}, started_;
    std::int64_t started_ms_, ended_ms_ = 0;
};

} // namespace rivulet::live
