// Ownership of GStreamer and GLib values. Three ways in, named after the transfer rule:
// adopt (transfer full), retain (transfer none), sink (floating). Raw pointers are borrowed.
// The trait has no general case: a type that nobody listed does not compile.
#pragma once

#include "base/bytes.hpp"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <memory>
#include <string>
#include <utility>

namespace rivulet::media {

template <class T>
struct gst_trait;

template <class T>
struct gst_object_trait {
    static void unref(T* p) noexcept { gst_object_unref(p); }

    static T* ref(T* p) noexcept { return static_cast<T*>(gst_object_ref(p)); }
};

template <>
struct gst_trait<GstElement> : gst_object_trait<GstElement> {};

template <>
struct gst_trait<GstPad> : gst_object_trait<GstPad> {};

template <>
struct gst_trait<GstBus> : gst_object_trait<GstBus> {};

template <>
struct gst_trait<GstAppSrc> : gst_object_trait<GstAppSrc> {};

template <>
struct gst_trait<GstAppSink> : gst_object_trait<GstAppSink> {};

template <>
struct gst_trait<GstCaps> {
    static void unref(GstCaps* p) noexcept { gst_caps_unref(p); }

    static GstCaps* ref(GstCaps* p) noexcept { return gst_caps_ref(p); }
};

template <>
struct gst_trait<GstBuffer> {
    static void unref(GstBuffer* p) noexcept { gst_buffer_unref(p); }

    static GstBuffer* ref(GstBuffer* p) noexcept { return gst_buffer_ref(p); }
};

template <>
struct gst_trait<GstSample> {
    static void unref(GstSample* p) noexcept { gst_sample_unref(p); }

    static GstSample* ref(GstSample* p) noexcept { return gst_sample_ref(p); }
};

template <>
struct gst_trait<GstMessage> {
    static void unref(GstMessage* p) noexcept { gst_message_unref(p); }

    static GstMessage* ref(GstMessage* p) noexcept { return gst_message_ref(p); }
};

template <>
struct gst_trait<GstEvent> {
    static void unref(GstEvent* p) noexcept { gst_event_unref(p); }

    static GstEvent* ref(GstEvent* p) noexcept { return gst_event_ref(p); }
};

template <>
struct gst_trait<GstPromise> {
    static void unref(GstPromise* p) noexcept { gst_promise_unref(p); }

    static GstPromise* ref(GstPromise* p) noexcept { return gst_promise_ref(p); }
};

template <>
struct gst_trait<GstStructure> {
    static void unref(GstStructure* p) noexcept { gst_structure_free(p); }
};

template <>
struct gst_trait<GError> {
    static void unref(GError* p) noexcept { g_error_free(p); }
};

template <>
struct gst_trait<gchar> {
    static void unref(gchar* p) noexcept { g_free(p); }
};

template <class T>
struct gst_unref {
    void operator()(T* p) const noexcept { gst_trait<T>::unref(p); }
};

template <class T>
using gst_ptr = std::unique_ptr<T, gst_unref<T>>;

template <class T>
gst_ptr<T> adopt(T* full) noexcept {
    return gst_ptr<T>(full);
}

template <class T>
gst_ptr<T> retain(T* none) noexcept {
    return gst_ptr<T>(none ? gst_trait<T>::ref(none) : nullptr);
}

template <class T>
gst_ptr<T> sink(T* floating) noexcept {
    return gst_ptr<T>(floating ? static_cast<T*>(g_object_ref_sink(floating)) : nullptr);
}

// A signal handler that is disconnected when the guard goes. Keeps the object alive.
class signal_guard {
  public:
    signal_guard() = default;

    signal_guard(gpointer object, const char* signal, GCallback callback, gpointer data)
        : object_(G_OBJECT(g_object_ref(object))),
          id_(g_signal_connect(object, signal, callback, data)) {}

    signal_guard(signal_guard&& other) noexcept
        : object_(std::exchange(other.object_, nullptr)), id_(std::exchange(other.id_, 0)) {}

    signal_guard& operator=(signal_guard&& other) noexcept {
        std::swap(object_, other.object_);
        std::swap(id_, other.id_);
        return *this;
    }

    ~signal_guard() {
        if (!object_)
            return;
        g_signal_handler_disconnect(object_, id_);
        g_object_unref(object_);
    }

  private:
    GObject* object_ = nullptr;
    gulong id_ = 0;
};

// A pad probe that is removed when the guard goes.
class probe_guard {
  public:
    probe_guard() = default;

    probe_guard(GstPad* pad, GstPadProbeType mask, GstPadProbeCallback callback, gpointer data)
        : pad_(retain(pad)), id_(gst_pad_add_probe(pad, mask, callback, data, nullptr)) {}

    probe_guard(probe_guard&& other) noexcept
        : pad_(std::move(other.pad_)), id_(std::exchange(other.id_, 0)) {}

    probe_guard& operator=(probe_guard&& other) noexcept {
        std::swap(pad_, other.pad_);
        std::swap(id_, other.id_);
        return *this;
    }

    ~probe_guard() {
        if (pad_ && id_)
            gst_pad_remove_probe(pad_.get(), id_);
    }

  private:
    gst_ptr<GstPad> pad_;
    gulong id_ = 0;
};

// The bytes of a buffer without a copy: mapped for as long as the result or a slice of it lives.
// Empty when the buffer can't be mapped.
bytes map_buffer(GstBuffer* buffer);

// "message (debug detail)" of an error or warning message of a bus.
std::string describe_error(GstMessage* message);

} // namespace rivulet::media
