// What runs a job: bytes of the input channel go in, bytes of the output channel come out through
// the host. One class per kind of model.
// Thread: the job's home shard, both ways.
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "trickle/channel_reader.hpp"
#include "worker/status_report.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <string>

namespace rivulet::worker {

// The job, as its runner sees it.
class runner_host {
  public:
    virtual void begin_segment() = 0;
    virtual void append(bytes block) = 0;
    virtual void end_segment() = 0;
    // For a runner whose output and events do not pass through here: the first output is there; a
    // whole event of its own, with its wrapper.
    virtual void output_begins() = 0;
    virtual void relay_event(bytes event) = 0;
    // Parameters are in force.
    virtual void params_applied(boost::json::object params) = 0;
    // Something failed; the runner goes on as it was.
    virtual void failed(std::string message) = 0;
    // The last call. `cause` is empty after finish().
    virtual void ended(std::string cause) = 0;

  protected:
    ~runner_host() = default;
};

class runner {
  public:
    // Ends it at once, whatever is still inside. Never waits: a thread that is still inside a
    // picture ends by itself and touches nothing of the host's.
    virtual ~runner() = default;

    virtual void input(const trickle::channel_chunk& chunk, time_point now) = 0;
    // The complete new set.
    virtual void set_params(boost::json::object params) = 0;
    // No more input: flushes, then calls ended().
    virtual void finish() = 0;
    // Gives up what is inside; ended() comes as soon as the picture in work is done.
    virtual void cancel() = 0;
    // True when no thread of it works any more.
    virtual bool idle() const = 0;

    virtual frame_counters counters() const = 0;
};

} // namespace rivulet::worker
