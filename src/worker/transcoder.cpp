#include "worker/transcoder.hpp"

#include "media/h264.hpp"
#include "worker/libav_complaint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace rivulet::worker {

namespace {

constexpr std::int64_t second = media::clock_rate;
constexpr std::int64_t idr_interval = 2 * second;
// An input segment that begins sooner after an IDR gets none of its own.
constexpr std::int64_t idr_spacing = second * 9 / 10;
// A step back further than this is a new clock, not a picture out of order.
constexpr std::int64_t clock_restart = second;
constexpr std::size_t held_units_limit = 100;
constexpr std::size_t held_video_limit = 15;
constexpr std::size_t expected_limit = 64;
constexpr duration report_interval = std::chrono::seconds(5);

std::vector<std::uint8_t> to_vector(std::span<const std::uint8_t> bytes) {
    return {bytes.begin(), bytes.end()};
}

} // namespace

transcoder::transcoder(transcoder_options options, transcoder_events events)
    : options_(std::move(options)), events_(std::move(events)),
      demuxer_(media::ts_demuxer_events{
          .format = [](const media::stream_format&) {},
          .unit = [this](media::access_unit unit) { on_unit(std::move(unit)); }}),
      pace_(options_.pace) {
    keep_libav_quiet();
}

transcoder::~transcoder() = default;

void transcoder::begin_input_segment() {
    demuxer_.reset_continuity();
    segment_pending_ = true;
}

void transcoder::push(std::span<const std::uint8_t> data, time_point arrival) {
    if (broken_)
        return;
    arrival_ = arrival;
    demuxer_.push(data);
}

void transcoder::on_unit(media::access_unit unit) {
    if (broken_ || options_.cancelled())
        return;
    if (unit.kind == media::track_kind::video) {
        on_video(std::move(unit));
    } else if (output_began_) {
        write(unit);
    } else {
        held_.push_back(std::move(unit));
        if (held_.size() > held_units_limit) {
            auto audio = std::find_if(held_.begin(), held_.end(), [](const auto& held) {
                return held.kind == media::track_kind::audio;
            });
            held_.erase(audio);
        }
        release_start();
    }
}

// --- decoding ------------------------------------------------------------------------------------

void transcoder::on_video(media::access_unit unit) {
    in_.fetch_add(1, std::memory_order_relaxed);
    const auto& video = demuxer_.format().video;
    if (!video)
        return;
    if (!decoder_ || decoder_->type() != video->type) {
        auto opened = video_decoder::open(video->type, options_.limit.width, options_.limit.height);
        if (!opened)
            return give_up(opened.error().detail);
        decoder_ = std::move(*opened);
        expected_.clear();
    }

    expected_frame expected{unit.pts, pace_.due(unit.dts, arrival_), false};
    if (segment_pending_ && unit.keyframe) {
        segment_pending_ = false;
        expected.begins_segment = true;
    }
    if (!pace_.decode(unit.keyframe, expected.due, options_.clock())) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
        input_lost_ = true;
        return;
    }
    if (input_lost_) {
        input_lost_ = false;
        decoder_->drain([this](frame_ptr frame) { on_frame(std::move(frame)); });
    }
    expected_.push_back(expected);
    if (expected_.size() > expected_limit)
        expected_.pop_front();
    const auto failed =
        decoder_->decode(unit, [this](frame_ptr frame) { on_frame(std::move(frame)); });
    if (failed == errc::too_large)
        give_up(fmt::format(
            "the pictures of the input are larger than {}x{}",
            options_.limit.width,
            options_.limit.height
        ));
    else if (failed)
        report("a damaged picture in the input");
}

