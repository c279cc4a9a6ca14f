#include "trickle_wire.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace rivulet::bench {

wire::wire(int epoll, const sockaddr_in& peer, const message_frame& frame, owner& user)
    : epoll_(epoll), frame_(frame), user_(user) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) {
        int why = errno;
        if (fd_ >= 0)
            ::close(fd_);
        throw std::system_error(why, std::generic_category(), "connect");
    }
    fcntl(fd_, F_SETFL, O_NONBLOCK);
    epoll_event interest{.events = EPOLLIN, .data = {.ptr = this}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &interest);
}

wire::~wire() {
    if (fd_ >= 0)
        ::close(fd_);
}

void wire::send_text(std::string text) {
    queue_.emplace_back(std::move(text));
    if (queue_.size() == 1)
        flush();
}

void wire::send_message(const message_head& head) {
    queue_.emplace_back(head);
    if (queue_.size() == 1)
        flush();
}

void wire::flush() {
    while (fd_ >= 0 && !queue_.empty()) {
        std::string_view parts[3];
        if (auto* text = std::get_if<std::string>(&queue_.front())) {
            parts[0] = *text;
        } else {
            auto& head = std::get<message_head>(queue_.front());
            parts[0] = frame_.before;
            parts[1] = {reinterpret_cast<const char*>(&head), sizeof head};
            parts[2] = frame_.after;
        }
        iovec vec[3];
        std::size_t used = 0;
        std::size_t left = 0;
        std::size_t skip = sent_;
        for (auto part : parts) {
            auto gone = std::min(skip, part.size());
            skip -= gone;
            part.remove_prefix(gone);
            left += part.size();
            if (!part.empty())
                vec[used++] = {const_cast<char*>(part.data()), part.size()};
        }
        msghdr message{};
        message.msg_iov = vec;
        message.msg_iovlen = used;
        auto n = sendmsg(fd_, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return watch(true);
        if (n < 0)
            return close(std::strerror(errno));
        sent_ += static_cast<std::size_t>(n);
        if (static_cast<std::size_t>(n) == left) {
            queue_.pop_front();
            sent_ = 0;
        }
    }
    watch(false);
}

void wire::watch(bool writable) {
    if (fd_ < 0 || writable == watching_writable_)
        return;
    watching_writable_ = writable;
    epoll_event interest{.events = EPOLLIN, .data = {.ptr = this}};
    if (writable)
        interest.events |= EPOLLOUT;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &interest);
}

void wire::close(std::string_view why) {
    ::close(std::exchange(fd_, -1));
    user_.on_closed(*this, why);
}

void wire::on_ready(std::uint32_t events) {
    static char buffer[256 << 10];
    if (fd_ >= 0 && (events & EPOLLOUT) != 0)
        flush();
    if (fd_ < 0 || (events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0)
        return;
    auto n = recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0)
        user_.on_bytes(*this, {buffer, static_cast<std::size_t>(n)});
    else if (n == 0)
        close("closed by the server");
    else if (errno != EAGAIN)
        close(std::strerror(errno));
}

} // namespace rivulet::bench
