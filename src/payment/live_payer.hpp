// Keeps paying for one running live job (spec/payments.md 9, with P6, P7 and P8 mended): a timer
// and the video's segments say when, one payment at a time, fractions carried over, failures tried
// again before the orchestrator's slack of 60 s is used up.
// Thread: the job's shard. Owns its coroutine; close() before the session goes.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "payment/payments.hpp"

#include <functional>
#include <memory>
#include <string>

namespace rivulet::payment {

struct live_payer_options {
    duration interval = std::chrono::seconds(5); // -livePaymentInterval
    bool real_pixels = false; // -livePaymentPixels real: what the video really has, not 720p30

    live_payer_options() {}
};

class live_payer {
  public:
    // `trouble`: a payment failed and is tried again. `refused`: it will not be paid any more (over
    // the price limit, or failing for too long): the job must end or move to another orchestrator.
    struct listener {
        std::function<void(const std::string& text)> trouble;
        std::function<void(const std::string& text)> refused;
    };

    live_payer(
        asio::any_io_executor executor,
        payment_session& session,
        std::string manifest,
        live_payer_options options,
        listener told,
        logger log
    );
    ~live_payer();

    // A segment of the source went out; no segments, no payments.
    void segment_begun(time_point now);
    // The source's size and rate, for real_pixels.
    void video(int width, int height, double fps);
    // Ends the loop; a payment under way gets at most `limit` to end.
    awaitable<void> close(duration limit);

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::payment
