// Takes the body of a request off its connection in pieces, bounded and with a deadline for
// progress.
// Thread: the connection's shard.
// Fails with: 413 (too large), 415 (compressed), 408 (too slow), 400 (framing), client_left.
#pragma once

#include "batch/drip_watch.hpp"
#include "batch/request_reading.hpp"

namespace rivulet::batch {

class body_intake {
  public:
    // `most`: bytes of the body; `why`: what says so, for the client to read. The references
    // outlive it.
    body_intake(
        http::exchange& peer,
        const reading_limits& limits,
        std::uint64_t most,
        std::string_view why = {}
    );
    ~body_intake();
    body_intake(const body_intake&) = delete;
    body_intake& operator=(const body_intake&) = delete;

    // What the head alone says; then the client may send.
    awaitable<answer<void>> begin();

    bool done() const { return peer_.reader().body_done(); }

    // Some bytes more; their spans die with the call of `sink`.
    awaitable<answer<void>> next(const http::body_sink& sink);

    // So long somebody else was waited for.
    void excuse(duration time) { watch_.excuse(time); }

  private:
    api_error too_large() const;

    http::exchange& peer_;
    const std::uint64_t most_;
    const std::string_view why_;
    std::uint64_t taken_ = 0;
    drip_watch watch_;
};

} // namespace rivulet::batch
