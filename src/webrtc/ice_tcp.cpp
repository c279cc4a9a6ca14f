#include "webrtc/ice_tcp.hpp"

#include <boost/asio/write.hpp>

#include <algorithm>
#include <cstring>

namespace rivulet::webrtc {

std::span<std::uint8_t> frame_reader::room() {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    // What is left is less than a frame, so there is room.
    buffer_.resize(8 * max_frame);
    return std::span(buffer_).subspan(end_);
}

bool frame_reader::fits() const {
    return end_ - begin_ < 2 || (buffer_[begin_] << 8 | buffer_[begin_ + 1]) <= int{max_frame};
}

bool frame_reader::filled(std::size_t count) {
    end_ += count;
    return fits();
}

std::span<std::uint8_t> frame_reader::next() {
    // Empty frames mean nothing.
    while (end_ - begin_ >= 2 && buffer_[begin_] == 0 && buffer_[begin_ + 1] == 0)
        begin_ += 2;
    if (end_ - begin_ < 2 || !fits())
        return {};
    const std::size_t length = static_cast<std::size_t>(buffer_[begin_]) << 8 | buffer_[begin_ + 1];
    if (end_ - begin_ < 2 + length)
        return {};
    const auto* at = buffer_.data() + begin_ + 2;
    frame_.assign(at, at + length); // decrypted in place, and for that aligned
    begin_ += 2 + length;
    return frame_;
}

ice_tcp_link::ice_tcp_link(tcp::socket socket, path where)
    : socket_(std::move(socket)), where_(std::move(where)), limit_(socket_.get_executor()) {}

awaitable<void> ice_tcp_link::run(receiver receive, duration limit) {
    const auto self = shared_from_this();
    limit_.expires_after(limit);
    limit_.async_wait([self](error_code ec) {
        if (!ec && !self->adopted_)
            self->close();
    });
    frame_reader frames;
    while (!closed_) {
        const auto room = frames.room();
        const auto [ec, count] =
            co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), as_tuple);
        if (ec || closed_ || !frames.filled(count))
            break;
        for (auto frame = frames.next(); !frame.empty() && !closed_; frame = frames.next())
            if (!receive(where_, frame))
                close();
        // A frame too long may begin behind the last good one.
        if (!frames.filled(0))
            break;
    }
    close();
}

void ice_tcp_link::adopt() {
    adopted_ = true;
    limit_.cancel();
}

void ice_tcp_link::close() {
    if (closed_)
        return;
    closed_ = true;
    limit_.cancel();
    error_code ignored;
    socket_.close(ignored);
}

std::span<std::uint8_t> ice_tcp_link::room(std::size_t size) {
    if (closed_ || filling_.size() > max_waiting)
        return {};
    room_.resize(size);
    return room_;
}

void ice_tcp_link::commit(std::size_t length) {
    filling_.push_back(static_cast<std::uint8_t>(length >> 8));
    filling_.push_back(static_cast<std::uint8_t>(length));
    filling_.insert(filling_.end(), room_.begin(), room_.begin() + static_cast<long>(length));
}

void ice_tcp_link::flush() {
    if (writing_ || closed_ || filling_.empty())
        return;
    writing_ = true;
    sending_.clear();
    sending_.swap(filling_);
    const auto done = [self = shared_from_this()](error_code ec, std::size_t) {
        self->writing_ = false;
        if (ec)
            return self->close();
        self->flush();
    };
    asio::async_write(socket_, asio::buffer(sending_), done);
}

} // namespace rivulet::webrtc
