// What a WHEP viewer costs: headless viewers of our own (ICE, DTLS, SRTP; nothing is decoded) watch
// one stream of a process that serves nothing else; the process's CPU time is read from outside.
// In the same run, the yardstick: the same packets, unencrypted, by bare sendmmsg to the same
// number of sockets.
//
//   bench_whep [--viewers N[,N…]] [--for SECONDS] [--kbit KBIT] [--json]
#include "base/asio.hpp"
#include "base/log.hpp"
#include "bench/whep_server.hpp"
#include "support/whep_viewer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace rivulet::bench {
namespace {

using namespace std::chrono_literals;

struct bench_options {
    std::vector<int> viewers{1, 50, 200};
    int seconds = 8;
    int kilobits = 2'500;
    bool json = false;
};

constexpr const char* usage = "bench_whep [--viewers N[,N...]] [--for SECONDS] [--kbit KBIT] "
                              "[--json]\n";

// This program again with other arguments; ends when it is destroyed.
class child {
  public:
    explicit child(std::vector<std::string> arguments) {
        std::array<int, 2> in{}, out{};
        if (::pipe(in.data()) != 0 || ::pipe(out.data()) != 0)
            throw std::runtime_error("pipe");
        id_ = ::fork();
        if (id_ < 0)
            throw std::runtime_error("fork");
        if (id_ == 0) {
            ::dup2(in[0], STDIN_FILENO);
            ::dup2(out[1], STDOUT_FILENO);
            for (int end : {in[0], in[1], out[0], out[1]})
                ::close(end);
            arguments.insert(arguments.begin(), "bench_whep");
            std::vector<char*> raw;
            for (auto& one : arguments)
                raw.push_back(one.data());
            raw.push_back(nullptr);
            ::execv("/proc/self/exe", raw.data());
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        hold_ = in[1];
        said_ = out[0];
        std::string line;
        for (char c = 0; ::read(said_, &c, 1) == 1 && c != '\n';)
            line += c;
        if (line.empty())
            throw std::runtime_error("the serving process did not start");
        port_ = static_cast<std::uint16_t>(std::atoi(line.c_str()));
    }

    ~child() {
        ::close(hold_);
        ::close(said_);
        int status = 0;
        ::waitpid(id_, &status, 0);
    }

    child(const child&) = delete;
    child& operator=(const child&) = delete;

    std::uint16_t port() const { return port_; }

    double cpu_seconds() const {
        std::ifstream file(fmt::format("/proc/{}/stat", id_));
        std::string text((std::istreambuf_iterator<char>(file)), {});
        std::istringstream fields(text.substr(text.rfind(')') + 2));
        std::string skip;
        for (int i = 0; i < 11; ++i)
            fields >> skip;
        double user = 0, system = 0;
        fields >> user >> system;
        return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }

    std::size_t resident_kib() const {
        std::ifstream file(fmt::format("/proc/{}/statm", id_));
        std::size_t whole = 0, resident = 0;
        file >> whole >> resident;
        return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
    }

  private:
    pid_t id_ = -1;
    int hold_ = -1, said_ = -1;
    std::uint16_t port_ = 0;
};

struct measured {
    double cpu = 0; // seconds a second
    std::uint64_t packets = 0;
    double seconds = 0;
    double first_packet_ms = 0; // median, from the POST on
    double worst = 0;           // the packets of the worst viewer, percent of the best one's
    std::size_t resident_kib = 0;
    int failed = 0;
};

measured measure_whep(int viewers, const bench_options& options) {
    child server({"--serve", std::to_string(options.kilobits)});
    std::vector<std::unique_ptr<test::whep_viewer>> all;
    std::vector<double> joined;
    measured result;
    for (int i = 0; i < viewers; ++i) {
        auto viewer = std::make_unique<test::whep_viewer>(server.port(), "/cam/whep");
        viewer->peer().decrypt = false;
        const bool came =
            viewer->accepted() && viewer->run_until([&] { return viewer->peer().unread > 0; });
        if (!came) {
            ++result.failed;
            continue;
        }
        joined.push_back(
            std::chrono::duration<double, std::milli>(steady_clock::now() - viewer->begun()).count()
        );
        all.push_back(std::move(viewer));
        for (const auto& earlier : all)
            earlier->step(0ms);
    }
    auto run = [&](duration time) {
        const auto until = steady_clock::now() + time;
        while (steady_clock::now() < until) {
            for (const auto& viewer : all)
                viewer->step(0ms);
            asio::io_context pause;
            asio::steady_timer timer(pause, 4ms);
            timer.wait();
        }
    };
    auto packets = [&] {
        std::uint64_t sum = 0;
        for (const auto& viewer : all)
            sum += viewer->peer().unread;
        return sum;
    };
    run(2s); // everybody is at the live edge
    const auto cpu = server.cpu_seconds();
    const auto before = packets();
    std::vector<std::size_t> each;
    for (const auto& viewer : all)
        each.push_back(viewer->peer().unread);
    const auto begun = steady_clock::now();
    run(std::chrono::seconds(options.seconds));
    result.seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
    result.cpu = (server.cpu_seconds() - cpu) / result.seconds;
    result.packets = packets() - before;
    for (std::size_t i = 0; i < all.size(); ++i)
        each[i] = all[i]->peer().unread - each[i];
    const auto [low, high] = std::minmax_element(each.begin(), each.end());
    if (low != each.end() && *high > 0)
        result.worst = 100.0 * static_cast<double>(*low) / static_cast<double>(*high);
    result.resident_kib = server.resident_kib();
    std::sort(joined.begin(), joined.end());
    if (!joined.empty())
        result.first_packet_ms = joined[joined.size() / 2];
    return result;
}

measured measure_floor(int viewers, const bench_options& options) {
    std::vector<int> sockets;
    std::vector<std::string> arguments{"--floor", std::to_string(options.kilobits)};
    for (int i = 0; i < viewers; ++i) {
        const int one = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const int buffer = 1 << 20;
        ::setsockopt(one, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof name;
        if (::bind(one, reinterpret_cast<sockaddr*>(&name), length) != 0 ||
            ::getsockname(one, reinterpret_cast<sockaddr*>(&name), &length) != 0)
            throw std::runtime_error(std::strerror(errno));
        sockets.push_back(one);
        arguments.push_back(std::to_string(ntohs(name.sin_port)));
    }
    child server(std::move(arguments));
    measured result;
    std::array<char, 2048> room{};
    auto run = [&](duration time) {
        const auto until = steady_clock::now() + time;
        while (steady_clock::now() < until) {
            for (int one : sockets)
                while (::recv(one, room.data(), room.size(), 0) >= 0)
                    ++result.packets;
            asio::io_context pause;
            asio::steady_timer timer(pause, 4ms);
            timer.wait();
        }
    };
    run(1s);
    result.packets = 0;
    const auto cpu = server.cpu_seconds();
    const auto begun = steady_clock::now();
    run(std::chrono::seconds(options.seconds));
    result.seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
    result.cpu = (server.cpu_seconds() - cpu) / result.seconds;
    for (int one : sockets)
        ::close(one);
    return result;
}

int run(const bench_options& options) {
    if (!options.json)
        fmt::print(
            "One stream of {} kbit/s, 30 fps, 720p headers; percent of one core, over {} s\n\n"
            "{:>8} {:>10} {:>8} {:>12} {:>12} {:>8} {:>8} {:>10} {:>10}\n",
            options.kilobits,
            options.seconds,
            "viewers",
            "packets/s",
            "CPU %",
            "% a viewer",
            "bare %",
            "ratio",
            "worst %",
            "first ms",
            "RSS MiB"
        );
    bool good = true;
    for (const int viewers : options.viewers) {
        const auto bare = measure_floor(viewers, options);
        const auto whep = measure_whep(viewers, options);
        const double each = 100 * whep.cpu / viewers, bare_each = 100 * bare.cpu / viewers;
        good = good && whep.failed == 0 && whep.packets > 0;
        if (options.json) {
            fmt::print(
                "{{\"viewers\":{},\"kbit\":{},\"packets_per_second\":{:.0f},\"cpu_percent\":{:.2f},"
                "\"cpu_percent_per_viewer\":{:.4f},\"bare_percent_per_viewer\":{:.4f},"
                "\"worst_viewer_percent\":{:.2f},"
                "\"first_packet_ms\":{:.1f},\"rss_kib\":{},\"failed\":{}}}\n",
                viewers,
                options.kilobits,
                static_cast<double>(whep.packets) / whep.seconds,
                100 * whep.cpu,
                each,
                bare_each,
                whep.worst,
                whep.first_packet_ms,
                whep.resident_kib,
                whep.failed
            );
        } else {
            fmt::print(
                "{:>8} {:>10.0f} {:>8.1f} {:>12.3f} {:>12.3f} {:>8.2f} {:>8.1f} {:>10.0f} "
                "{:>10.1f}\n",
                viewers,
                static_cast<double>(whep.packets) / whep.seconds,
                100 * whep.cpu,
                each,
                bare_each,
                bare_each > 0 ? each / bare_each : 0.0,
                whep.worst,
                whep.first_packet_ms,
                static_cast<double>(whep.resident_kib) / 1024
            );
            if (whep.failed > 0)
                fmt::print("         {} viewers got no media\n", whep.failed);
        }
        std::fflush(stdout);
    }
    return good ? 0 : 1;
}

std::optional<bench_options> read_options(int argc, char** argv) {
    bench_options options;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--json") {
            options.json = true;
            continue;
        }
        const std::string value = i + 1 < argc ? argv[++i] : "";
        if (name == "--viewers") {
            options.viewers.clear();
            std::istringstream list(value);
            for (std::string one; std::getline(list, one, ',');)
                options.viewers.push_back(std::atoi(one.c_str()));
        } else if (name == "--for") {
            options.seconds = std::atoi(value.c_str());
        } else if (name == "--kbit") {
            options.kilobits = std::atoi(value.c_str());
        } else {
            return std::nullopt;
        }
    }
    const auto fits = [](int n) { return n >= 1 && n <= 2'000; };
    if (options.viewers.empty() ||
        !std::all_of(options.viewers.begin(), options.viewers.end(), fits) || options.seconds < 1 ||
        options.seconds > 600 || options.kilobits < 50 || options.kilobits > 50'000)
        return std::nullopt;
    return options;
}

} // namespace
} // namespace rivulet::bench

int main(int argc, char** argv) {
    using namespace rivulet;
    using namespace rivulet::bench;
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() == 2 && arguments[0] == "--serve")
        return serve_whep(std::atoi(arguments[1].c_str()));
    if (arguments.size() >= 2 && arguments[0] == "--floor") {
        std::vector<std::uint16_t> ports;
        for (std::size_t i = 2; i < arguments.size(); ++i)
            ports.push_back(static_cast<std::uint16_t>(std::atoi(arguments[i].c_str())));
        return serve_floor(std::atoi(arguments[1].c_str()), ports);
    }
    const auto options = read_options(argc, argv);
    if (!options) {
        fmt::print(stderr, "{}", usage);
        return 2;
    }
    set_log_level(log_level::warning);
    try {
        return run(*options);
    } catch (const std::exception& problem) {
        fmt::print(stderr, "bench: {}\n", problem.what());
        return 1;
    }
}
