// What the live streams count: the families are made once per gateway (live_metrics), a stream adds
// to them through an object of its own, which takes its per-stream series along when it goes.
// docs/metrics.md lists every name.
// Thread: live_metrics any; a stream_metrics belongs to the stream's home shard.
#pragma once

#include "base/asio.hpp"
#include "live/job_end.hpp"
#include "live/stream_status.hpp"
#include "observe/metrics.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet::live {

struct live_metrics_options {
    bool per_stream = false; // -metricsPerStream: series with manifest_id, the stream's id
    bool client_ip = false;  // -metricsClientIP: client_ip beside it; implies per_stream

    live_metrics_options() {}
};

// An orchestrator as the labels and events name it.
struct orchestrator_name {
    std::string url;
    std::string address; // "0x…"; empty off-chain
    std::string version; // as it told at discovery; may be empty

    orchestrator_name() {}

    explicit orchestrator_name(std::string u, std::string a = {}, std::string v = {})
        : url(std::move(u)), address(std::move(a)), version(std::move(v)) {}
};

// Outlives the streams; `metrics` outlives it.
class live_metrics {
  public:
    live_metrics(observe::metrics& metrics, live_metrics_options options);

    struct families;

    const std::shared_ptr<families>& all() const { return all_; }

  private:
    std::shared_ptr<families> all_;
};

struct stream_labels {
    std::string stream_id, pipeline, protocol, remote;
};

class stream_metrics {
  public:
    // Counts nothing.
    stream_metrics();
    // Counts one publisher that was let in.
    stream_metrics(const live_metrics& in, stream_labels who);
    ~stream_metrics();
    stream_metrics(stream_metrics&&) noexcept;
    stream_metrics& operator=(stream_metrics&&) noexcept;

    // Adds what was counted since the last sample. Once a second, and once at the end.
    void sample(const stream_snapshot& now);
    void first_segment(const orchestrator_name& from, duration since_job_start);
    // `why`: "no_orchestrators_available", or a job's cause of end.
    void job_error(std::string_view why, const orchestrator_name& at);
    void swap_begun(job_end_cause cause);
    void swap_over(duration gap);
    // What a WHIP publisher's connection has brought so far.
    void transport_bytes(double received);
    void ended(std::string_view cause);
    // The way of one video frame.
    void ingest_to_publish(duration d);
    void subscribe_to_egress(duration d);
    void end_to_end(duration d);

  private:
    struct own;
    std::unique_ptr<own> own_;
};

} // namespace rivulet::live
