#include "trickle_generator.hpp"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <vector>

namespace rivulet::bench {

namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t setup_deadline = 10 * second;
constexpr std::uint64_t settle_time = second / 3;
constexpr std::uint64_t drain_deadline = 3 * second;

struct descriptor {
    int fd;

    explicit descriptor(int opened) : fd(opened) {}

    ~descriptor() { close(fd); }

    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
};

class generator {
  public:
    generator(
        const trickle_load& load,
        protocol speaks,
        const measured_process& server,
        const std::string& path
    )
        : load_(load), speaks_(speaks), frame_(
                                            speaks == protocol::http ? message_frame::framing::chunk
                                                                     : message_frame::framing::raw,
                                            load.message_bytes
                                        ),
          context_{
              epoll_.fd,
              server.address(),
              frame_,
              result_.counts,
              path,
              fmt::format("bench-{}-{}", getpid(), monotonic_ns() / 1'000'000)} {
        epoll_event interest{.events = EPOLLIN, .data = {.ptr = nullptr}};
        epoll_ctl(epoll_.fd, EPOLL_CTL_ADD, timer_.fd, &interest);
    }

    run_result run(const measured_process& server, double seconds) {
        connect_all();
        auto cpu_before = server.cpu_seconds();
        auto begin = monotonic_ns();
        auto end = begin + static_cast<std::uint64_t>(seconds * 1e9);
        if (load_.paced())
            send_paced(begin, end);
        else
            send_flat_out(end);
        auto deadline = monotonic_ns() + drain_deadline;
        turn_until([&] { return received_all() || monotonic_ns() > deadline; });
        result_.seconds = static_cast<double>(monotonic_ns() - begin) / 1e9;
        auto cpu_after = server.cpu_seconds();
        if (cpu_before && cpu_after)
            result_.cpu_seconds = *cpu_after - *cpu_before;
        result_.peak_rss_mb = server.peak_rss_mb();
        result_.delivered_gb =
            static_cast<double>(result_.counts.delivered) * load_.message_bytes / 1e9;
        auto measured = result_; // what happens while closing is not part of it
        close_all();
        return measured;
    }

  private:
    void connect_all() {
        auto deadline = monotonic_ns() + setup_deadline;
        auto all_ready = [&](auto& ends) {
            auto check = [](auto& each) { return each->ready(); };
            turn_until([&] {
                return std::all_of(ends.begin(), ends.end(), check) || monotonic_ns() > deadline;
            });
            if (monotonic_ns() > deadline)
                throw std::runtime_error(
                    "the server did not let all channels begin: " + result_.counts.first_problem
                );
        };
        bool http = speaks_ == protocol::http;
        for (std::uint32_t c = 0; c < load_.channels; ++c)
            publishers_.push_back(
                http ? create_http_publisher(context_, c) : create_raw_publisher(context_, c)
            );
        all_ready(publishers_);
        for (std::uint32_t i = 0; i < load_.channels * load_.subscribers; ++i) {
            auto c = i / load_.subscribers;
            subscribers_.push_back(
                http ? create_http_subscriber(context_, c) : create_raw_subscriber(context_, c)
            );
        }
        all_ready(subscribers_);
        auto settled = monotonic_ns() + settle_time;
        turn_until([&] { return monotonic_ns() > settled; });
    }

    // The channels' messages are spread evenly over their period, and so are the segments' ends.
    void send_paced(std::uint64_t begin, std::uint64_t end) {
        double gap = 1e9 / load_.rate / load_.channels;
        std::uint64_t number = 0;
        for (auto due = begin; due < end;) {
            auto now = monotonic_ns();
            if (now < due) {
                wake_at(due);
                turn();
                continue;
            }
            auto channel = number % load_.channels;
            auto round =
                number / load_.channels + channel * load_.segment_messages / load_.channels;
            auto& to = *publishers_[channel];
            if (number >= load_.channels && round % load_.segment_messages == 0)
                to.end_segment();
            to.send();
            result_.late.record(now - due);
            result_.expected += load_.subscribers;
            due = begin + static_cast<std::uint64_t>(static_cast<double>(++number) * gap);
        }
    }

    void send_flat_out(std::uint64_t end) {
        auto& to = *publishers_[0];
        std::uint64_t sent = 0;
        while (monotonic_ns() < end) {
            auto slowest = sent;
            for (auto& each : subscribers_)
                slowest = std::min(slowest, each->received());
            while (!to.blocked() && sent - slowest < max_messages_ahead) {
                if (sent != 0 && sent % load_.segment_messages == 0)
                    to.end_segment();
                to.send();
                ++sent;
            }
            turn();
        }
        result_.expected = sent * load_.subscribers;
    }

    bool received_all() const {
        std::uint64_t sum = 0;
        for (auto& each : subscribers_)
            sum += each->received();
        return sum >= result_.expected;
    }

    void close_all() {
        for (auto& each : publishers_)
            each->finish();
        auto deadline = monotonic_ns() + second;
        auto check = [](auto& each) { return each->finished(); };
        turn_until([&] {
            return std::all_of(publishers_.begin(), publishers_.end(), check) ||
                   monotonic_ns() > deadline;
        });
    }

    void wake_at(std::uint64_t when) {
        itimerspec at{};
        at.it_value.tv_sec = static_cast<time_t>(when / second);
        at.it_value.tv_nsec = static_cast<long>(when % second);
        timerfd_settime(timer_.fd, TFD_TIMER_ABSTIME, &at, nullptr);
    }

    void turn() {
        std::array<epoll_event, 128> events;
        int count = epoll_wait(epoll_.fd, events.data(), events.size(), 20);
        for (int i = 0; i < count; ++i) {
            auto& event = events[static_cast<std::size_t>(i)];
            if (auto* ready = static_cast<wire*>(event.data.ptr)) {
                ready->on_ready(event.events);
            } else {
                std::uint64_t expirations = 0;
                [[maybe_unused]] auto n = read(timer_.fd, &expirations, sizeof expirations);
            }
        }
    }

    template <class Condition>
    void turn_until(Condition done) {
        while (!done())
            turn();
    }

    descriptor epoll_{epoll_create1(EPOLL_CLOEXEC)};
    descriptor timer_{timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    const trickle_load& load_;
    protocol speaks_;
    run_result result_;
    message_frame frame_;
    run_context context_;
    std::vector<std::unique_ptr<publisher>> publishers_;
    std::vector<std::unique_ptr<subscriber>> subscribers_;
};

} // namespace

void run_result::merge(const run_result& other) {
    counts.latency.merge(other.counts.latency);
    counts.delivered += other.counts.delivered;
    if (counts.problems == 0)
        counts.first_problem = other.counts.first_problem;
    counts.problems += other.counts.problems;
    late.merge(other.late);
    expected += other.expected;
    delivered_gb += other.delivered_gb;
    seconds += other.seconds;
    if (other.cpu_seconds)
        cpu_seconds = cpu_seconds.value_or(0) + *other.cpu_seconds;
    if (other.peak_rss_mb)
        peak_rss_mb = std::max(peak_rss_mb.value_or(0), *other.peak_rss_mb);
}

double run_result::share() const {
    return expected ? static_cast<double>(counts.delivered) / static_cast<double>(expected) : 0;
}

run_result run_load(
    const trickle_load& load,
    protocol speaks,
    const measured_process& server,
    const std::string& path,
    double seconds
) {
    return generator(load, speaks, server, path).run(server, seconds);
}

} // namespace rivulet::bench
