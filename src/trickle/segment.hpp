// One segment of a channel: an append-only list of immutable blocks that readers share.
// Thread: the channel's home shard. Nothing is ever copied per reader.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace rivulet::trickle {

// The largest number of a segment: leaves room to count on.
inline constexpr std::int64_t largest_seq = std::numeric_limits<std::int64_t>::max() - 16;

// A number that a segment may have; peers say anything.
constexpr bool is_seq(std::int64_t seq) {
    return seq >= 0 && seq <= largest_seq;
}

// Told about every change of a segment it watches; must not destroy other watchers of the same
// segment from inside the call.
class segment_watcher {
  public:
    virtual void segment_changed() = 0; // bytes were appended, or the segment was closed

  protected:
    ~segment_watcher() = default;
};

class segment {
  public:
    explicit segment(std::int64_t seq) : seq_(seq) {}

    std::int64_t seq() const { return seq_; }

    // Bytes published so far.
    std::uint64_t size() const { return size_; }

    bool closed() const { return closed_; }

    // Fell out of the channel's window: whoever still holds it has lagged behind.
    bool evicted() const { return evicted_; }

    // Blocks in order; a cursor is an index into it. Grows only.
    const std::vector<bytes>& blocks() const { return blocks_; }

    // Wakes the watchers. Blocks appended after close() are ignored and false is returned.
    bool append(bytes block);
    void close();
    void evict(); // closes too

    // Several writers may follow each other on one segment (retries). The newest decides when it
    // ends.
    unsigned add_writer() {
        ++writers_;
        return ++newest_writer_;
    }

    void remove_writer() { --writers_; }

    bool is_newest_writer(unsigned ticket) const { return ticket == newest_writer_; }

    unsigned writers() const { return writers_; }

    void watch(segment_watcher& watcher);
    void unwatch(segment_watcher& watcher);

    std::size_t watchers() const;

  private:
    void wake();

    std::int64_t seq_;
    std::uint64_t size_ = 0;
    bool closed_ = false;
    bool evicted_ = false;
    unsigned writers_ = 0;
    unsigned newest_writer_ = 0;
    std::vector<bytes> blocks_;
    std::vector<segment_watcher*> watchers_; // null: left while being called
    bool waking_ = false;
    bool changed_ = false; // again, while being told
};

using segment_ptr = std::shared_ptr<segment>;

} // namespace rivulet::trickle
