#include "live/spliced_output.hpp"

#include "live/newest_group.hpp"
#include "live/still_request.hpp"
#include "live/ts_tail.hpp"
#include "media/timeline.hpp"
#include "media/ts_demuxer.hpp"
#include "media/ts_muxer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

namespace rivulet::live {
namespace {

using media::access_unit;
using media::stream_format;
using media::track_kind;

constexpr std::int64_t pts_mask = (std::int64_t{1} << 33) - 1;
constexpr std::size_t frame_times = 256;
constexpr std::size_t kinds_of_trouble = 16;
// A runner that keeps our clock sends nothing from before the segment that it was given first, and
// nothing from the future.
constexpr std::int64_t clock_tolerance = 2 * media::clock_rate;
// Shorter groups of the source share a segment.
constexpr std::int64_t shortest_segment = media::clock_rate;
// The still picture comes so often: new viewers wait no longer for one.
constexpr duration still_interval = std::chrono::milliseconds(500);
constexpr unsigned stills_per_segment = 4;
constexpr duration still_poll = std::chrono::milliseconds(10); // while it is being made
constexpr std::uint64_t still_bytes = 48u << 20;               // of segments to look through
// Of readers that must know the tables before the first frame tells them: AAC-LC, 48 kHz, stereo.
const std::vector<std::uint8_t> any_aac{0x11, 0x90};

std::int64_t ticks(duration d) {
    return std::chrono::duration_cast<std::chrono::microseconds>(d).count() * 9 / 100;
}

bool is_keyframe(const access_unit& unit) {
    return unit.kind == track_kind::video && unit.keyframe;
}

} // namespace

struct spliced_output::impl {
    struct freezing {
        std::shared_ptr<still_request> request; // null once it was answered
        media::still_picture picture;
        unsigned shown = 0;
        std::int64_t clock = 0; // the stream's, and when it was that
        time_point at{};
        time_point due{};

        freezing() {} // clang 14 finds no implicit one inside a class that isn't complete

        ~freezing() {
            if (request)
                request->abandon();
        }
    };

    impl(trickle::channel_writer& writer, swap_filler kind, logger lines)
        : out(writer), filler(kind), log(std::move(lines)) {}

    // given
    trickle::channel_writer& out;
    const swap_filler filler;
    logger log;

    // owned
    ts_tail tail;                             // of the bytes that pass
    std::optional<media::ts_demuxer> demuxer; // of an orchestrator whose bytes don't
    media::timeline line;
    media::ts_muxer muxer;
    stream_format source_format;
    newest_group source;

    // state
    splice_counters counters;
    bool joined = true;    // take() is heard
    bool accepted = false; // the current orchestrator's first keyframe came (spliced)
    bool ended = false;
    bool wants_segment = true;
    bool format_changed = true;
    std::optional<std::int64_t> source_floor; // what a runner on our clock may begin with
    std::int64_t segment_began = 0;
    time_point now{};
    time_point last_written{};
    std::vector<std::int64_t> times;
    std::optional<freezing> freeze;
    std::set<std::string> said;
    std::vector<std::string> troubles;

    // --- what goes out ---------------------------------------------------------------------------

    void trouble(std::string text) {
        if (said.size() < kinds_of_trouble && said.insert(text).second)
            troubles.push_back(std::move(text));
    }

    void check(error_code ec) {
        if (ec)
            trouble("channel " + out.target()->name() + ": " + ec.message());
    }

    void begin_segment() {
        if (auto ec = out.begin_segment(); ec != errc::closed)
            check(ec);
    }

    void append(bytes block) {
        last_written = now;
        const auto ec = out.append(std::move(block));
        check(ec);
        if (ec == errc::too_large) {
            ++counters.overlong;
            out.end_segment();
            wants_segment = true;
        }
    }

    void frame_came(std::int64_t pts) {
        if (times.size() == frame_times)
            times.erase(times.begin());
        times.push_back(pts & pts_mask);
    }

    std::int64_t since_last() const {
        return last_written == time_point{} ? 0 : ticks(now - last_written);
    }

    // The tables follow the source in turn. False: they can't name this track.
    bool make_ready(stream_format format, track_kind wanted) {
        if (std::exchange(format_changed, false)) {
            if (format.audio && format.audio->type == media::codec::aac &&
                format.audio->config.empty()) {
                format.audio->config = any_aac;
                format.audio->sample_rate = 48'000;
                format.audio->channels = 2;
            }
            auto ec = muxer.set_format(format);
            if (ec && format.video && format.audio) {
                trouble("the sound of the output can't be carried: " + ec.message());
                format.audio.reset();
                ec = muxer.set_format(format);
            }
            if (ec)
                trouble("the output can't be carried: " + ec.message());
        }
        const auto& ready = muxer.format();
        return wanted == track_kind::video ? ready.video.has_value() : ready.audio.has_value();
    }

