#include "media/segmenter.hpp"

namespace rivulet::media {

segment_decision segmenter::step(const access_unit& unit, time_point now) {
    bool keyframe = unit.kind == track_kind::video && unit.keyframe;
    auto ticks_of = [](duration d) {
        return std::chrono::duration_cast<std::chrono::microseconds>(d).count() * 9 / 100;
    };
    std::int64_t media = unit.dts - start_dts_;

    if (keyframe) {
        // A clock that went backwards is a new one: only wall-clock time counts then.
        bool cut = !open_ || (now - started_ >= options_.min_segment &&
                              (media < 0 || media >= ticks_of(options_.min_segment)));
        if (cut) {
            open_ = true;
            limited_ = false;
            started_ = now;
            start_dts_ = unit.dts;
            bytes_ = unit.data.size();
            return {segment_action::cut_then_write, segment_reason::keyframe};
        }
    }
    if (!open_)
        return drop();

    // Both clocks again: a publisher that paused, or that sends a file as fast as it can, has no
    // overlong segment.
    bool too_long = now - started_ >= options_.max_segment &&
                    (media < 0 || media >= ticks_of(options_.max_segment));
    bool too_large = bytes_ + unit.data.size() > options_.max_bytes;
    if (too_long || too_large) {
        open_ = false;
        limited_ = true;
        ++dropped_;
        return {
            segment_action::end_then_drop,
            too_large ? segment_reason::too_large : segment_reason::too_long};
    }
    bytes_ += unit.data.size();
    return {segment_action::write, segment_reason::none};
}

segment_decision segmenter::drop() {
    ++dropped_;
    return {
        segment_action::drop,
        limited_ ? segment_reason::after_limit : segment_reason::before_first_keyframe};
}

void segmenter::reset() {
    open_ = false;
    limited_ = false;
}

} // namespace rivulet::media
