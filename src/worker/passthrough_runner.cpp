#include "worker/passthrough_runner.hpp"

#include <utility>

namespace rivulet::worker {

void passthrough_runner::input(const trickle::channel_chunk& chunk, time_point) {
    auto host = host_.lock();
    if (!host)
        return;
    if (params_) {
        host->params_applied(std::move(*params_));
        params_.reset();
    }
    if (chunk.segment_begins) {
        frames_.restart();
        host->begin_segment();
    }
    for (const auto& block : chunk.blocks) {
        frames_.push(block.view());
        host->append(block);
    }
    if (chunk.segment_ends)
        host->end_segment();
}

void passthrough_runner::set_params(boost::json::object params) {
    auto host = host_.lock();
    // Said with the first input: the gateway listens to events only after the job was accepted.
    if (!host || frames_.frames() == 0)
        params_ = std::move(params);
    else
        host->params_applied(std::move(params));
}

void passthrough_runner::finish() {
    if (auto host = host_.lock())
        host->ended({});
}

} // namespace rivulet::worker