    // False: the unit was left out.
    bool write(access_unit unit, const stream_format& format) {
        const bool keyframe = is_keyframe(unit);
        if (!line.adjust(unit, since_last()) || !make_ready(format, unit.kind)) {
            ++counters.left_out;
            return false;
        }
        const bool may_begin = format.video ? keyframe : true;
        if (wants_segment && may_begin) {
            wants_segment = false;
            muxer.begin_segment();
            begin_segment();
            segment_began = unit.dts;
        }
        if (out.seq() < 0) { // ended at its limit: on with the next keyframe
            wants_segment = true;
            ++counters.left_out;
            return false;
        }
        auto packets = muxer.write(unit);
        if (!packets) {
            ++counters.left_out;
            trouble("a frame of the output could not be packed: " + packets.error().message());
            return false;
        }
        append(std::move(*packets));
        return true;
    }

    // --- bytes that pass -------------------------------------------------------------------------

    void pass(trickle::subscriber_item& item) {
        if (item.segment_begins)
            begin_segment();
        for (std::size_t i = 0; i < item.blocks.size(); ++i) {
            auto& block = item.blocks[i];
            if (block.empty())
                continue;
            const auto fits = tail.feed(block.view(), [this](auto pts) { frame_came(pts); });
            counters.frames = tail.frames();
            counters.sounds = tail.sounds();
            if (fits == block.size()) {
                counters.bytes += block.size();
                append(std::move(block));
                continue;
            }
            // From here on the runner has another clock.
            log.info("the runner restarted its clock; the output goes on with one clock");
            if (fits > 0)
                append(block.slice(0, fits));
            counters.bytes += fits;
            const bytes begun = bytes::copy_of(tail.partial());
            start_splicing(!begun.empty());
            open_demuxer();
            accepted = true;
            demuxer->push(tail.tables());
            demuxer->push(begun.view());
            item.blocks.erase(item.blocks.begin(), item.blocks.begin() + std::ptrdiff_t(i));
            auto& rest = item.blocks.front();
            rest = rest.slice(fits, rest.size() - fits);
            item.segment_begins = false;
            splice(item);
            return;
        }
        if (item.segment_ends)
            out.end_segment();
    }

    // `cut`: what passed last may be unfinished.
    void start_splicing(bool cut) {
        counters.spliced = true;
        if (cut && out.seq() >= 0)
            if (const auto closing = tail.closing(); !closing.empty())
                check(out.append(bytes::copy_of(closing)));
        muxer.go_on_after(tail.continuation());
        // The clock begins where the passed bytes ended.
        for (auto kind : {track_kind::video, track_kind::audio}) {
            const auto time = kind == track_kind::video ? tail.video_time() : tail.audio_time();
            if (!time)
                continue;
            access_unit last;
            last.kind = kind;
            last.keyframe = true;
            last.pts = last.dts = *time;
            line.adjust(last);
        }
        wants_segment = format_changed = true;
    }

    // --- bytes that are taken apart --------------------------------------------------------------

    void open_demuxer() {
        media::ts_demuxer_events events;
        events.format = [this](const stream_format&) { format_changed = true; };
        events.unit = [this](access_unit unit) { from_orchestrator(std::move(unit)); };
        demuxer.emplace(std::move(events));
        accepted = false;
    }

    void splice(const trickle::subscriber_item& item) {
        if (!demuxer)
            open_demuxer();
        if (item.segment_begins) {
            demuxer->reset_continuity();
            wants_segment = true;
        }
        for (const auto& block : item.blocks) {
            counters.bytes += block.size();
            demuxer->push(block.view());
        }
        if (item.segment_ends)
            demuxer->flush();
    }

    void from_orchestrator(access_unit unit) {
        const auto& format = demuxer->format();
        if (unit.kind == track_kind::audio)
            ++counters.sounds;
        if (!accepted) {
            if (format.video && !is_keyframe(unit)) {
                ++counters.left_out;
                return;
            }
            accepted = true;
            counters.filling = false;
            freeze.reset();
            line.change_source(clock_of(unit));
            wants_segment = format_changed = true;
        }
        const bool is_video = unit.kind == track_kind::video;
        if (is_video) {
            frame_came(unit.pts);
            ++counters.frames;
        }
        if (write(std::move(unit), format) && is_video && line.squeezed())
            ++counters.repeated_frames;
    }

    // A runner that counts from zero may happen to be near our clock: the source tells.
    media::timeline::source_clock clock_of(const access_unit& first) const {
        using kind = media::timeline::source_clock;
        if (!source.newest() || !source_floor)
            return kind::by_its_first_time;
        constexpr std::int64_t wrap = std::int64_t{1} << 33;
        const auto newest = *source.newest();
        auto distance = (first.dts - newest) % wrap;
        if (distance > wrap / 2)
            distance -= wrap;
        else if (distance < -wrap / 2)
            distance += wrap;
        const bool ours = distance <= clock_tolerance && newest + distance >= *source_floor;
        return ours ? kind::by_its_first_time : kind::its_own;
    }

    // --- while nobody is there -------------------------------------------------------------------

