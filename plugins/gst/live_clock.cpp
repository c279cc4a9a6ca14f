#include "live_clock.hpp"

#include "media/gst_ptr.hpp"

namespace rivulet::element {

GstClock* live_clock::clock() const {
    return gst_element_get_clock(element_);
}

GstClockTime live_clock::base(bool own) const {
    return own ? own_base_ : gst_element_get_base_time(element_);
}

void live_clock::play() {
    if (playing_)
        return;
    GstClock* system = gst_system_clock_obtain();
    own_base_ = gst_clock_get_time(system) - GstClockTime(paused_at_.count());
    gst_object_unref(system);
    playing_ = true;
}

void live_clock::pause() {
    if (!playing_)
        return;
    paused_at_ = now();
    playing_ = false;
}

running_time live_clock::now() const {
    if (!playing_)
        return paused_at_;
    GstClock* time = clock();
    const bool own = !time;
    if (own)
        time = gst_system_clock_obtain();
    const auto at = GstClockTimeDiff(gst_clock_get_time(time)) - GstClockTimeDiff(base(own));
    gst_object_unref(time);
    return running_time(at);
}

void live_clock::wait(
    std::unique_lock<std::mutex>& lock, wait_point& point, std::optional<running_time> until
) {
    if (!until || !playing_) {
        point.changed_.wait(lock, [&] { return point.woken_; });
        point.woken_ = false;
        return;
    }
    if (std::exchange(point.woken_, false))
        return;
    GstClock* time = clock();
    const bool own = !time;
    if (own)
        time = gst_system_clock_obtain();
    const auto at = std::max<GstClockTimeDiff>(GstClockTimeDiff(base(own)) + until->count(), 0);
    GstClockID id = gst_clock_new_single_shot_id(time, GstClockTime(at));
    point.id_ = id;
    lock.unlock();
    gst_clock_id_wait(id, nullptr);
    lock.lock();
    point.id_ = nullptr;
    point.woken_ = false;
    gst_clock_id_unref(id);
    gst_object_unref(time);
}

void live_clock::wake(wait_point& point) {
    point.woken_ = true;
    if (point.id_)
        gst_clock_id_unschedule(point.id_);
    point.changed_.notify_all();
}

} // namespace rivulet::element
