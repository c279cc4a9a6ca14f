// Relays one segment to one reader: everything that is there, then each burst as it is appended, in
// one gather-write of the shared blocks. It writes from inside the append when the socket takes it,
// so that a burst costs a reader one system call; what the socket does not take is written by the
// reader's own coroutine. A slow reader never delays the writer or other readers.
// Thread: the channel's home shard. Private to src/trickle.
#pragma once

#include "base/notifier.hpp"
#include "http/exchange.hpp"
#include "trickle/server.hpp"

#include <array>

namespace rivulet::trickle {

class reply_pump final : private segment_watcher {
  public:
    reply_pump(
        http::exchange& now,
        channel_ptr from,
        segment_ptr what,
        const server_options& options,
        server_counters& counters
    );
    ~reply_pump();
    reply_pump(const reply_pump&) = delete;
    reply_pump& operator=(const reply_pump&) = delete;

    // Sends the segment to its end. Completes with an error when the reader left or was cut; then
    // the connection is of no further use.
    awaitable<error_code> run();
    // The reader sends no more, most likely because it has gone: run() does not wait for new bytes.
    void peer_left();

  private:
    void segment_changed() override;
    void step();
    void gather();
    void consume(std::size_t written);
    awaitable<error_code> write_rest();
    http::response head_fields() const;

    http::exchange& now_;
    channel_ptr channel_;
    segment_ptr segment_;
    const server_options& options_;
    server_counters& counters_;
    notifier changed_;
    std::string head_;      // of the reply, then of the current chunk
    std::size_t block_ = 0; // the first block not yet gathered
    std::vector<asio::const_buffer> pending_;
    bool head_sent_ = false;
    bool end_gathered_ = false;
    bool writing_ = false; // the coroutine owns pending_
    bool cut_pending_ = false;
    bool left_ = false;
    error_code failed_;
};

} // namespace rivulet::trickle
