// Start and end of the media libraries, and the thread on which pipelines die.
// Thread: any.
#pragma once

#include "base/asio.hpp"
#include "media/gst_ptr.hpp"

namespace rivulet::media {

// Starts GStreamer and loads the plugins Rivulet uses, so that no stream waits for a disk in a pad
// callback. Idempotent. Returns the names of elements that are not installed, comma separated;
// empty when all are there.
std::string init();

// Brings the pipeline to NULL and frees it, on a thread of its own: setting a state can wait for
// streaming threads. Logs a pipeline that takes longer than five seconds and goes on without it.
void tear_down(gst_ptr<GstElement> pipeline);

// Pipelines handed to tear_down() that still live.
std::size_t tear_downs_pending();
// Waits until there are none, at most `limit`. False: some are stuck.
bool wait_for_tear_downs(duration limit);

} // namespace rivulet::media
