#include "live/stream.hpp"

#include "base/ids.hpp"
#include "ingest/peer_text.hpp"
#include "live/json_object.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

namespace rivulet::live {
namespace {

constexpr std::string_view mime = "video/MP2T";
constexpr std::int64_t pts_mask = (std::int64_t{1} << 33) - 1;
constexpr duration push_goodbye = std::chrono::seconds(2); // for the rest and unpublish
constexpr std::size_t detail_bytes = 500;
// Somebody may have a place in a moment, and viewers wait.
constexpr duration first_look_again = std::chrono::milliseconds(250);
constexpr duration filler_look = std::chrono::milliseconds(100);

std::int64_t unix_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

double seconds(duration d) {
    return std::chrono::duration<double>(d).count();
}

double milliseconds(duration d) {
    return seconds(d) * 1000;
}

ingest::kick_cause kick_cause_of(job_end_cause cause) {
    switch (cause) {
    case job_end_cause::replaced:
        return ingest::kick_cause::replaced;
    case job_end_cause::bad_media:
        return ingest::kick_cause::bad_media;
    default:
        return ingest::kick_cause::stopped;
    }
}

// `feeds` outlives every push; the name is looked up on its home shard, where the push runs.
awaitable<std::shared_ptr<egress::channel_feed>>
find_in(egress::feed_table& feeds, std::string name) {
    co_return feeds.find(name);
}

} // namespace

stream::stream(
    asio::any_io_executor executor,
    const stream_services& services,
    task_group& tasks,
    stream_params params,
    ingest::publish_request request,
    ingest::kick kick,
    std::function<void()> over,
    std::function<void(stream&)> gone
)
    : executor_(executor), services_(services), tasks_(tasks), params_(std::move(params)),
      request_(std::move(request)), kick_(std::move(kick)), on_over_(std::move(over)),
      gone_(std::move(gone)),
      request_id_(request_.request_id.empty() ? random_hex(4) : request_.request_id),
      retry_(executor), segmenter_(services.segments), events_(services.listeners, params_.name),
      swaps_(services.jobs.swaps, steady_clock::now()),
      retry_pause_(services.jobs.timing.retry_first), started_(steady_clock::now()),
      started_ms_(unix_ms()) {
    if (params_.stream_id.empty())
        params_.stream_id = random_hex(8);
    log_ = logger(fmt::format("stream {} ({})", params_.name, params_.stream_id));
    in_.protocol = request_.protocol;
    in_.remote = request_.remote;
}

stream::~stream() = default;

outcome<void> stream::open() {
    const auto output_name = params_.name + std::string(output_suffix);
    auto source = services_.channels.replace(params_.name, std::string(mime));
    auto output = source ? services_.channels.replace(output_name, std::string(mime)) : source;
    if (!output) {
        if (source)
            services_.channels.remove(params_.name);
        return failure(output.error(), "no room for another stream's channels");
    }
    // A publisher that pauses for long, or an orchestrator, must not cost the stream its channels.
    (*source)->keep();
    (*output)->keep();
    source_.emplace(*source);
    output_.emplace(*output);
    splice_.emplace(*output_, services_.filler, log_.with("output"));
    log_.info(
        "{} publisher {} opened it, pipeline {}, request {}",
        request_.protocol,
        request_.remote,
        params_.pipeline,
        request_id_
    );
    events_.started(request_, params_, request_id_);
    become(stream_state::waiting_for_media);
    if (params_.rtmp_output) {
        auto find = [feeds = &services_.feeds](std::string name) {
            return find_in(*feeds, std::move(name));
        };
        auto options = services_.push;
        options.source = output_->target();
        push_ = std::make_unique<egress::rtmp_push>(
            executor_,
            params_.rtmp_output->url,
            output_name,
            std::move(find),
            std::move(options),
            log_.with("rtmpOutput")
        );
    }
    return {};
}

// --- from the publisher --------------------------------------------------------------------------

void stream::format_changed(const media::stream_format& format) {
    if (over_)
        return;
    in_.format = format;
    auto ec = muxer_.set_format(format);
    sound_refused_ = false;
    if (ec && format.audio) {
        const auto why = ec;
        if (format.video) {
            auto without_sound = format;
            without_sound.audio.reset();
            ec = muxer_.set_format(without_sound);
        }
        sound_refused_ = !ec || !format.video;
        if (sound_refused_)
            report(fmt::format(
                "sound can't be carried: {}; the video goes on without it, publish AAC-LC to have "
                "it",
                why.message()
            ));
    }
    muxer_ready_ = !ec;
    if (muxer_ready_)
        splice_->source_format(muxer_.format());
    if (ec && format.video)
        return cut(job_end_cause::bad_media, "the video can't be carried: " + ec.message());
    if (format.video && !job_ && !job_failed_ && !searching_again_)
        start_job();
}

void stream::unit(media::access_unit unit) {
    if (over_)
        return;
    const auto now = steady_clock::now();
    last_unit_ = now;
    if (events_.viewers_due(now))
        sample(now);
    in_.bytes += unit.data.size();
    in_bits_.add(unit.data.size() * 8, now);
    if (request_.keeps_times && in_.video_frames + in_.audio_frames == 0)
        clock_ = media::continuous_clock(unit.dts);
    if (clock_.adjust(unit))
        ++in_.clock_jumps;
    if (unit.kind == media::track_kind::video) {
        ++in_.video_frames;
        in_frames_.add(1, now);
        if (unit.keyframe) {
            ++in_.keyframes;
            if (last_keyframe_dts_)
                in_.keyframe_interval_s =
                    static_cast<double>(unit.dts - *last_keyframe_dts_) / media::clock_rate;
            last_keyframe_dts_ = unit.dts;
        }
    } else {
        ++in_.audio_frames;
    }
    if (!muxer_ready_ || (sound_refused_ && unit.kind == media::track_kind::audio)) {
        ++in_.unusable_frames;
        return;
    }
    const auto decision = segmenter_.step(unit, now);
    if (unit.kind == media::track_kind::video)
        in_.awaits_keyframe = decision.action == media::segment_action::end_then_drop ||
                              decision.reason == media::segment_reason::after_limit;
    switch (decision.action) {
    case media::segment_action::drop:
        ++in_.dropped_frames;
        break;
    case media::segment_action::write:
        write_unit(unit, false, now);
        break;
    case media::segment_action::cut_then_write:
        write_unit(unit, true, now);
        break;
    case media::segment_action::end_then_drop:
        ++in_.dropped_frames;
        source_->end_segment();
        report(
            decision.reason == media::segment_reason::too_large
                ? "a segment was ended at its size limit; set a shorter keyframe interval"
                : "no keyframe for too long, video is dropped until the next one; set the "
                  "encoder's keyframe interval to 2 s"
        );
        break;
    }
}

void stream::write_unit(const media::access_unit& unit, bool begins_segment, time_point now) {
    if (begins_segment)
        muxer_.begin_segment();
    auto packets = muxer_.write(unit);
    if (!packets) {
        ++in_.unusable_frames;
        report("a frame could not be packed: " + packets.error().message());
        return;
    }
    error_code ec;
    if (begins_segment) {
        ec = source_->begin_segment();
        ++in_.segments;
    }
    if (!ec)
        ec = source_->append(std::move(*packets));
    if (ec == errc::too_large) {
        segmenter_.reset(); // the next keyframe begins a new segment
        report("a segment was ended at the channel's size limit");
    } else if (ec) {
        report("channel " + params_.name + ": " + ec.message());
    }
    splice_->source_unit(unit, now);
    if (unit.kind == media::track_kind::video) {
        latency_.in(unit.pts & pts_mask, now);
        events_.ingest_to_publish(steady_clock::now() - now);
    }
    if (begins_segment && job_ && in_.format.video)
        job_->video(in_.format.video->width, in_.format.video->height, in_frames_.per_second(now));
}

// Once a second.
void stream::sample(time_point now) {
    const auto current = snapshot(detail::list_entry);
    events_.viewers(current.source_players, current.output_players);
    events_.sample(current);
    if (!over_ && session_stats && events_.ingest_metrics_due(now))
        events_.ingest_metrics(session_stats());
}

void stream::ended(const std::string& reason) {
    finish(job_end_cause::input_ended, reason, job::ending::finish);
}

// --- from the API --------------------------------------------------------------------------------

void stream::update(std::string body) {
    ++updates_;
    cached_params_ = bytes::copy_of(body);
    events_.params(body);
    log_.info("parameters replaced, {} bytes", body.size());
    if (job_)
        job_->update(*cached_params_);
}

void stream::cut(job_end_cause cause, const std::string& reason) {
    if (over_) {
        if (job_)
            job_->hurry();
        if (push_)
            push_->stop();
        return;
    }
    finish(cause, reason, job::ending::at_once);
    kick_(kick_cause_of(cause), reason);
}

// --- the job -------------------------------------------------------------------------------------

void stream::start_job() {
    become(stream_state::starting);
    events_.job_started(steady_clock::now());
    job_request wanted;
    wanted.offer.request_id = request_id_;
    wanted.offer.stream_id = params_.stream_id;
    wanted.offer.model_id = params_.pipeline;
    wanted.offer.params = params_.params;
    wanted.orchestrator_filter = params_.orchestrator;
    wanted.cached_params = cached_params_;
    if (!avoid_.empty()) {
        wanted.avoid.push_back(avoid_);
        // Whoever takes over begins with the newest parameters instead of changing to them.
        if (cached_params_)
            if (auto newest = parse_json_object(
                    cached_params_->text(), {.bytes = cached_params_->size(), .depth = 64}
                ))
                wanted.offer.params = std::move(*newest);
    }
    job_listener& listener = *this;
    job_ = std::make_shared<job>(
        executor_, services_.jobs, source_->target(), std::move(wanted), listener, log_
    );
    job_->start();
}

void stream::job_connected(const orchestrator_name& orchestrator) {
    if (over_)
        return;
    splice_->joined(steady_clock::now());
    state_detail_.clear();
    events_.connected(orchestrator);
    become(stream_state::connected);
    end_cause_.clear();
    retry_pause_ = services_.jobs.timing.retry_first;
    if (swap_began_)
        last_swap_->to = orchestrator.url;
    if (const auto& video = in_.format.video)
        job_->video(video->width, video->height, in_frames_.per_second(steady_clock::now()));
}

void stream::job_segment_sent() {
    events_.segment_sent();
}

output_proof::content stream::job_output(trickle::subscriber_item item) {
    using content = output_proof::content;
    if (!job_ || output_->target()->closed())
        return content::nothing;
    const auto now = steady_clock::now();
    const bool segment_ends = item.segment_ends;
    if (item.segment_begins)
        ++out_.segments;
    std::uint64_t size = 0;
    for (const auto& block : item.blocks)
        size += block.size();
    const auto before = splice_->counters();
    splice_->take(std::move(item), now);
    if (size > 0)
        output_came(before.frames, size, now);
    while (const auto trouble = splice_->take_trouble())
        report(*trouble);
    const auto& after = splice_->counters();
    if (segment_ends && after.frames > 0)
        events_.output_segment(now);
    if (after.overlong > before.overlong)
        return content::too_long;
    if (after.frames > before.frames)
        return content::video;
    return after.sounds > before.sounds ? content::sound : content::nothing;
}

void stream::output_came(std::uint64_t frames_before, std::uint64_t bytes, time_point now) {
    last_output_ = now;
    out_.bytes += bytes;
    out_bits_.add(bytes * 8, now);
    const auto frames = splice_->counters().frames - frames_before;
    if (frames == 0)
        return;
    if (!out_.first_output_s) {
        out_.first_output_s = seconds(now - job_->started());
        log_.info(
            "first processed video {:.0f} ms after the job began", *out_.first_output_s * 1000
        );
    }
    out_frames_.add(frames, now);
    for (const auto pts : splice_->take_frame_times())
        if (const auto took = latency_.out(pts, now))
            events_.end_to_end(*took);
    events_.subscribe_to_egress(steady_clock::now() - now);
    if (swap_began_ && !splice_->counters().filling)
        swap_is_over(now);
    last_frame_ = now;
    if (!over_ && state_ != stream_state::live)
        become(stream_state::live);
}

void stream::job_event(const stream_event& event) {
    events_.runner(event);
    if (event.error)
        report("the runner says: " + *event.error);
}

void stream::job_trouble(trouble kind, const std::string& text) {
    if (kind == trouble::lost)
        report(text);
    else if (errors_.add(text, unix_ms())) {
        log_.debug("{}", text);
        events_.warning(text);
    }
}

void stream::job_ended(const job_end& end) {
    if (over_)
        return;
    state_detail_ = ingest::peer_text(end.text, detail_bytes);
    end_cause_ = to_string(end.cause);
    const bool is_new = errors_.add(end.text, unix_ms());
    if (end.cause == job_end_cause::no_orchestrator) {
        // It may be back, or have a place, in a moment: nobody has to publish again for it.
        become(stream_state::starting);
        events_.no_orchestrator(state_detail_);
        if (is_new) {
            log_.warn("nobody took the job, asking again: {}", state_detail_);
            events_.warning(state_detail_);
        }
        const auto pause = retry_pause_;
        retry_pause_ = std::min(retry_pause_ * 2, services_.jobs.timing.retry_last);
        searching_again_ = true;
        former_job refused(std::move(job_));
        tasks_.spawn("search again", start_again(std::move(refused), pause));
        return;
    }
    last_orchestrator_ = job_->status(steady_clock::now());
    last_runner_status_ = job_->runner_status();
    if (calls_for_swap(end.cause))
        return swap(end);
    become(stream_state::failed);
    job_failed_ = true;
    events_.job_failed(end.cause);
    events_.error(state_detail_);
    log_.warn("the job ended ({}), the source can still be watched: {}", end_cause_, state_detail_);
    splice_->end();
    close_channel(*output_);
    former_job failed(std::move(job_));
    tasks_.spawn("close job", close_failed_job(std::move(failed)));
}

// --- the swap ------------------------------------------------------------------------------------

// Another orchestrator goes on with the segment that is being made; the channels and everybody who
// watches stay.
void stream::swap(const job_end& end) {
    const auto now = steady_clock::now();
    former_job failed(std::move(job_));
    avoid_ = failed->orchestrator();
    const auto verdict = swaps_.lost(now, failed->worked());
    tasks_.spawn("close job", close_failed_job(std::move(failed)));
    if (verdict.what == swap_fsm::verdict::kind::give_up) {
        const auto reason = fmt::format("{}; the last one: {}", verdict.text, state_detail_);
        report(reason);
        return cut(job_end_cause::too_many_swaps, reason);
    }
    log_.warn("the orchestrator is replaced ({}): {}", to_string(end.cause), state_detail_);
    splice_->lost(now);
    if (splice_->counters().filling && !filler_runs_)
        filler_runs_ = tasks_.spawn("filler", run_filler());
    if (!swap_began_)
        swap_began_ = now;
    retry_pause_ = std::min<duration>(services_.jobs.timing.retry_first, first_look_again);
    last_swap_.emplace();
    last_swap_->cause = to_string(end.cause);
    last_swap_->text = state_detail_;
    last_swap_->from = avoid_;
    last_swap_->at_ms = unix_ms();
    events_.error(state_detail_);
    events_.swap_begun(end.cause, state_detail_);
    become(stream_state::starting);
    if (verdict.what == swap_fsm::verdict::kind::now)
        return start_job();
    searching_again_ = true;
    former_job none(nullptr);
    tasks_.spawn("swap later", start_again(std::move(none), verdict.pause));
}

void stream::swap_is_over(time_point now) {
    // Viewers count from the last frame; without one there was nothing to interrupt.
    const auto gap = now - (last_frame_ == time_point{} ? *swap_began_ : last_frame_);
    swap_began_.reset();
    last_swap_->gap_ms = milliseconds(gap);
    log_.info(
        "processed video again after {:.0f} ms, from {} instead of {}",
        *last_swap_->gap_ms,
        last_swap_->to,
        last_swap_->from
    );
    events_.swap_over(last_swap_->to, gap);
}

// Frames for viewers while there is no processed video.
awaitable<void> stream::run_filler() {
    auto self = shared_from_this();
    asio::steady_timer timer(executor_);
    while (splice_->counters().filling && !output_->target()->closed()) {
        const auto latest = steady_clock::now() + filler_look;
        const auto due = splice_->next_tick();
        timer.expires_at(due ? std::min<time_point>(*due, latest) : latest);
        co_await timer.async_wait(as_tuple);
        if (due && *due <= steady_clock::now() && splice_->counters().filling)
            splice_->tick(steady_clock::now());
    }
    filler_runs_ = false;
}

awaitable<void> stream::close_failed_job(former_job failed) {
    auto self = shared_from_this();
    co_await failed->close(job::ending::at_once);
}

// `refused` may be absent.
awaitable<void> stream::start_again(former_job refused, duration pause) {
    auto self = shared_from_this();
    if (refused)
        co_await refused->close(job::ending::at_once);
    if (!over_) {
        retry_.expires_after(pause);
        co_await retry_.async_wait(as_tuple);
    }
    searching_again_ = false;
    if (!over_)
        start_job();
}

// --- the end -------------------------------------------------------------------------------------

void stream::finish(job_end_cause cause, const std::string& reason, job::ending how) {
    if (over_)
        return;
    over_ = true;
    state_detail_ = reason;
    become(stream_state::ended);
    end_cause_ = to_string(cause);
    ended_ms_ = unix_ms();
    on_over_();
    retry_.cancel();
    close_channel(*source_);
    if (how == job::ending::at_once) {
        // Before the channel's end: a newer publisher may push to the same address.
        if (push_)
            push_->stop();
        splice_->end();
        close_channel(*output_);
    }
    const auto lived = steady_clock::now() - started_;
    log_.info(
        "ended after {:.1f} s: {}; {} frames in, {} out",
        seconds(lived),
        reason,
        in_.video_frames,
        splice_->counters().frames
    );
    events_.sample(snapshot(detail::list_entry));
    events_.ended(end_cause_, reason, lived, in_.video_frames, splice_->counters().frames);
    former_job ending(job_);
    if (!tasks_.spawn("wind up", wind_up(how, std::move(ending)))) {
        // The gateway is closing: nobody waits for the rest.
        splice_->end();
        close_channel(*output_);
        gone_(*this);
    }
}

awaitable<void> stream::wind_up(job::ending how, [[maybe_unused]] former_job ending) {
    auto self = shared_from_this();
    if (job_)
        co_await job_->close(how);
    splice_->end();
    close_channel(*output_);
    // Players read what is left in the channel; it lives as long as they do.
    if (push_)
        co_await push_->finish(push_goodbye);
    if (job_) {
        last_orchestrator_ = job_->status(steady_clock::now());
        last_runner_status_ = job_->runner_status();
        job_.reset();
    }
    gone_(*this);
}

// Readers get what is there and then the end. The name is free for the next publisher, unless that
// one has it already.
void stream::close_channel(trickle::channel_writer& writer) {
    const auto& channel = writer.target();
    if (channel->closed())
        return;
    writer.end_segment();
    if (services_.channels.find(channel->name()) == channel)
        services_.channels.remove(channel->name());
    else
        writer.close();
}

// --- status --------------------------------------------------------------------------------------

void stream::become(stream_state state) {
    state_ = state;
    events_.state(state, state_detail_);
}

void stream::report(const std::string& text) {
    if (!errors_.add(text, unix_ms()))
        return;
    log_.warn("{}", text);
    events_.error(text);
}

std::uint64_t stream::players_of(const std::string& channel) const {
    const auto feed = services_.feeds.peek(channel);
    const std::uint64_t subscribed = feed ? feed->stats().subscribers : 0;
    if (!services_.viewers)
        return subscribed;
    const auto others = services_.viewers(channel, false);
    return subscribed - std::min(others.subscriptions, subscribed) + others.viewers;
}

stream::viewer_counts stream::viewers() const {
    viewer_counts counts;
    counts.source = players_of(params_.name);
    counts.output = players_of(params_.name + std::string(output_suffix));
    // The push watches the output too, but is no player.
    if (push_ && counts.output > 0 && push_->status().watching)
        --counts.output;
    return counts;
}

stream_snapshot stream::snapshot(detail wanted) const {
    const auto now = steady_clock::now();
    stream_snapshot s;
    s.name = params_.name;
    s.stream_id = params_.stream_id;
    s.request_id = request_id_;
    s.pipeline = params_.pipeline;
    s.state = state_;
    s.state_detail = state_detail_;
    s.end_cause = end_cause_;
    s.started_ms = started_ms_;
    s.ended_ms = ended_ms_;
    s.updates = updates_;
    s.ingest = in_;
    s.ingest.video_fps = in_frames_.per_second(now);
    s.ingest.bits_per_second = in_bits_.per_second(now);
    if (last_unit_ != time_point{})
        s.ingest.idle_s = seconds(now - last_unit_);
    s.orchestrator = job_ ? job_->status(now) : last_orchestrator_;
    s.swaps = swaps_.count();
    s.last_swap = last_swap_;
    s.filling = splice_->counters().filling;
    s.output = out_;
    s.output.frames = splice_->counters().frames;
    s.output.fps = out_frames_.per_second(now);
    s.output.bits_per_second = out_bits_.per_second(now);
    if (last_output_ != time_point{})
        s.output.idle_s = seconds(now - last_output_);
    if (const auto figures = latency_.read()) {
        s.output.latency_p50_ms = milliseconds(figures->p50);
        s.output.latency_p99_ms = milliseconds(figures->p99);
    }
    const auto watching = viewers();
    s.source_players = watching.source;
    s.output_players = watching.output;
    if (push_) {
        const auto pushed = push_->status();
        s.pushes.push_back(
            {pushed.target,
             std::string(egress::to_string(pushed.state)),
             pushed.last_error,
             pushed.reconnects}
        );
    }
    if (wanted == detail::list_entry)
        return s;
    s.first_error = errors_.first();
    s.last_errors.assign(errors_.newest().begin(), errors_.newest().end());
    s.whep_url = request_.whep_url;
    if (!over_ && session_stats)
        s.ingest_metrics = session_stats();
    if (services_.viewers) {
        const auto output = params_.name + std::string(output_suffix);
        s.viewers["source"] = services_.viewers(params_.name, true).details;
        s.viewers["output"] = services_.viewers(output, true).details;
    }
    s.runner_status = job_ ? job_->runner_status() : last_runner_status_;
    return s;
}

} // namespace rivulet::live
