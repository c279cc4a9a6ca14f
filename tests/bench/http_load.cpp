#include "http_load.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <netinet/tcp.h>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace rivulet::bench {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

clock::duration seconds_long(double seconds) {
    return std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
}

// A message with a Content-Length at the start of `text`: its whole length, once its head is there.
std::optional<std::size_t> message_length(std::string_view text) {
    const auto head = text.find("\r\n\r\n");
    if (head == std::string_view::npos)
        return {};
    constexpr std::string_view name = "\r\ncontent-length:";
    std::size_t length = 0;
    for (std::size_t at = 0; at < head; ++at) {
        if (text.size() - at >= name.size() && text[at] == '\r' &&
            strncasecmp(text.data() + at, name.data(), name.size()) == 0) {
            length = std::strtoull(text.data() + at + name.size(), nullptr, 10);
            break;
        }
    }
    return head + 4 + length;
}

void watch(int epoll, int socket, std::uint32_t events, void* tag) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = tag;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0)
        throw std::runtime_error(std::string("epoll_ctl: ") + std::strerror(errno));
}

void no_delay(int socket) {
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

// One connection of the generator.
struct asker {
    int socket = -1;
    std::string received;
    std::size_t sent = 0; // of the request
    bool busy = false;
    clock::time_point due{};

    ~asker() {
        if (socket >= 0)
            close(socket);
    }
};

class generator {
  public:
    explicit generator(const load& wanted) : wanted_(wanted), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        for (int i = 0; i < wanted.connections; ++i) {
            askers_.push_back(std::make_unique<asker>());
            connect_again(*askers_.back());
        }
    }

    ~generator() { close(epoll_); }

    load_result run() {
        const auto begin = clock::now();
        const auto end = begin + wanted_.length;
        double due_count = 0;
        for (auto now = begin; now < end || busy_ > 0; now = clock::now()) {
            if (now > end + std::chrono::seconds(10))
                break; // the rest never came
            if (now < end) {
                if (wanted_.rate > 0) {
                    const double seconds = std::chrono::duration<double>(now - begin).count();
                    for (; due_count < seconds * wanted_.rate; ++due_count)
                        waiting_.push_back(begin + seconds_long(due_count / wanted_.rate));
                } else {
                    waiting_.assign(idle_.size(), now);
                }
                while (!waiting_.empty() && !idle_.empty()) {
                    auto& one = *idle_.back();
                    idle_.pop_back();
                    one.due = waiting_.front();
                    waiting_.pop_front();
                    ask(one);
                }
            }
            // No longer than until the next request is due.
            const auto next = begin + seconds_long(due_count / std::max(wanted_.rate, 1.0));
            step(wanted_.rate > 0 && now < end ? next - clock::now() : 20ms);
        }
        result_.failed += static_cast<std::uint64_t>(busy_) + waiting_.size();
        if (!waiting_.empty() && result_.first_failure.empty())
            result_.first_failure = "the rate could not be kept";
        result_.seconds = std::chrono::duration<double>(wanted_.length).count();
        return std::move(result_);
    }

  private:
    void connect_again(asker& one) {
        if (one.socket >= 0)
            close(one.socket);
        one.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto address = loopback(wanted_.port);
        if (connect(one.socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
        no_delay(one.socket);
        one.received.clear();
        watch(epoll_, one.socket, EPOLLIN, &one);
        idle_.push_back(&one);
    }

    void ask(asker& one) {
        one.busy = true;
        ++busy_;
        // A kilobyte or two always fits an idle connection's buffer.
        const auto count =
            send(one.socket, wanted_.request.data(), wanted_.request.size(), MSG_NOSIGNAL);
        if (count != static_cast<ssize_t>(wanted_.request.size()))
            fail(one, "a request was not taken");
    }

    void fail(asker& one, std::string why) {
        ++result_.failed;
        if (result_.first_failure.empty())
            result_.first_failure = std::move(why);
        if (one.busy)
            --busy_;
        one.busy = false;
        connect_again(one);
    }

    void step(clock::duration wait) {
        wait = std::clamp<clock::duration>(wait, 0ns, 20ms);
        const timespec limit{0, static_cast<long>(std::chrono::nanoseconds(wait).count())};
        std::array<epoll_event, 64> events;
        const int count =
            epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &limit, nullptr);
        for (int i = 0; i < count; ++i)
            take(*static_cast<asker*>(events[static_cast<std::size_t>(i)].data.ptr));
    }

    void take(asker& one) {
        std::array<char, 16 * 1024> piece;
        const auto count = recv(one.socket, piece.data(), piece.size(), MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (count <= 0) {
            std::erase(idle_, &one);
            return fail(one, "a connection was closed");
        }
        one.received.append(piece.data(), static_cast<std::size_t>(count));
        const auto length = message_length(one.received);
        if (!length || one.received.size() < *length)
            return;
        if (!one.received.starts_with("HTTP/1.1 200"))
            return fail(one, one.received.substr(0, 300));
        result_.latency.record(
            static_cast<std::uint64_t>(std::chrono::nanoseconds(clock::now() - one.due).count())
        );
        ++result_.answered;
        one.received.clear();
        one.busy = false;
        --busy_;
        idle_.push_back(&one);
    }

    const load& wanted_;
    const int epoll_;
    std::vector<std::unique_ptr<asker>> askers_;
    std::vector<asker*> idle_;
    std::deque<clock::time_point> waiting_;
    int busy_ = 0;
    load_result result_;
};

} // namespace

http_stub::http_stub(std::string reply) : reply_(std::move(reply)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    auto address = loopback(0);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        listen(listener_, 1024) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::runtime_error(std::string("stub: ") + std::strerror(errno));
    port_ = ntohs(address.sin_port);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    wake_ = eventfd(0, EFD_CLOEXEC);
    watch(epoll_, listener_, EPOLLIN, &listener_);
    watch(epoll_, wake_, EPOLLIN, &wake_);
    thread_ = std::thread([this] { run(); });
}

http_stub::~http_stub() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_, &one, sizeof one);
    thread_.join();
    close(wake_);
    close(epoll_);
    close(listener_);
}

void http_stub::run() {
    struct peer {
        int socket;
        std::string received;
    };

    std::map<int, peer> peers;
    std::array<epoll_event, 64> events;
    std::array<char, 64 * 1024> piece;
    while (true) {
        const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            void* tag = events[static_cast<std::size_t>(i)].data.ptr;
            if (tag == &wake_) {
                for (auto& [socket, one] : peers)
                    close(socket);
                return;
            }
            if (tag == &listener_) {
                const int socket =
                    accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (socket < 0)
                    continue;
                no_delay(socket);
                auto& one = peers[socket] = peer{socket, {}};
                watch(epoll_, socket, EPOLLIN, &one);
                continue;
            }
            auto& one = *static_cast<peer*>(tag);
            const auto got = recv(one.socket, piece.data(), piece.size(), 0);
            if (got < 0 && (errno == EAGAIN || errno == EINTR))
                continue;
            if (got <= 0) {
                const int socket = one.socket;
                close(socket);
                peers.erase(socket);
                continue;
            }
            one.received.append(piece.data(), static_cast<std::size_t>(got));
            for (auto length = message_length(one.received);
                 length && one.received.size() >= *length;
                 length = message_length(one.received)) {
                one.received.erase(0, *length);
                ++answered_;
                [[maybe_unused]] const auto sent =
                    send(one.socket, reply_.data(), reply_.size(), MSG_NOSIGNAL);
            }
        }
    }
}

load_result run_load(const load& wanted) {
    return generator(wanted).run();
}

} // namespace rivulet::bench
