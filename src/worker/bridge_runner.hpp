// A job whose model is an external runner. The runner reads the input channel and writes the output
// channel by itself; its control and events channels are private ones, so that parameters can be
// put in its words and events of two kinds reach the gateway in one order.
// Thread: the job's home shard.
#pragma once

#include "base/log.hpp"
#include "trickle/channel_table.hpp"
#include "worker/runner.hpp"
#include "worker/runner_link.hpp"

#include <memory>
#include <string>

namespace rivulet::worker {

struct bridge_options {
    std::string job;          // names the input channel, and with "-out" the output channel
    std::string channel_base; // "http://127.0.0.1:8936/ai/trickle/": how the runner reaches them
    std::string model, stream_id, request_id;

    bridge_options() {}
};

class bridge_runner final : public runner {
  public:
    // On the channels of a job that has begun. Must be started next.
    bridge_runner(
        asio::any_io_executor home,
        std::weak_ptr<runner_host> host,
        trickle::channel_table& channels,
        runner_lease lease,
        bridge_options options,
        logger log
    );
    ~bridge_runner() override;

    struct state;

    // Tells the runner to begin. Fails with no_capacity (it is not there, or busy),
    // invalid_argument (it refuses the parameters), http_status; the detail is for the gateway. The
    // job must be ended then.
    static awaitable<outcome<void>> start(std::shared_ptr<state> begun);

    const std::shared_ptr<state>& shared() const { return state_; }

    void input(const trickle::channel_chunk& chunk, time_point now) override;
    void set_params(boost::json::object params) override;
    void finish() override;
    void cancel() override;
    bool idle() const override;
    frame_counters counters() const override;

  private:
    std::shared_ptr<state> state_;
};

} // namespace rivulet::worker
