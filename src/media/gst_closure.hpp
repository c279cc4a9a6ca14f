// User data for GStreamer's callbacks: a shared_ptr on the heap, and the function that frees it.
// The callback's owner lives for as long as GStreamer may call.
#pragma once

#include <gst/gst.h>

#include <memory>

namespace rivulet::media {

template <class T>
gpointer hold(std::shared_ptr<T> owner) {
    return new std::shared_ptr<T>(std::move(owner));
}

template <class T>
T& held(gpointer data) {
    return **static_cast<std::shared_ptr<T>*>(data);
}

template <class T>
void let_go(gpointer data) {
    delete static_cast<std::shared_ptr<T>*>(data);
}

template <class T>
void let_go_closure(gpointer data, GClosure*) {
    delete static_cast<std::shared_ptr<T>*>(data);
}

} // namespace rivulet::media
