// Which picture leaves the element when. Every input frame opens a slot; its processed picture
// fills the slot and leaves with the input's running time; a slot that is empty at its deadline
// stalls. Pure: time is a parameter, pictures are opaque. Thread: any one at a time.
#pragma once

#include "stamp_match.hpp"

#include <gst/gst.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

namespace rivulet::element {

using running_time = std::chrono::nanoseconds;
// Caps and buffer of one picture (or of one encoded unit).
using picture = std::shared_ptr<GstSample>;

enum class stall_policy { drop, freeze, passthrough };

struct pacing_settings {
    running_time max_latency =
        std::chrono::milliseconds(500); // from a frame's time to its deadline
    stall_policy on_stall = stall_policy::freeze;
    // Encoded output: each unit needs those before it. Every one leaves, in order, late ones too.
    bool every_unit = false;
};

struct paced_frame {
    enum class kind { processed, frozen, original, gap };

    kind what = kind::gap;
    running_time time{}, duration{}; // duration may be zero: not known
    running_time dts_ahead{};        // encoded units: how far the decoding time is before `time`
    picture content;                 // none for a gap
};

struct pacing_counters {
    std::uint64_t in = 0;        // frames expected
    std::uint64_t processed = 0; // left in time, or as encoded units
    std::uint64_t frozen = 0, passed = 0, gaps = 0;
    std::uint64_t late = 0;    // came after their deadline
    std::uint64_t skipped = 0; // the pipeline left the frame out: a later one came instead
    std::uint64_t dropped = 0; // never asked for: downstream stood still
};

// Of an encoded unit.
struct unit_facts {
    std::size_t bytes = 0;
    bool keyframe = true;
};

class frame_pacer {
  public:
    // What nobody asks for does not pile up: no more frames than this wait, none for longer than
    // max-latency and this patience; the oldest go first.
    static constexpr std::size_t max_slots = 2'400;
    static constexpr running_time patience = std::chrono::seconds(2);
    // Pictures between the input's frames.
    static constexpr std::size_t max_extra = 240;
    // Encoded units; then it goes on with the next keyframe.
    static constexpr std::size_t max_units = 1'000;
    static constexpr std::size_t max_unit_bytes = 32 << 20;

    // Effective for what is decided from now on.
    void configure(pacing_settings settings) { settings_ = settings; }

    const pacing_settings& settings() const { return settings_; }

    // An input frame. `original` may be empty: nothing to pass through.
    void
    expect(std::int64_t stamp, running_time time, running_time frame_duration, picture original);

    // A processed picture; `stamp` on the input's clock (see stamp_match). The delay since its
    // input frame, or nothing when that is not known any more, or was never there.
    std::optional<running_time> arrived(
        std::int64_t stamp,
        running_time dts_ahead,
        picture content,
        running_time now,
        unit_facts facts = {}
    );

    struct step {
        std::optional<paced_frame> frame;       // push it, and ask again
        std::optional<running_time> wait_until; // else ask then, or when something came
    };

    step next(running_time now);

    // The input is over, and all that is missing comes until then or not at all: in a stream that
    // goes well, deadlines wait for it.
    void hold(running_time until) { hold_until_ = until; }

    // Nothing more will come: what is open is decided at once. Where deadlines were put off, what
    // is missing behind the newest that came is a stall; nothing else says that it was not.
    void no_more() { ended_ = true; }

    bool empty() const { return slots_.empty() && units_.empty(); }

    // The output's format changes: pictures and units that are here leave at once, in their order
    // and before everything of the new format; frames that wait for theirs wait on.
    void change_format(bool every_unit);

    // Came in a format that is not the output's any more.
    void drop_one() { ++counters_.dropped; }

    // A flush: all is forgotten, pictures of before the newest frame too.
    void clear();

    const pacing_counters& counters() const { return counters_; }

  private:
    struct slot {
        running_time time{}, duration{};
        picture original, processed;
        bool extra = false; // of no input frame
    };

    struct waiting_unit {
        paced_frame frame;
        unit_facts facts;
    };

    using slots = std::map<std::int64_t, slot>; // by stamp

    slots::iterator find(std::int64_t stamp);
    std::int64_t tolerance() const;
    std::optional<running_time> time_of(std::int64_t stamp) const;
    slots::iterator erase(slots::iterator at);
    void shed_slots();
    void take_unit(
        std::int64_t stamp,
        running_time time,
        running_time dts_ahead,
        picture content,
        unit_facts facts
    );
    void drop_oldest_unit();
    void shed_units();
    paced_frame stall(slot& open);
    running_time deadline(const slot& open) const;
    bool decided_by_others(const slots::value_type& front) const;

    pacing_settings settings_;
    slots slots_;
    std::size_t extra_ = 0;
    std::deque<waiting_unit> units_; // encoded output that leaves now
    std::size_t unit_bytes_ = 0;
    bool wait_for_keyframe_ = false;
    picture last_; // the newest that came
    running_time frame_duration_{};
    std::optional<std::int64_t> newest_in_, newest_out_;
    running_time newest_time_{};
    std::optional<running_time> first_time_; // nothing was before it
    std::optional<running_time> left_;       // the time of the newest that left
    std::optional<running_time> hold_until_;
    bool flows_ = false; // what left last was processed
    bool ended_ = false;
    pacing_counters counters_;
};

} // namespace rivulet::element
