#include "support/raw_http.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rivulet::test {

bool raw_reply::has(std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (key.size() == name.size() && strncasecmp(key.data(), name.data(), name.size()) == 0)
            return true;
    return false;
}

std::string raw_reply::operator[](std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (key.size() == name.size() && strncasecmp(key.data(), name.data(), name.size()) == 0)
            return value;
    return {};
}

raw_client::raw_client(std::uint16_t port, const std::string& host)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &to.sin_addr);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        const std::string why = std::strerror(errno);
        ::close(fd_);
        throw raw_http_error("connect: " + why);
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

raw_client::~raw_client() {
    close();
}

raw_client::raw_client(raw_client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), interim_(other.interim_), limit_(other.limit_),
      buffer_(std::move(other.buffer_)) {}

raw_client& raw_client::send(std::string_view text) {
    while (!text.empty()) {
        pollfd ready{fd_, POLLOUT, 0};
        if (::poll(&ready, 1, static_cast<int>(limit_.count())) <= 0)
            throw raw_http_error("send: the peer takes nothing");
        const auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            throw raw_http_error(std::string("send: ") + std::strerror(errno));
        if (n > 0)
            text.remove_prefix(static_cast<std::size_t>(n));
    }
    return *this;
}

raw_client& raw_client::send_chunk(std::string_view data) {
    return send(chunk_text(data));
}

bool raw_client::wait_readable(milliseconds limit) const {
    pollfd ready{fd_, POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(limit.count())) > 0;
}

std::size_t raw_client::receive() {
    if (!wait_readable(limit_))
        throw raw_http_error("read: nothing came in time; so far: " + buffer_.substr(0, 200));
    char piece[64 * 1024];
    const auto n = ::recv(fd_, piece, sizeof piece, 0);
    if (n < 0)
        throw raw_http_error(std::string("read: ") + std::strerror(errno));
    buffer_.append(piece, static_cast<std::size_t>(n));
    return static_cast<std::size_t>(n);
}

std::string raw_client::read_line() {
    for (;;) {
        const auto end = buffer_.find("\r\n");
        if (end != std::string::npos) {
            auto line = buffer_.substr(0, end);
            buffer_.erase(0, end + 2);
            return line;
        }
        if (receive() == 0)
            throw raw_http_error(
                "read: the connection ended inside a line: " + buffer_.substr(0, 200)
            );
    }
}

raw_reply raw_client::read_head() {
    raw_reply reply;
    auto line = read_line();
    const auto first = line.find(' ');
    const auto second = line.find(' ', first + 1);
    if (!line.starts_with("HTTP/1.") || first == std::string::npos)
        throw raw_http_error("not a status line: " + line);
    reply.version = line.substr(0, first);
    reply.status = std::stoi(line.substr(first + 1, second - first - 1));
    reply.reason = second == std::string::npos ? "" : line.substr(second + 1);
    for (line = read_line(); !line.empty(); line = read_line()) {
        const auto colon = line.find(": ");
        if (colon == std::string::npos) {
            if (!line.ends_with(':'))
                throw raw_http_error("not a header: " + line);
            reply.headers.emplace_back(line.substr(0, line.size() - 1), "");
        } else {
            reply.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
        }
    }
    return reply;
}

raw_reply raw_client::read_reply(bool to_head_request) {
    auto reply = read_head();
    while (reply.status < 200) {
        ++interim_;
        reply = read_head();
    }
    if (to_head_request || reply.status == 204 || reply.status == 304)
        return reply;
    if (reply["Transfer-Encoding"] == "chunked") {
        for (auto piece = read_chunk(); !piece.empty(); piece = read_chunk())
            reply.body += piece;
    } else if (reply.has("Content-Length")) {
        reply.body = read_exactly(std::stoul(reply["Content-Length"]));
    } else {
        reply.body = read_to_end();
    }
    return reply;
}

std::string raw_client::read_chunk() {
    const auto line = read_line();
    std::size_t size = 0;
    const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
    if (ec != std::errc{} || end != line.data() + line.size())
        throw raw_http_error("not a chunk size: " + line);
    auto data = read_exactly(size);
    if (!read_line().empty())
        throw raw_http_error("a chunk is longer than it says");
    return data;
}

std::string raw_client::read_exactly(std::size_t size) {
    while (buffer_.size() < size)
        if (receive() == 0)
            throw raw_http_error(
                "read: the connection ended too early; got: " + buffer_.substr(0, 200)
            );
    auto taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
}

std::string raw_client::read_to_end() {
    while (receive() != 0) {
    }
    return std::exchange(buffer_, {});
}

bool raw_client::silent_for(milliseconds time) {
    return buffer_.empty() && !wait_readable(time);
}

bool raw_client::ends() {
    if (!buffer_.empty() || !wait_readable(limit_))
        return false;
    char byte;
    return ::recv(fd_, &byte, 1, 0) == 0;
}

void raw_client::finish_sending() {
    ::shutdown(fd_, SHUT_WR);
}

void raw_client::close() {
    if (fd_ >= 0)
        ::close(std::exchange(fd_, -1));
}

void raw_client::reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

void raw_client::shrink_receive_buffer() {
    const int size = 4096;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

std::string request_text(std::string_view method, std::string_view path, std::string_view extra) {
    std::string text(method);
    text += ' ';
    text += path;
    text += " HTTP/1.1\r\nHost: test\r\n";
    text += extra;
    text += "\r\n";
    return text;
}

std::string request_with_body(
    std::string_view method, std::string_view path, std::string_view body, std::string_view extra
) {
    const auto length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return request_text(method, path, length + std::string(extra)) + std::string(body);
}

std::string open_request(std::string_view method, std::string_view path, std::string_view extra) {
    return request_text(method, path, "Transfer-Encoding: chunked\r\n" + std::string(extra));
}

std::string chunk_text(std::string_view data) {
    char size[20];
    const auto end = std::to_chars(size, size + sizeof size, data.size(), 16).ptr;
    return std::string(size, end) + "\r\n" + std::string(data) + "\r\n";
}

raw_reply ask(std::uint16_t port, std::string_view request) {
    raw_client client(port);
    client.send(request);
    return client.read_reply(request.starts_with("HEAD "));
}

} // namespace rivulet::test