void transcoder::on_frame(frame_ptr frame) {
    if (broken_ || options_.cancelled())
        return;
    expected_frame expected{frame->pts, options_.clock(), false};
    const auto known = std::find_if(expected_.begin(), expected_.end(), [&](const auto& one) {
        return one.pts == frame->pts;
    });
    if (known != expected_.end()) {
        expected = *known;
        expected_.erase(known);
    }
    if (last_pts_ && frame->pts <= *last_pts_) {
        if (*last_pts_ - frame->pts < clock_restart) {
            dropped_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        restart_clock();
    }
    last_pts_ = frame->pts;

    const bool idr = !idr_pts_ || frame->pts >= *idr_pts_ + idr_interval ||
                     (expected.begins_segment && frame->pts >= *idr_pts_ + idr_spacing);
    if (!pace_.encode(idr, expected.due, options_.clock())) {
        skipped_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    if (idr)
        idr_pts_ = idr_wanted_ = frame->pts;

    if (!prepare_filter(*frame))
        return;
    if (filter_->push(std::move(frame), [this](frame_ptr made) { on_filtered(std::move(made)); }))
        report("the filter graph refused a picture");
}

// --- filtering -----------------------------------------------------------------------------------

// Makes sure that there is a filter for pictures like this one. False when there can't be one.
bool transcoder::prepare_filter(const AVFrame& frame) {
    if (filter_ && filter_->fits(frame))
        return true;
    example_.reset(av_frame_alloc());
    if (!example_)
        return false;
    example_->width = frame.width;
    example_->height = frame.height;
    example_->format = frame.format;
    example_->sample_aspect_ratio = frame.sample_aspect_ratio;

    auto done = std::exchange(waiting_, nullptr);
    auto switched = switch_graph(graph_);
    if (!switched && !graph_.steps.empty()) {
        if (!done)
            report("filter graph: " + switched.error().detail);
        graph_ = filter_graph{};
        if (done)
            done(switched);
        switched = switch_graph(graph_);
    } else if (done) {
        done(switched);
    }
    if (!switched)
        give_up("pictures of this kind can't be processed: " + switched.error().detail);
    return switched.has_value();
}

outcome<void> transcoder::switch_graph(const filter_graph& graph) {
    auto built = video_filter::build(graph, *example_, output_size_, options_.limit);
    if (!built)
        return built.error();
    if (filter_)
        filter_->drain([this](frame_ptr made) { on_filtered(std::move(made)); });
    filter_ = std::move(*built);
    return {};
}

void transcoder::set_graph(filter_graph graph, graph_result done) {
    if (!filter_) { // no picture yet: nobody knows what the graph will be fed with
        graph_ = std::move(graph);
        waiting_ = std::move(done);
        return;
    }
    auto switched = switch_graph(graph);
    if (switched)
        graph_ = std::move(graph);
    if (done)
        done(switched);
}

void transcoder::on_filtered(frame_ptr frame) {
    if (broken_)
        return;
    if (encoded_pts_ && frame->pts <= *encoded_pts_) { // a filter that invents pictures
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    if (!encoder_) {
        auto opened = video_encoder::open(*frame, options_.encoder);
        if (!opened)
            return give_up(opened.error().detail);
        encoder_ = std::move(*opened);
        output_size_ = picture_size{frame->width, frame->height};
    }
    encoded_pts_ = frame->pts;
    const bool idr = idr_wanted_ && frame->pts >= *idr_wanted_;
    if (idr)
        idr_wanted_.reset();
    if (encoder_->encode(std::move(frame), idr, [this](media::access_unit unit) {
            on_encoded(std::move(unit));
        }))
        give_up("the encoder failed");
}

// The publisher's clock went back: what is inside leaves first, then all begins anew.
void transcoder::restart_clock() {
    if (filter_)
        filter_->drain([this](frame_ptr made) { on_filtered(std::move(made)); });
    filter_.reset();
    encoder_.reset(); // a fresh one takes any time
    last_pts_.reset();
    encoded_pts_.reset();
    idr_pts_.reset();
    idr_wanted_.reset();
}

// --- output --------------------------------------------------------------------------------------

void transcoder::on_encoded(media::access_unit unit) {
    if (output_began_)
        return write(unit);
    ++held_video_;
    held_.push_back(std::move(unit));
    release_start();
}

// The output begins with the first picture, once it is known whether and which sound goes along.
void transcoder::release_start() {
    if (held_video_ == 0)
        return;
    const auto& audio = demuxer_.format().audio;
    const bool audio_unknown = audio && audio->sample_rate == 0;
    if (audio_unknown && held_video_ < held_video_limit)
        return;
    output_began_ = true;
    auto held = std::exchange(held_, {});
    const auto first = std::find_if(held.begin(), held.end(), [](const auto& unit) {
        return unit.kind == media::track_kind::video;
    });
    write(*first);
    const auto start = first->pts;
    held.erase(first);
    for (const auto& unit : held)
        if (unit.kind == media::track_kind::video || unit.pts >= start)
            write(unit);
}

bool transcoder::update_output_format(const media::access_unit* keyframe) {
    auto wanted = output_format_;
    if (keyframe) {
        media::video_format video;
        video.type = media::codec::h264;
        video.width = output_size_->width;
        video.height = output_size_->height;
        const auto sets = media::h264::find_parameter_sets(keyframe->data.view());
        video.sps = to_vector(sets.sps);
        video.pps = to_vector(sets.pps);
        wanted.video = std::move(video);
    }
    const auto& audio = demuxer_.format().audio;
    if (audio && audio->sample_rate > 0)
        wanted.audio = audio;
    if (wanted == output_format_)
        return true;
    auto error = muxer_.set_format(wanted);
    if (error && wanted.audio) {
        report("the sound can't be carried: " + error.message());
        wanted.audio.reset();
        error = muxer_.set_format(wanted);
    }
    if (error) {
        give_up("the output can't be written: " + error.message());
        return false;
    }
    output_format_ = std::move(wanted);
    return true;
}

void transcoder::write(const media::access_unit& unit) {
    const bool video = unit.kind == media::track_kind::video;
    const bool begins_segment = video && unit.keyframe;
    if (!update_output_format(begins_segment ? &unit : nullptr))
        return;
    if (!video && !output_format_.audio)
        return;
    if (begins_segment)
        muxer_.begin_segment();
    auto block = muxer_.write(unit);
    if (!block)
        return report("a unit could not be written: " + block.error().message());
    if (video)
        out_.fetch_add(1, std::memory_order_relaxed);
    events_.output(std::move(*block), begins_segment);
}

void transcoder::finish() {
    if (broken_)
        return;
    demuxer_.flush();
    if (decoder_)
        decoder_->drain([this](frame_ptr frame) { on_frame(std::move(frame)); });
    if (filter_)
        filter_->drain([this](frame_ptr made) { on_filtered(std::move(made)); });
    filter_.reset();
    if (!output_began_) {
        held_video_ = held_video_ > 0 ? held_video_limit : 0;
        release_start();
    }
}

// --- telling -------------------------------------------------------------------------------------

void transcoder::report(std::string message) {
    const auto now = options_.clock();
    if (reported_ && now - *reported_ < report_interval)
        return;
    reported_ = now;
    events_.failed(std::move(message));
}

void transcoder::give_up(std::string message) {
    if (std::exchange(broken_, true))
        return;
    events_.broken(std::move(message));
}

frame_counters transcoder::counters() const {
    return {in_, out_, skipped_, dropped_};
}

} // namespace rivulet::worker
