// In-process subscriber of one channel: a cursor of its own, never slows the writer.
// Thread: the channel's home shard; one pending read() at a time.
#pragma once

#include "base/notifier.hpp"
#include "trickle/channel.hpp"

#include <vector>

namespace rivulet::trickle {

struct channel_chunk {
    std::int64_t seq = 0;
    bool segment_begins = false; // the first bytes of segment `seq`
    bool segment_ends = false;   // nothing of `seq` follows; blocks may be empty
    bool skipped = false; // segments between the last chunk and this one were lost (reader lagged)
    std::vector<bytes> blocks; // shared, not copied
};

class channel_reader final : private segment_watcher {
  public:
    // Starts at `seq`: seq_newest begins with the newest begun segment from its first byte.
    channel_reader(asio::any_io_executor executor, channel_ptr source, std::int64_t seq);
    ~channel_reader();
    channel_reader(const channel_reader&) = delete;
    channel_reader& operator=(const channel_reader&) = delete;

    // Everything new of the current segment; waits for more. A reader that fell out of the window
    // goes on at the newest segment with `skipped` set. Fails with end_of_stream when the channel
    // closed and everything was delivered.
    awaitable<result<channel_chunk>> read();
    // The same without waiting: empty blocks and no flags when nothing is new.
    result<channel_chunk> read_now();

    const channel_ptr& source() const { return channel_; }

  private:
    void segment_changed() override { changed_.notify_all(); }

    channel_ptr channel_;
    notifier changed_;
    std::int64_t seq_;
    segment_ptr current_;
    std::size_t block_ = 0;
    bool skipped_ = false;
};

} // namespace rivulet::trickle
