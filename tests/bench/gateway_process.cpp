#include "bench/gateway_process.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <netinet/in.h>
#include <poll.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;

// The number after `word` and an address in "… rtmp 127.0.0.1:1935, …"; 0 when it is not there.
std::uint16_t port_after(const std::string& line, const std::string& word) {
    const auto at = line.find(word);
    if (at == line.npos)
        return 0;
    const auto end = line.find_first_of(",\n", at);
    const auto colon = line.rfind(':', end);
    return colon == line.npos || colon < at
               ? std::uint16_t{0}
               : static_cast<std::uint16_t>(std::strtoul(line.c_str() + colon + 1, nullptr, 10));
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

struct descriptor {
    explicit descriptor(int value) : fd(value) {}

    ~descriptor() {
        if (fd >= 0)
            ::close(fd);
    }

    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    int fd;
};

} // namespace

gateway_process::~gateway_process() {
    stop();
}

outcome<void> gateway_process::start(
    const std::string& binary, std::vector<std::string> arguments, const std::string& log_file
) {
    log_file_ = log_file;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return failure(error_code(errno, boost::system::system_category()), "no pipe");
    descriptor output(ends[0]);
    std::vector<char*> words{const_cast<char*>(binary.c_str())};
    for (auto& argument : arguments)
        words.push_back(argument.data());
    words.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
        // A group of its own: Ctrl-C is for the parent, which then stops this child in order.
        ::setpgid(0, 0);
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (::getppid() != parent)
            ::_exit(1);
        sigset_t none;
        sigemptyset(&none);
        ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
        ::dup2(ends[1], STDOUT_FILENO);
        const int log = ::open(log_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (log >= 0)
            ::dup2(log, STDERR_FILENO);
        ::execv(binary.c_str(), words.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    if (pid_ < 0)
        return failure(error_code(errno, boost::system::system_category()), "no process");
    return wait_until_ready(output.fd);
}

outcome<void> gateway_process::wait_until_ready(int output) {
    std::string text;
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (text.find('\n') == text.npos) {
        pollfd poll{output, POLLIN, 0};
        if (std::chrono::steady_clock::now() > limit)
            break;
        if (::poll(&poll, 1, 200) <= 0)
            continue;
        char buffer[512];
        const auto count = ::read(output, buffer, sizeof buffer);
        if (count <= 0)
            break;
        text.append(buffer, static_cast<std::size_t>(count));
    }
    http_port_ = port_after(text, "http ");
    rtmp_port_ = port_after(text, "rtmp ");
    worker_port_ = port_after(text, "worker ");
    if (http_port_ != 0 || worker_port_ != 0)
        return {};
    stop();
    return failure(errc::connect_failed, "rivulet did not start:\n" + log_tail());
}

bool gateway_process::running() {
    if (pid_ <= 0)
        return false;
    if (::waitpid(pid_, &exit_status_, WNOHANG) == 0)
        return true;
    pid_ = -1;
    return false;
}

bool gateway_process::stop() {
    if (!running())
        return false;
    ::kill(pid_, SIGTERM);
    for (int i = 0; i < 200 && running(); ++i)
        std::this_thread::sleep_for(100ms);
    if (running()) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, &exit_status_, 0);
        pid_ = -1;
        return false;
    }
    return WIFEXITED(exit_status_) && WEXITSTATUS(exit_status_) == 0;
}

std::chrono::milliseconds gateway_process::cpu_time() const {
    std::ifstream file(fmt::format("/proc/{}/stat", pid_));
    std::string text((std::istreambuf_iterator<char>(file)), {});
    // Fields 14 and 15, counted after the name in brackets, which may hold blanks.
    std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
    std::string skipped;
    for (int i = 3; i <= 13; ++i)
        fields >> skipped;
    long user = 0, system = 0;
    fields >> user >> system;
    return std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

std::uint64_t gateway_process::resident_bytes() const {
    std::ifstream file(fmt::format("/proc/{}/statm", pid_));
    std::uint64_t all = 0, resident = 0;
    file >> all >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

outcome<boost::json::value> gateway_process::get_json(const std::string& path) const {
    descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{5, 0};
    ::setsockopt(socket.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const auto address = loopback(http_port_);
    if (::connect(socket.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return failure(errc::connect_failed, "the gateway's API does not answer");
    const auto request =
        fmt::format("GET {} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n\r\n", path, http_port_);
    if (::send(socket.fd, request.data(), request.size(), MSG_NOSIGNAL) < 0)
        return failure(errc::connect_failed, "the gateway's API does not answer");
    std::string reply;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::recv(socket.fd, buffer, sizeof buffer, 0)) > 0;)
        reply.append(buffer, static_cast<std::size_t>(count));
    const auto body = reply.find("\r\n\r\n");
    if (reply.size() < 12 || body == reply.npos || reply.compare(9, 3, "200") != 0)
        return failure(errc::http_status, path + ": " + reply.substr(0, reply.find('\r')));
    error_code ec;
    auto value = boost::json::parse(reply.substr(body + 4), ec);
    if (ec)
        return failure(ec, path + ": the reply is no JSON");
    return value;
}

std::string gateway_process::log_tail() const {
    std::ifstream file(log_file_);
    std::string text((std::istreambuf_iterator<char>(file)), {});
    constexpr std::size_t most = 2000;
    return text.size() <= most ? text : text.substr(text.size() - most);
}

bool port_is_free(std::uint16_t port, transport over) {
    const int type = over == transport::tcp ? SOCK_STREAM : SOCK_DGRAM;
    descriptor socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    // What only lingers of a connection is free; with UDP this would share the port.
    const int yes = over == transport::tcp;
    ::setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const auto address = loopback(port);
    return ::bind(socket.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

} // namespace rivulet::test
