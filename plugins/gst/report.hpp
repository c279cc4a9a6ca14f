// What the element tells on the bus: `livepeerai-status` element messages, warnings, errors. Posts
// with no lock held. Thread: any.
#pragma once

#include "gateway_session.hpp"
#include "pacing.hpp"

#include <gst/gst.h>

#include <mutex>
#include <string>

namespace rivulet::element {

// A promise that is broken for five seconds is worth a warning; the next one after a minute.
// Pure. Thread: any one at a time.
class promise_watch {
  public:
    static constexpr running_time patience = std::chrono::seconds(5);
    static constexpr running_time silence = std::chrono::seconds(60);

    // A processed frame took `delay`. True: warn now.
    bool saw(running_time delay, running_time promised, running_time now) {
        if (delay <= promised) {
            since_.reset();
            return false;
        }
        if (!since_)
            since_ = now;
        if (now - *since_ < patience || (warned_ && now - *warned_ < silence))
            return false;
        warned_ = now;
        return true;
    }

    void reset() { since_.reset(); }

  private:
    std::optional<running_time> since_, warned_;
};

class reporter {
  public:
    explicit reporter(GstElement* element) : element_(element) {}

    // The stream's name, as it stands in every line of the log.
    void name(std::string stream);
    std::string stream() const;

    // livepeerai-status with `type` and further fields (a GstStructure's varargs, null at the end).
    void status(const char* type, const char* first_field, ...) const;

    void connected(const session_place& place) const;
    void lost(const std::string& reason, duration retry) const;
    void refused(int status, const std::string& reason) const; // an ERROR
    void event(const std::string& type, const boost::json::object& data) const;
    void params_refused(const std::string& text) const;                        // a WARNING
    void out_of_reach(const std::string& reason) const;                        // a WARNING
    void no_picture_yet(const boost::json::object& event) const;               // a WARNING
    void late(running_time delay, running_time promised) const;                // a WARNING
    void media_trouble(const std::string& what, const std::string& why) const; // an ERROR
    void missing(const std::string& why) const;                                // an ERROR
    // Downstream takes no more; `refused`: the caps, if they are why. An ERROR.
    void output_broken(GstFlowReturn flow, const std::string& refused) const;

  private:
    void warn(gint code, const std::string& text, const std::string& detail) const;

    GstElement* element_;
    mutable std::mutex mutex_; // innermost
    std::string stream_;
};

GstDebugCategory* debug_category();

} // namespace rivulet::element
