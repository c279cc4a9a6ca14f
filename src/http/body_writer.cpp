#include "http/body_writer.hpp"

#include <array>
#include <charconv>

namespace rivulet::http {
namespace {

// Under one deadline: a peer that takes no more than this in `silence` is too slow.
constexpr std::size_t step_bytes = 64 * 1024;

} // namespace

body_writer::body_writer(exchange& peer, duration silence) : peer_(peer), silence_(silence) {}

void body_writer::start(const response& head, std::optional<std::uint64_t> length) {
    if (started_)
        return;
    started_ = true;
    left_ = length;
    head_ = length ? peer_.sized_head(head, *length) : peer_.streaming_head(head);
    peer_.finished(after_reply::close); // until its end is written
}

awaitable<error_code> body_writer::send(std::span<const asio::const_buffer> buffers) {
    auto& connection = peer_.connection();
    std::array<asio::const_buffer, 4> step;
    std::size_t index = 0, offset = 0;
    while (index < buffers.size() && !failed_) {
        std::size_t count = 0, room = step_bytes;
        while (index < buffers.size() && count < step.size() && room > 0) {
            const auto rest = asio::buffer(buffers[index] + offset, room);
            room -= rest.size();
            offset += rest.size();
            if (rest.size() > 0)
                step[count++] = rest;
            if (offset == buffers[index].size()) {
                ++index;
                offset = 0;
            }
        }
        // Also when it is cancelled: nobody knows then how much went out.
        failed_ = make_error_code(errc::cancelled);
        connection.expires_after(silence_);
        const std::span<const asio::const_buffer> now(step.data(), count);
        const auto failed = co_await connection.write(now);
        connection.expires_after(duration::max());
        failed_ = failed;
    }
    co_return failed_;
}

awaitable<error_code> body_writer::write_some(std::string_view piece, bool last) {
    if (failed_)
        co_return failed_;
    if (!started_ || ended_ || (left_ && piece.size() > *left_)) {
        failed_ = make_error_code(errc::invalid_argument);
        co_return failed_;
    }
    if (left_)
        *left_ -= piece.size();
    std::array<char, 18> size_line;
    std::array<asio::const_buffer, 4> buffers;
    std::size_t count = 0;
    if (!head_.empty())
        buffers[count++] = asio::buffer(head_);
    const bool framed = !left_ && peer_.chunked();
    static constexpr std::string_view end_of_chunk = "\r\n";
    static constexpr std::string_view end_of_both = "\r\n0\r\n\r\n";
    static constexpr std::string_view end_of_body = "0\r\n\r\n";
    if (!peer_.head_only()) {
        if (framed && !piece.empty()) {
            auto* end =
                std::to_chars(size_line.data(), size_line.data() + 16, piece.size(), 16).ptr;
            *end++ = '\r';
            *end++ = '\n';
            buffers[count++] =
                asio::buffer(size_line.data(), static_cast<std::size_t>(end - size_line.data()));
        }
        if (!piece.empty())
            buffers[count++] = asio::buffer(piece);
        const auto tail = piece.empty() ? end_of_body : last ? end_of_both : end_of_chunk;
        if (framed && (last || !piece.empty()))
            buffers[count++] = asio::buffer(tail);
    }
    const std::span<const asio::const_buffer> all(buffers.data(), count);
    const auto failed = co_await send(all);
    head_.clear();
    co_return failed;
}

awaitable<error_code> body_writer::flush() {
    co_return co_await write_some({}, false);
}

awaitable<error_code> body_writer::write(std::string_view piece) {
    co_return co_await write_some(piece, false);
}

awaitable<error_code> body_writer::end(std::string_view last) {
    if (left_ && *left_ != last.size() && !peer_.head_only() && !failed_)
        failed_ = make_error_code(errc::invalid_argument);
    auto failed = co_await write_some(last, true);
    if (failed)
        co_return failed;
    ended_ = true;
    // A body without an end of its own ends with the connection.
    if (left_ || peer_.chunked() || peer_.head_only())
        peer_.finished(after_reply::keep_alive);
    co_return error_code{};
}

} // namespace rivulet::http
