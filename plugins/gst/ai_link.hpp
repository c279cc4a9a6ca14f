// What the element does, without its GObject face: pads' data in, the gateway's session, pads' data
// out. One video side always, one audio side when its pads were asked for.
// Thread: start, stop, play and pause by state changes (one at a time); pad functions on their
// streaming threads; listeners on the session's thread. `mutex` is held for bookkeeping only, never
// while pushing, posting or calling the session.
// Owns: the session, the sides.
#pragma once

#include "element_settings.hpp"
#include "gateway_session.hpp"
#include "live_clock.hpp"
#include "report.hpp"
#include "stamp_match.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace rivulet::element {

class video_side;
class audio_side;

class ai_link final : public session_listener {
  public:
    ai_link(GstElement* element, GstPad* sink, GstPad* src);
    ~ai_link() override;

    // ---- properties; any thread ---------------------------------------------------------------
    element_settings settings() const;

    // Changes them; what a running session can take, it gets.
    template <class Change>
    void change(Change change) {
        {
            std::unique_lock lock(settings_mutex_);
            change(settings_);
        }
        settings_changed();
    }

    // What is no JSON object is refused with a warning, and the old ones stay.
    void set_params(std::string text);
    GstStructure* stats() const; // a value for the caller

    // ---- state changes ------------------------------------------------------------------------
    // NULL to READY, and back. Below READY an element has no bus yet, or one that throws away what
    // it gets: what was to be said is said now.
    void bus_listens(bool yes);
    void start(); // READY to PAUSED
    void play();
    void pause();
    void interrupt(); // PAUSED to READY, before the pads are deactivated: every wait ends
    void stop();      // and after it

    // ---- pads ---------------------------------------------------------------------------------
    video_side& video() { return *video_; }

    // Null while there are no audio pads.
    std::shared_ptr<audio_side> audio() const;
    // Either may be null. While the element runs, pads can only go: the side stays for the other
    // one, and is made anew when the element has stopped.
    void set_audio_pads(GstPad* sink, GstPad* src);

    bool running() const { return running_; } // above READY

    bool latency(GstQuery* query);

    // ---- for the sides ------------------------------------------------------------------------
    GstElement* element() const { return element_; }

    bool failed() const { return failed_; }

    void input_format(const media::stream_format& one_track);
    void input_unit(media::access_unit unit);
    void input_ended(media::track_kind kind);
    // After a flush, or a stream that begins again behind its end: stamps go on from the next
    // input's time on, whichever pad it comes on.
    void input_restarted();
    // What the gateway sees for this running time. With the lock.
    std::int64_t stamp(running_time time);
    void media_failed(const std::string& what, const std::string& why);
    void media_stumbled(const std::string& what); // a status: it goes on
    void encoder_missing(const std::string& why);
    // From a frame's time to its deadline.
    running_time max_latency() const;
    // Waits until the running time has come, as a live source would. FLUSHING: `*flushing`, or the
    // element stops. Called with the lock.
    GstFlowReturn pace(
        std::unique_lock<std::mutex>& lock,
        wait_point& point,
        running_time time,
        const bool& flushing
    );
    // The output's stamp on the input's clock; nothing: of before a flush or all input. With the
    // lock.
    std::optional<std::int64_t> place(std::int64_t stamp);

    bool output_over() const { return drained_; }

    mutable std::mutex mutex;
    live_clock clock;
    stamp_clock stamps;          // with the lock
    stamp_match match;           // with the lock
    bool restart_stamps = false; // with the lock: at the next input
    reporter report;

    // ---- session_listener -----------------------------------------------------------------------
    void connected(const session_place& place) override;
    void lost(const std::string& reason, duration retry) override;
    void refused(int status, const std::string& reason) override;
    void output_format(const media::stream_format& format) override;
    void output_unit(media::access_unit unit) override;
    void event(const std::string& type, const boost::json::object& data) override;
    void keyframe_wanted() override;
    void drained() override;

  private:
    void settings_changed();
    void open_session();
    void wake_all(); // with the lock

    GstElement* element_;
    mutable std::mutex settings_mutex_; // innermost
    element_settings settings_;
    bool bus_listens_ = false;                  // with settings_mutex_
    std::optional<std::string> refused_params_; // with settings_mutex_: nobody has heard of it

    // session_mutex_ before mutex; guards the pointer and calls that begin or end the session.
    mutable std::mutex session_mutex_;
    std::unique_ptr<gateway_session> session_;
    session_stats past_; // of sessions before this one
    session_place place_;

    std::mutex format_mutex_;
    media::stream_format format_;

    std::unique_ptr<video_side> video_;
    mutable std::mutex audio_mutex_;
    std::shared_ptr<audio_side> audio_;
    GstPad *audio_sink_ = nullptr, *audio_src_ = nullptr;
    bool audio_stale_ = false; // made for pads that are gone
    std::atomic<bool> running_{false};

    std::atomic<bool> failed_{false}, stopping_{true}, drained_{false};
    std::atomic<bool> video_ended_{false}, audio_ended_{false}, finishing_{false};
    std::atomic<std::int64_t> upstream_latency_{0}; // ns
    // The session's thread, after start(). Who sees no element messages, as on a terminal, hears
    // once why there is no picture.
    bool lost_told_ = false, trouble_told_ = false;
};

} // namespace rivulet::element
