#include "live/stream_metrics.hpp"

#include <utility>

namespace rivulet::live {

using observe::labels;

namespace {

double seconds(duration d) {
    return std::chrono::duration<double>(d).count();
}

// "192.0.2.1:5000" and "[2001:db8::1]:5000" without the port.
std::string host_of(const std::string& remote) {
    auto host = remote.substr(0, remote.rfind(':'));
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    return host;
}

// What a counter that can begin anew (the next job's) has grown by.
class growth {
  public:
    double to(std::uint64_t now) {
        const auto by = now >= last_ ? now - last_ : now;
        last_ = now;
        return static_cast<double>(by);
    }

  private:
    std::uint64_t last_ = 0;
};

// A stream's share of a gauge that all of its kind add up in.
class share {
  public:
    explicit share(observe::gauge whole) : whole_(std::move(whole)) {}

    ~share() { set(0); }

    share(const share&) = delete;
    share& operator=(const share&) = delete;

    void set(double value) {
        whole_.add(value - value_);
        value_ = value;
    }

  private:
    observe::gauge whole_;
    double value_ = 0;
};

const std::vector<double> first_segment_ms{
    100, 250, 500, 1'000, 1'500, 2'000, 3'000, 5'000, 10'000, 20'000, 30'000, 60'000, 120'000};
const std::vector<double> own_share_s{
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1};
const std::vector<double> end_to_end_s{
    0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10};
const std::vector<double> swap_gap_s{0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60};

} // namespace

struct live_metrics::families {
    families(observe::metrics& m, live_metrics_options o);

    live_metrics_options options;

    observe::counters attempts, ingest_bytes, ingest_frames, dropped_frames, request_errors, swaps,
        ends;
    observe::counters network_swaps; // with manifest_id when asked for
    observe::gauges pipelines, ingests, players, queue, stream_bitrate, stream_fps, stream_players;
    observe::counter output_bytes, output_frames, segments_sent, segments_dropped;
    observe::gauge ingest_bitrate, output_bitrate, whip_received, filling;
    observe::histograms first_segment;
    observe::histogram ingest_to_publish, subscribe_to_egress, end_to_end, swap_gap;
    // Not from a set: they leave with their stream.
    std::function<observe::counter(const labels&)> stream_swaps;
    std::function<observe::gauge(const std::string& name, const char* help, const labels&)>
        stream_gauge;
};

live_metrics::families::families(observe::metrics& m, live_metrics_options o) : options(o) {
    using observe::counter_set;
    using observe::gauge_set;
    attempts =
        counter_set(m, "livepeer_ai_live_attempt", "Publishers of live video that were let in.");
    pipelines =
        gauge_set(m, "livepeer_ai_current_live_pipelines", "Live streams that have a publisher.");
    first_segment = observe::histogram_set(
        m,
        "livepeer_ai_first_segment_delay_ms",
        "From a job's start to the end of its first processed segment.",
        first_segment_ms
    );
    request_errors = counter_set(
        m, "livepeer_ai_request_errors", "Requests and live jobs that failed, by reason."
    );
    ingests = gauge_set(m, "rivulet_ingest_streams", "Publishers connected now.");
    ingest_bytes = counter_set(m, "rivulet_ingest_bytes_total", "Media received from publishers.");
    ingest_frames =
        counter_set(m, "rivulet_ingest_frames_total", "Frames received from publishers.");
    ingest_bitrate =
        m.make_gauge("rivulet_ingest_bits_per_second", "What all publishers send now.");
    output_bytes = m.make_counter("rivulet_output_bytes_total", "Processed media received.");
    output_frames =
        m.make_counter("rivulet_output_frames_total", "Processed video frames received.");
    output_bitrate = m.make_gauge(
        "rivulet_output_bits_per_second", "What orchestrators send for all streams now."
    );
    whip_received = m.make_gauge(
        "livepeer_ai_whip_transport_bytes_received",
        "What the connected WHIP publishers have sent, all together."
    );
    filling = m.make_gauge(
        "rivulet_streams_filling", "Streams whose viewers see the filler of a swap now."
    );
    dropped_frames = counter_set(
        m, "rivulet_dropped_frames_total", "Frames of publishers that went no further, by reason."
    );
    segments_sent =
        m.make_counter("rivulet_segments_sent_total", "Source segments that orchestrators have.");
    segments_dropped = m.make_counter(
        "rivulet_segments_dropped_total", "Source segments that could not be sent in time."
    );
    players = gauge_set(m, "rivulet_stream_players", "Viewers of source and output, all streams.");
    queue = gauge_set(m, "rivulet_queue_depth", "What waits in a queue now.");
    swaps = counter_set(
        m, "rivulet_swaps_total", "Live streams that lost their orchestrator, by cause."
    );
    swap_gap = m.make_histogram(
        "rivulet_swap_gap_seconds",
        "From the last processed frame before a swap to the first one after it.",
        swap_gap_s
    );
    ends = counter_set(m, "rivulet_stream_ends_total", "Streams that ended, by cause.");
    ingest_to_publish = m.make_histogram(
        "rivulet_ingest_to_publish_seconds",
        "From a frame at the gateway's door to its bytes in the channel that is sent.",
        own_share_s
    );
    subscribe_to_egress = m.make_histogram(
        "rivulet_subscribe_to_egress_seconds",
        "From an orchestrator's bytes to the same bytes in the channel that is watched.",
        own_share_s
    );
    end_to_end = m.make_histogram(
        "rivulet_end_to_end_seconds",
        "From a frame at the gateway's door to its processed frame in the channel that is watched.",
        end_to_end_s
    );
    stream_swaps = [&m](const labels& with) {
        return m.make_counter(
            "livepeer_orchestrator_swaps", "Changes of the orchestrator under a live stream.", with
        );
    };
    network_swaps = observe::counters(stream_swaps, 1);
    stream_gauge = [&m](const std::string& name, const char* help, const labels& with) {
        return m.make_gauge(name, help, with);
    };
    // There from the first scrape on, so that a rate over them begins at zero.
    for (const char* reason : {"no_keyframe", "unusable"})
        (void)dropped_frames.with({{"reason", reason}});
    for (const char* name : {"segments_in_flight", "control"})
        (void)queue.with({{"queue", name}});
    for (const char* which : {"source", "output"})
        (void)players.with({{"of", which}});
    for (int cause = 0; to_string(static_cast<job_end_cause>(cause)) != "unknown"; ++cause)
        if (const auto which = static_cast<job_end_cause>(cause); calls_for_swap(which))
            (void)swaps.with({{"cause", std::string(to_string(which))}});
    if (!options.per_stream && !options.client_ip)
        (void)network_swaps.with({});
}

live_metrics::live_metrics(observe::metrics& metrics, live_metrics_options options)
    : all_(std::make_shared<families>(metrics, options)) {}

struct stream_metrics::own {
    own(const live_metrics& in, stream_labels w);

