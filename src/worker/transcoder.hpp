// MPEG-TS in, transformed MPEG-TS out: demux, decode, filter, encode, mux; audio passes untouched.
// Output segments begin with PAT, PMT and an IDR; every unit's bytes leave as soon as it is
// encoded. IDRs come where input segments begin and at least every two seconds of media time. PTS
// are those of the input. A new graph takes over between two frames. Thread: one at a time; runs on
// the caller's. Callbacks come from inside push(), set_graph() and finish().
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "media/ts_demuxer.hpp"
#include "media/ts_muxer.hpp"
#include "worker/filter_graph_rules.hpp"
#include "worker/pace_keeper.hpp"
#include "worker/status_report.hpp"
#include "worker/video_decoder.hpp"
#include "worker/video_encoder.hpp"
#include "worker/video_filter.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace rivulet::worker {

struct transcoder_options {
    picture_size limit{4096, 2160};
    encoder_options encoder;
    pace_options pace;
    std::function<time_point()> clock = [] { return steady_clock::now(); };
    std::function<bool()> cancelled = [] { return false; }; // asked between units
};

struct transcoder_events {
    // One block per unit; `begins_segment` on the first of each output segment.
    std::function<void(bytes, bool begins_segment)> output;
    // Something failed, the job goes on.
    std::function<void(std::string)> failed;
    // Nothing more can come out.
    std::function<void(std::string)> broken;
};

class transcoder {
  public:
    transcoder(transcoder_options options, transcoder_events events);
    ~transcoder();
    transcoder(const transcoder&) = delete;
    transcoder& operator=(const transcoder&) = delete;

    // Bytes of the input, arrived at `arrival`. A new segment may begin with them.
    void push(std::span<const std::uint8_t> data, time_point arrival);
    void begin_input_segment();

    // `done` tells whether the graph is in force: at once, or when the first picture is there. A
    // graph that fails leaves the old one at work.
    using graph_result = std::function<void(outcome<void>)>;
    void set_graph(filter_graph graph, graph_result done);

    // Flushes everything that is still held.
    void finish();

    // Any thread.
    frame_counters counters() const;

  private:
    struct expected_frame {
        std::int64_t pts;
        time_point due;
        bool begins_segment;
    };

    void on_unit(media::access_unit unit);
    void on_video(media::access_unit unit);
    void on_frame(frame_ptr frame);
    void on_filtered(frame_ptr frame);
    void on_encoded(media::access_unit unit);
    bool prepare_filter(const AVFrame& frame);
    outcome<void> switch_graph(const filter_graph& graph);
    void restart_clock();
    void release_start();
    void write(const media::access_unit& unit);
    bool update_output_format(const media::access_unit* keyframe);
    void report(std::string message);
    void give_up(std::string message);

    transcoder_options options_;
    transcoder_events events_;

    media::ts_demuxer demuxer_;
    std::optional<video_decoder> decoder_;
    std::optional<video_filter> filter_;
    std::optional<video_encoder> encoder_;
    std::optional<picture_size> output_size_; // fixed by the first picture
    media::ts_muxer muxer_;
    pace_keeper pace_;

    filter_graph graph_;                  // in force, or to be when the first picture comes
    graph_result waiting_;                // told when `graph_` was built for the first time
    frame_ptr example_;                   // properties of the newest picture, no data
    std::deque<expected_frame> expected_; // in the decoder, by PTS
    std::deque<media::access_unit> held_; // before the output begins
    std::size_t held_video_ = 0;
    bool output_began_ = false;
    bool segment_pending_ = false; // the next input keyframe begins a segment
    bool input_lost_ = false;      // units were left out since the last decoded one
    bool broken_ = false;
    time_point arrival_{};
    std::optional<std::int64_t> last_pts_; // of the newest picture taken from the decoder
    std::optional<std::int64_t> encoded_pts_;
    std::optional<std::int64_t> idr_pts_;    // of the newest forced IDR
    std::optional<std::int64_t> idr_wanted_; // the first output picture from here on is an IDR
    std::optional<time_point> reported_;
    media::stream_format output_format_;

    std::atomic<std::uint64_t> in_{0}, out_{0}, skipped_{0}, dropped_{0};
};

} // namespace rivulet::worker
