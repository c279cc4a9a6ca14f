// The models that decode: `noop` and `avfilter`. A thread of its own runs the transcoder; a bounded
// queue leads in, posts to the home shard lead out. When the queue is full, input is left out up to
// the next segment and counted.
// Thread: the home shard; the transcoder's thread is inside. It owns all that it works with, so a
// runner can go while a picture takes long.
#pragma once

#include "base/log.hpp"
#include "worker/runner.hpp"
#include "worker/transcoder.hpp"

#include <memory>
#include <thread>

namespace rivulet::worker {

enum class graph_source {
    none,   // the picture passes unchanged (noop)
    params, // params.graph (avfilter)
};

class transcode_runner final : public runner {
  public:
    transcode_runner(
        asio::any_io_executor home,
        std::weak_ptr<runner_host> host,
        graph_source source,
        transcoder_options options,
        logger log
    );
    ~transcode_runner() override;

    void input(const trickle::channel_chunk& chunk, time_point now) override;
    void set_params(boost::json::object params) override;
    void finish() override;
    void cancel() override;
    bool idle() const override;
    frame_counters counters() const override;

  private:
    struct shared;

    graph_source source_;
    std::shared_ptr<shared> shared_; // with the thread
    std::thread thread_;
    bool left_out_ = false; // the queue was full: wait for the next segment
    bool finished_ = false;
};

} // namespace rivulet::worker