    std::shared_ptr<live_metrics::families> all;
    stream_labels who;
    share running, ingest, in_rate, out_rate, source_players, output_players, in_flight, control,
        whip_received, filling;
    observe::counter in_bytes, video_frames, audio_frames, no_keyframe, unusable, swaps;

    growth bytes_in, frames_in, sound_in, dropped, refused, bytes_out, frames_out, sent, lost;

    struct per_stream {
        observe::gauge in_bits, out_bits, in_fps, out_fps, players;
    };

    std::optional<per_stream> series;
};

stream_metrics::own::own(const live_metrics& in, stream_labels w)
    : all(in.all()), who(std::move(w)), running(all->pipelines.with({{"pipeline", who.pipeline}})),
      ingest(all->ingests.with({{"protocol", who.protocol}})), in_rate(all->ingest_bitrate),
      out_rate(all->output_bitrate), source_players(all->players.with({{"of", "source"}})),
      output_players(all->players.with({{"of", "output"}})),
      in_flight(all->queue.with({{"queue", "segments_in_flight"}})),
      control(all->queue.with({{"queue", "control"}})), whip_received(all->whip_received),
      filling(all->filling), in_bytes(all->ingest_bytes.with({{"protocol", who.protocol}})),
      video_frames(all->ingest_frames.with({{"protocol", who.protocol}, {"kind", "video"}})),
      audio_frames(all->ingest_frames.with({{"protocol", who.protocol}, {"kind", "audio"}})),
      no_keyframe(all->dropped_frames.with({{"reason", "no_keyframe"}})),
      unusable(all->dropped_frames.with({{"reason", "unusable"}})) {
    all->attempts.with({{"model_name", who.pipeline}}).add();
    running.set(1);
    ingest.set(1);
    const auto& wanted = all->options;
    if (!wanted.per_stream && !wanted.client_ip) {
        swaps = all->network_swaps.with({});
        return;
    }
    labels with{{"manifest_id", who.stream_id}};
    swaps = all->stream_swaps(with);
    if (wanted.client_ip)
        with.emplace("client_ip", host_of(who.remote));
    auto directed = [&](const char* direction) {
        auto out = with;
        out.emplace("direction", direction);
        return out;
    };
    const auto bits = "rivulet_stream_bits_per_second";
    const auto bits_help = "Bit rate of one stream.";
    const auto fps = "rivulet_stream_frames_per_second";
    const auto fps_help = "Video frame rate of one stream.";
    series.emplace();
    series->in_bits = all->stream_gauge(bits, bits_help, directed("in"));
    series->out_bits = all->stream_gauge(bits, bits_help, directed("out"));
    series->in_fps = all->stream_gauge(fps, fps_help, directed("in"));
    series->out_fps = all->stream_gauge(fps, fps_help, directed("out"));
    series->players =
        all->stream_gauge("rivulet_stream_viewers", "Viewers of one stream's output.", with);
}

stream_metrics::stream_metrics(const live_metrics& in, stream_labels who)
    : own_(std::make_unique<own>(in, std::move(who))) {}

stream_metrics::stream_metrics() = default;
stream_metrics::~stream_metrics() = default;
stream_metrics::stream_metrics(stream_metrics&&) noexcept = default;
stream_metrics& stream_metrics::operator=(stream_metrics&&) noexcept = default;

void stream_metrics::sample(const stream_snapshot& now) {
    if (!own_)
        return;
    auto& o = *own_;
    const auto& in = now.ingest;
    o.in_bytes.add(o.bytes_in.to(in.bytes));
    o.video_frames.add(o.frames_in.to(in.video_frames));
    o.audio_frames.add(o.sound_in.to(in.audio_frames));
    o.no_keyframe.add(o.dropped.to(in.dropped_frames));
    o.unusable.add(o.refused.to(in.unusable_frames));
    o.in_rate.set(in.bits_per_second);
    o.all->output_bytes.add(o.bytes_out.to(now.output.bytes));
    o.all->output_frames.add(o.frames_out.to(now.output.frames));
    o.out_rate.set(now.output.bits_per_second);
    o.filling.set(now.filling ? 1 : 0);
    o.source_players.set(static_cast<double>(now.source_players));
    o.output_players.set(static_cast<double>(now.output_players));
    const auto job = now.orchestrator.value_or(orchestrator_status());
    o.all->segments_sent.add(o.sent.to(job.segments_sent));
    o.all->segments_dropped.add(o.lost.to(job.segments_dropped));
    o.in_flight.set(static_cast<double>(job.segments_in_flight));
    o.control.set(static_cast<double>(job.control_waiting));
    if (o.series) {
        o.series->in_bits.set(in.bits_per_second);
        o.series->out_bits.set(now.output.bits_per_second);
        o.series->in_fps.set(in.video_fps);
        o.series->out_fps.set(now.output.fps);
        o.series->players.set(static_cast<double>(now.output_players));
    }
}

void stream_metrics::first_segment(const orchestrator_name& from, duration since_job_start) {
    if (own_)
        own_->all->first_segment
            .with(
                {{"orchestrator_uri", from.url},
                 {"orchestrator_address", from.address},
                 {"orchestrator_version", from.version}}
            )
            .observe(seconds(since_job_start) * 1000);
}

void stream_metrics::job_error(std::string_view why, const orchestrator_name& at) {
    if (own_)
        own_->all->request_errors
            .with(
                {{"error_code", std::string(why)},
                 {"pipeline", "live-video-to-video"},
                 {"model_name", own_->who.pipeline},
                 {"orchestrator_uri", at.url},
                 {"orchestrator_address", at.address},
                 {"orchestrator_version", at.version}}
            )
            .add();
}

void stream_metrics::swap_begun(job_end_cause cause) {
    if (!own_)
        return;
    own_->swaps.add();
    own_->all->swaps.with({{"cause", std::string(to_string(cause))}}).add();
}

void stream_metrics::swap_over(duration gap) {
    if (own_)
        own_->all->swap_gap.observe(seconds(gap));
}

void stream_metrics::transport_bytes(double received) {
    if (own_)
        own_->whip_received.set(received);
}

void stream_metrics::ended(std::string_view cause) {
    if (!own_)
        return;
    own_->all->ends.with({{"cause", std::string(cause)}}).add();
    // The publisher is gone, though the object may live until its job is closed.
    auto& o = *own_;
    for (auto* one :
         {&o.running,
          &o.ingest,
          &o.in_rate,
          &o.out_rate,
          &o.in_flight,
          &o.control,
          &o.whip_received,
          &o.filling})
        one->set(0);
}

void stream_metrics::ingest_to_publish(duration d) {
    if (own_)
        own_->all->ingest_to_publish.observe(seconds(d));
}

void stream_metrics::subscribe_to_egress(duration d) {
    if (own_)
        own_->all->subscribe_to_egress.observe(seconds(d));
}

void stream_metrics::end_to_end(duration d) {
    if (own_)
        own_->all->end_to_end.observe(seconds(d));
}

} // namespace rivulet::live
