#include "trickle/reply_pump.hpp"

#include "trickle/server_reply.hpp"

#include <charconv>

namespace rivulet::trickle {
namespace {

// Bytes gathered at once: enough to fill a socket, little enough to bound the time one reader
// takes.
constexpr std::size_t gather_bytes = 256 * 1024;
constexpr std::size_t gather_buffers = 60; // Asio passes 64 to the kernel

} // namespace

reply_pump::reply_pump(
    http::exchange& now,
    channel_ptr from,
    segment_ptr what,
    const server_options& options,
    server_counters& counters
)
    : now_(now), channel_(std::move(from)), segment_(std::move(what)), options_(options),
      counters_(counters), changed_(now.connection().executor()) {
    segment_->watch(*this);
}

reply_pump::~reply_pump() {
    segment_->unwatch(*this);
}

// It may only have ended its sending side: what is there is still written, and if it has really
// gone that fails.
void reply_pump::peer_left() {
    left_ = true;
    changed_.notify_all();
}

void reply_pump::segment_changed() {
    if (failed_)
        return;
    if (writing_) {
        // Blocked on a segment that everybody else has left behind.
        if (segment_->evicted() && !std::exchange(cut_pending_, true))
            now_.connection().expires_after(options_.reader_grace);
        return;
    }
    step();
}

http::response reply_pump::head_fields() const {
    http::response head;
    head.content_type = channel_->mime();
    add(head, seq_header, segment_->seq());
    if (channel_->next() != segment_->seq())
        add(head, latest_header, channel_->next());
    add(head, size_header, static_cast<std::int64_t>(segment_->size()));
    return head;
}

// Collects what is there into pending_: [head] [chunk size] blocks… [CRLF] [last chunk].
void reply_pump::gather() {
    pending_.clear();
    const bool chunked = now_.chunked();
    const auto& blocks = segment_->blocks();
    std::size_t bytes = 0;
    auto last = block_;
    while (last < blocks.size() && last - block_ < gather_buffers && bytes < gather_bytes)
        bytes += blocks[last++].size();
    head_.clear();
    if (!std::exchange(head_sent_, true))
        head_ = now_.streaming_head(head_fields());
    if (now_.head_only()) {
        end_gathered_ = true;
        pending_.push_back(asio::buffer(head_));
        return;
    }
    if (chunked && bytes > 0) {
        std::array<char, 20> size;
        const auto end = std::to_chars(size.data(), size.data() + size.size(), bytes, 16).ptr;
        head_.append(size.data(), end);
        head_ += "\r\n";
    }
    if (!head_.empty())
        pending_.push_back(asio::buffer(head_));
    for (; block_ < last; ++block_)
        pending_.push_back(asio::const_buffer(blocks[block_].data(), blocks[block_].size()));
    const bool end = segment_->closed() && block_ == blocks.size();
    if (end)
        end_gathered_ = true;
    if (chunked) {
        static constexpr std::string_view tails[] = {"", "\r\n", "0\r\n\r\n", "\r\n0\r\n\r\n"};
        const auto tail = tails[(end ? 2 : 0) + (bytes > 0 ? 1 : 0)];
        if (!tail.empty())
            pending_.push_back(asio::buffer(tail));
    }
    counters_.bytes_out.fetch_add(bytes, std::memory_order_relaxed);
}

void reply_pump::consume(std::size_t written) {
    std::size_t done = 0;
    while (done < pending_.size() && written >= pending_[done].size())
        written -= pending_[done++].size();
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(done));
    if (written > 0)
        pending_.front() += written;
}

// As much as the socket takes without waiting.
void reply_pump::step() {
    while (!failed_) {
        const bool more = !end_gathered_ && (block_ < segment_->blocks().size() ||
                                             (segment_->closed() && head_sent_));
        if (pending_.empty() && !more)
            break;
        if (pending_.empty())
            gather();
        auto written = now_.connection().write_now(pending_);
        if (!written) {
            failed_ = written.error();
            break;
        }
        consume(*written);
        if (!pending_.empty())
            break;
    }
    if (failed_ || !pending_.empty() || end_gathered_ || segment_->closed())
        changed_.notify_all();
}

awaitable<error_code> reply_pump::write_rest() {
    writing_ = true;
    if (segment_->evicted() && !std::exchange(cut_pending_, true))
        now_.connection().expires_after(options_.reader_grace);
    else if (!cut_pending_)
        now_.connection().expires_after(options_.write_limit);
    auto failed = co_await now_.connection().write(pending_);
    pending_.clear();
    writing_ = false;
    if (failed == errc::timed_out) {
        counters_.readers_cut.fetch_add(1, std::memory_order_relaxed);
        co_return make_error_code(errc::lagged);
    }
    // A segment that left the window in the meantime keeps its deadline until it is drained.
    if (!failed && !cut_pending_)
        now_.connection().expires_after(duration::max());
    co_return failed;
}

awaitable<error_code> reply_pump::run() {
    if (!segment_->blocks().empty() || segment_->closed())
        step();
    while (!failed_) {
        if (!pending_.empty()) {
            auto failed = co_await write_rest();
            if (failed)
                failed_ = failed;
            else
                step();
            continue;
        }
        if (end_gathered_ || (segment_->closed() && segment_->size() == 0))
            break;
        if (left_) {
            failed_ = asio::error::eof;
            break;
        }
        co_await changed_.wait();
    }
    if (cut_pending_)
        now_.connection().expires_after(duration::max());
    co_return failed_;
}

} // namespace rivulet::trickle