    void lost() {
        joined = false;
        if (counters.bytes == 0) {
            tail = {};
            return;
        }
        if (!counters.spliced)
            start_splicing(out.seq() >= 0);
        demuxer.reset();
        accepted = false;
        if (counters.filling)
            return;
        counters.filling = true;
        out.end_segment();
        wants_segment = true;
        if (filler == swap_filler::freeze)
            begin_freezing();
        if (filler == swap_filler::source) {
            line.change_source();
            format_changed = true;
            for (const auto& unit : source.units())
                fill(unit);
        }
    }

    // The newest segments hold the last picture; whoever reads them shares their blocks.
    std::vector<bytes> newest_output() const {
        std::vector<bytes> blocks;
        const auto newest = out.target()->open_read(trickle::seq_newest);
        if (!newest)
            return blocks;
        if (const auto seq = (*newest)->seq(); seq > 0)
            if (const auto before = out.target()->open_read(seq - 1);
                before && (*before)->size() + (*newest)->size() <= still_bytes)
                blocks = (*before)->blocks();
        const auto& last = (*newest)->blocks();
        blocks.insert(blocks.end(), last.begin(), last.end());
        return blocks;
    }

    void begin_freezing() {
        freeze.emplace();
        freeze->clock = line.last().value_or(0);
        freeze->at = last_written;
        freeze->due = now;
        freeze->request = still_request::make(newest_output());
    }

    void show_still() {
        if (!freeze || now < freeze->due)
            return;
        if (freeze->request) {
            auto answer = freeze->request->take();
            if (!answer) {
                freeze->due = now + still_poll;
                return;
            }
            freeze->request.reset();
            if (!*answer) {
                log.info("no still picture to show meanwhile: {}", answer->error().detail);
                freeze.reset();
                return;
            }
            freeze->picture = std::move(**answer);
            line.change_source();
            format_changed = true;
        }
        auto unit = freeze->picture.keyframes[freeze->shown % 2];
        if (freeze->shown++ % stills_per_segment == 0)
            wants_segment = true;
        unit.pts = unit.dts = freeze->clock + ticks(now - freeze->at);
        if (write(std::move(unit), freeze->picture.format))
            ++counters.filler_frames;
        freeze->due = std::max(freeze->due + still_interval, now);
    }

    void fill(const access_unit& unit) {
        if (is_keyframe(unit) && unit.dts - segment_began >= shortest_segment)
            wants_segment = true;
        const bool is_video = unit.kind == track_kind::video;
        if (write(unit, source_format) && is_video)
            ++counters.filler_frames;
    }
};

spliced_output::spliced_output(trickle::channel_writer& out, swap_filler filler, logger log)
    : impl_(std::make_unique<impl>(out, filler, std::move(log))) {}

spliced_output::~spliced_output() = default;

void spliced_output::take(trickle::subscriber_item item, time_point now) {
    auto& self = *impl_;
    if (self.ended || !self.joined)
        return;
    self.now = now;
    if (self.counters.spliced)
        self.splice(item);
    else
        self.pass(item);
}

void spliced_output::source_format(const media::stream_format& format) {
    impl_->source_format = format;
    if (impl_->counters.filling)
        impl_->format_changed = true;
}

void spliced_output::source_unit(const media::access_unit& unit, time_point now) {
    auto& self = *impl_;
    if (self.ended)
        return;
    self.now = now;
    self.source.add(unit, self.filler == swap_filler::source);
    if (self.counters.filling && self.filler == swap_filler::source)
        self.fill(unit);
}

void spliced_output::lost(time_point now) {
    auto& self = *impl_;
    if (self.ended || !self.joined)
        return;
    self.now = now;
    self.lost();
}

void spliced_output::joined(time_point now) {
    auto& self = *impl_;
    if (self.ended)
        return;
    self.now = now;
    if (self.joined && self.counters.bytes > 0)
        self.lost();
    self.joined = true;
    self.source_floor.reset();
    if (const auto before = self.source.keyframe_before())
        self.source_floor = *before - clock_tolerance;
    if (self.counters.spliced)
        self.open_demuxer();
}

std::optional<time_point> spliced_output::next_tick() const {
    return impl_->freeze ? std::optional(impl_->freeze->due) : std::nullopt;
}

void spliced_output::tick(time_point now) {
    impl_->now = now;
    impl_->show_still();
}

void spliced_output::end() {
    impl_->ended = true;
    impl_->freeze.reset();
    impl_->counters.filling = false;
    impl_->out.end_segment();
}

std::int64_t spliced_output::shift() const {
    return impl_->line.shift();
}

const splice_counters& spliced_output::counters() const {
    return impl_->counters;
}

std::optional<std::string> spliced_output::take_trouble() {
    auto& waiting = impl_->troubles;
    if (waiting.empty())
        return std::nullopt;
    auto text = std::move(waiting.front());
    waiting.erase(waiting.begin());
    return text;
}

std::vector<std::int64_t> spliced_output::take_frame_times() {
    return std::exchange(impl_->times, {});
}

} // namespace rivulet::live
