#include "trickle/channel_reader.hpp"

namespace rivulet::trickle {

channel_reader::channel_reader(asio::any_io_executor executor, channel_ptr source, std::int64_t seq)
    : channel_(std::move(source)), changed_(std::move(executor)), seq_(seq) {}

channel_reader::~channel_reader() {
    if (current_)
        current_->unwatch(*this);
}

result<channel_chunk> channel_reader::read_now() {
    if (!current_) {
        auto opened = channel_->open_read(seq_);
        if (!opened && opened.error() == errc::sequence_not_found) {
            skipped_ = true;
            opened = channel_->open_read(seq_newest);
        }
        if (!opened)
            return opened.error() == errc::closed ? make_error_code(errc::end_of_stream)
                                                  : opened.error();
        current_ = *opened;
        current_->watch(*this);
        block_ = 0;
    }
    channel_chunk chunk;
    chunk.seq = current_->seq();
    const auto& blocks = current_->blocks();
    chunk.segment_begins = block_ == 0 && !blocks.empty();
    chunk.blocks.assign(blocks.begin() + static_cast<std::ptrdiff_t>(block_), blocks.end());
    block_ = blocks.size();
    if (chunk.segment_begins)
        chunk.skipped = std::exchange(skipped_, false);
    if (current_->closed()) {
        // A channel that ended leaves the awaited segment empty: that is no segment.
        if (blocks.empty() && channel_->closed())
            return make_error_code(errc::end_of_stream);
        chunk.segment_ends = true;
        seq_ = current_->seq() + 1;
        current_->unwatch(*this);
        current_.reset();
    }
    return chunk;
}

awaitable<result<channel_chunk>> channel_reader::read() {
    for (;;) {
        auto chunk = read_now();
        if (!chunk || !chunk->blocks.empty() || chunk->segment_ends)
            co_return chunk;
        co_await changed_.wait();
    }
}

} // namespace rivulet::trickle
