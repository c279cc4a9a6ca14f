// What viewers of NAME-out live through: an orchestrator, a loss in the middle of a segment, the
// filler, another one with other pictures and another kind of sound, a loss, a third without sound
// and with reordered pictures. In real time, written by a thread of its own.
#pragma once

#include "media/audio_transcoder.hpp"
#include "support/splice_rig.hpp"

#include <future>
#include <thread>

namespace rivulet::test {

// The same pictures with Opus.
inline clip with_opus(const clip& from) {
    clip made;
    media::ts_muxer muxer;
    std::unique_ptr<media::audio_transcoder> transcoder;
    for (const auto& segment : from.segments) {
        media::stream_format format;
        const auto units = units_in(segment.blocks, &format);
        if (!transcoder) {
            transcoder =
                std::move(media::audio_transcoder::create(*format.audio, media::codec::opus).value()
                );
            format.audio = transcoder->to();
            if (muxer.set_format(format))
                throw std::runtime_error("ts_muxer");
        }
        auto& into = made.segments.emplace_back();
        muxer.begin_segment();
        const auto write = [&](const media::access_unit& unit) {
            into.blocks.push_back(muxer.write(unit).value());
            const bool is_video = unit.kind == media::track_kind::video;
            (is_video ? into.video_pts : into.audio_pts).push_back(unit.pts);
            (is_video ? made.video_pts : made.audio_pts).insert(unit.pts);
        };
        for (const auto& unit : units) {
            if (unit.kind == media::track_kind::video) {
                write(unit);
                continue;
            }
            for (const auto& sound : transcoder->convert(unit))
                write(sound);
        }
    }
    return made;
}

class splice_show {
  public:
    static constexpr std::int64_t start = 900'000;

    splice_show(asio::any_io_executor home, trickle::channel_ptr channel, live::swap_filler filler)
        : home_(std::move(home)) {
        clip_options options;
        options.frames = 270;
        options.start = start;
        source_ = make_clip(options);
        options.width = 320;
        options.height = 192;
        second_ = with_opus(make_clip(options));
        options.width = 192;
        options.height = 128;
        options.audio = false;
        options.b_frames = 2;
        third_ = make_clip(options);
        run([&] {
            writer_.emplace(std::move(channel));
            output_ = std::make_unique<live::spliced_output>(*writer_, filler, logger("show"));
            media::stream_format format;
            source_units_ = units_in(all_blocks(source_), &format);
            output_->source_format(format);
        });
        thread_ = std::thread([this] { play(); });
    }

    ~splice_show() {
        stopping_ = true;
        thread_.join();
        run([&] {
            output_.reset();
            writer_.reset();
        });
    }

    // Everything was written.
    bool over() const { return over_; }

    // Of the last frame.
    std::int64_t last_pts() const { return *third_.video_pts.rbegin(); }

    live::splice_counters counters() {
        live::splice_counters counters;
        run([&] { counters = output_->counters(); });
        return counters;
    }

  private:
    using output = live::spliced_output;

    static std::vector<bytes> all_blocks(const clip& of) {
        std::vector<bytes> all;
        for (const auto& segment : of.segments)
            all.insert(all.end(), segment.blocks.begin(), segment.blocks.end());
        return all;
    }

    template <class Work>
    void run(Work work) {
        std::packaged_task<void()> task(std::move(work));
        auto done = task.get_future();
        asio::post(home_, [&task] { task(); });
        done.get();
    }

    // Until the source is at this second; the output comes 100 ms behind it.
    void play_until(double second, const clip* made) {
        const auto frames_due = [&] {
            const auto gone = std::chrono::duration<double>(steady_clock::now() - begun_).count();
            return std::min(gone, second);
        };
        while (!stopping_) {
            const auto at = frames_due();
            run([&] {
                const auto now = steady_clock::now();
                const auto until = start + std::int64_t(at * 90'000);
                for (;
                     source_next_ < source_units_.size() && source_units_[source_next_].dts < until;
                     ++source_next_)
                    output_->source_unit(source_units_[source_next_], now);
                if (made)
                    give(*made, at - 0.1, now);
                if (const auto tick = output_->next_tick(); tick && *tick <= now)
                    output_->tick(now);
            });
            if (at >= second)
                return;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }

    // What the orchestrator would have sent by then, from where it began.
    void give(const clip& made, double second, time_point now) {
        while (segment_ < made.segments.size()) {
            const auto& segment = made.segments[segment_];
            const auto count = segment.blocks.size();
            if (double(segment_) + double(block_ + 1) / double(count) > second)
                return;
            trickle::subscriber_item item;
            item.segment_begins = block_ == 0;
            item.blocks.push_back(segment.blocks[block_]);
            item.segment_ends = block_ + 1 == count;
            if (item.segment_ends) {
                ++segment_;
                block_ = 0;
            } else {
                ++block_;
            }
            output_->take(std::move(item), now);
        }
    }

    void change(double lost_for, double until, std::size_t segment) {
        run([&] { output_->lost(steady_clock::now()); });
        play_until(until - lost_for / 2, nullptr);
        run([&] { output_->joined(steady_clock::now()); });
        segment_ = segment; // the current one, from its first byte
        block_ = 0;
        play_until(until, nullptr);
    }

    void play() {
        begun_ = steady_clock::now();
        run([&] { output_->joined(begun_); });
        play_until(2.5, &source_);
        change(0.8, 3.3, 2);
        play_until(5.6, &second_);
        change(0.8, 6.4, 5);
        play_until(9.2, &third_);
        over_ = true;
    }

    asio::any_io_executor home_;
    clip source_, second_, third_;
    std::vector<media::access_unit> source_units_;
    std::size_t source_next_ = 0, segment_ = 0, block_ = 0;
    std::optional<trickle::channel_writer> writer_;
    std::unique_ptr<output> output_;
    time_point begun_;
    std::atomic<bool> stopping_{false}, over_{false};
    std::thread thread_;
};

} // namespace rivulet::test
