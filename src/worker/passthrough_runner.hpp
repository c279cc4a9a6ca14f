// The model `passthrough`: the blocks of the input become the blocks of the output, shared and with
// the same segment boundaries. No thread, no copy.
#pragma once

#include "worker/runner.hpp"
#include "worker/ts_frame_counter.hpp"

#include <optional>

namespace rivulet::worker {

class passthrough_runner final : public runner {
  public:
    explicit passthrough_runner(std::weak_ptr<runner_host> host) : host_(std::move(host)) {}

    void input(const trickle::channel_chunk& chunk, time_point now) override;
    void set_params(boost::json::object params) override;
    void finish() override;

    void cancel() override {}

    bool idle() const override { return true; }

    frame_counters counters() const override { return {frames_.frames(), frames_.frames()}; }

  private:
    std::weak_ptr<runner_host> host_;
    std::optional<boost::json::object> params_; // not in force yet
    ts_frame_counter frames_;
};

} // namespace rivulet::worker
