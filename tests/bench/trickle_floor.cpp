#include "trickle_floor.hpp"

#include "trickle_ends.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace rivulet::bench {

namespace {

struct peer {
    int fd;
    std::string hello;
    std::vector<peer*>* channel = nullptr; // its subscribers

    struct piece {
        std::shared_ptr<const std::string> bytes;
        std::size_t from;
    };

    std::deque<piece> queue; // what the socket did not take
};

class relay {
  public:
    [[noreturn]] void run(int listener) {
        listener_ = listener;
        watch(listener_, EPOLL_CTL_ADD, EPOLLIN, nullptr);
        std::array<epoll_event, 256> events;
        for (;;) {
            int count = epoll_wait(epoll_, events.data(), events.size(), -1);
            for (int i = 0; i < count; ++i) {
                auto* who = static_cast<peer*>(events[static_cast<std::size_t>(i)].data.ptr);
                if (!who)
                    accept_one();
                else if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0)
                    flush(*who);
                else
                    read_from(*who);
            }
        }
    }

  private:
    void watch(int fd, int operation, std::uint32_t events, peer* who) {
        epoll_event interest{.events = events, .data = {.ptr = who}};
        epoll_ctl(epoll_, operation, fd, &interest);
    }

    void accept_one() {
        int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd, EPOLL_CTL_ADD, EPOLLIN, new peer{.fd = fd}); // as long as the process
    }

    void read_from(peer& from) {
        auto n = recv(from.fd, buffer_.data(), buffer_.size(), 0);
        if (n <= 0) {
            epoll_ctl(epoll_, EPOLL_CTL_DEL, from.fd, nullptr);
            return;
        }
        std::string_view bytes(buffer_.data(), static_cast<std::size_t>(n));
        if (!from.channel) {
            auto rest = std::min(bytes.size(), raw_hello_bytes - from.hello.size());
            from.hello += bytes.substr(0, rest);
            bytes.remove_prefix(rest);
            if (from.hello.size() < raw_hello_bytes)
                return;
            from.channel = &channels_[from.hello.substr(1)];
            if (from.hello[0] == 'S')
                from.channel->push_back(&from);
            send_to(from, from.hello);
        }
        std::shared_ptr<const std::string> kept;
        for (auto* to : *from.channel) {
            auto taken = to->queue.empty() ? send_to(*to, bytes) : 0;
            if (taken == bytes.size())
                continue;
            if (!kept)
                kept = std::make_shared<std::string>(bytes);
            if (to->queue.empty())
                watch(to->fd, EPOLL_CTL_MOD, EPOLLOUT, to);
            to->queue.push_back({kept, taken});
        }
    }

    std::size_t send_to(peer& to, std::string_view bytes) {
        auto n = send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        return n < 0 ? 0 : static_cast<std::size_t>(n);
    }

    void flush(peer& to) {
        while (!to.queue.empty()) {
            auto& front = to.queue.front();
            front.from += send_to(to, std::string_view(*front.bytes).substr(front.from));
            if (front.from < front.bytes->size())
                return;
            to.queue.pop_front();
        }
        watch(to.fd, EPOLL_CTL_MOD, EPOLLIN, &to);
    }

    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    int listener_ = -1;
    std::map<std::string, std::vector<peer*>> channels_;
    std::array<char, 64 << 10> buffer_;
};

} // namespace

void run_floor_relay() {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in at{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    if (bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(listener, 4096) != 0)
        std::exit(1);
    getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
    std::printf("listening on 127.0.0.1:%u\n", ntohs(at.sin_port));
    std::fflush(stdout);
    auto forwarder = std::make_unique<relay>();
    forwarder->run(listener);
}

} // namespace rivulet::bench
