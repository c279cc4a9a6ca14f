// bench_soak: many passthrough streams through one gateway for a long time. Fails when a frame or a
// segment is lost, when a player is interrupted, or when memory grows after the settling time.
#include "bench/gateway_process.hpp"
#include "bench/stream_probe.hpp"
#include "bench/test_clip.hpp"
#include "support/rtmp_client.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/json/value.hpp>
#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace {

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;
namespace json = boost::json;
namespace fs = std::filesystem;

struct soak_options {
    std::string rivulet = "build/rivulet";
    std::string pipeline = "passthrough";
    int streams = 8;
    int seconds = 120;
    int settle = 0;       // 0: a quarter of the time, at most 5 minutes
    int interval = 10;    // between two lines
    double growth = 5.0;  // percent of resident memory allowed after settling
    double growth_mb = 8; // and at least so much, since one clip's window may arrive later
    clip_shape clip;
};

constexpr const char* usage =
    "bench_soak [--for 120s] [--streams 8] [--settle 30s] [--interval 10s] [--growth 5]\n"
    "           [--pipeline passthrough] [--size 1280x720] [--fps 30] [--rivulet build/rivulet]\n"
    "Fails when a frame or segment is lost, or when memory grows by more than --growth percent\n"
    "(and more than 8 MB) after the settling time.\n";

// "90", "90s" or "30m".
int seconds_of(const std::string& text) {
    char* end = nullptr;
    const long value = std::strtol(text.c_str(), &end, 10);
    const std::string unit = end;
    if (end == text.c_str() || value < 0 || (!unit.empty() && unit != "s" && unit != "m"))
        return -1;
    return static_cast<int>(unit == "m" ? value * 60 : value);
}

bool read_options(int argc, char** argv, soak_options& options) {
    for (int i = 1; i < argc; ++i) {
        std::string name = argv[i], value;
        if (const auto equals = name.find('='); equals != name.npos) {
            value = name.substr(equals + 1);
            name.resize(equals);
        } else if (i + 1 < argc) {
            value = argv[++i];
        }
        bool good = !value.empty();
        if (name == "--for")
            good = (options.seconds = seconds_of(value)) > 0;
        else if (name == "--settle")
            good = (options.settle = seconds_of(value)) >= 0;
        else if (name == "--interval")
            good = (options.interval = seconds_of(value)) > 0;
        else if (name == "--streams")
            good = (options.streams = std::atoi(value.c_str())) > 0;
        else if (name == "--fps")
            good = (options.clip.fps = std::atoi(value.c_str())) > 0;
        else if (name == "--growth")
            good = (options.growth = std::atof(value.c_str())) > 0;
        else if (name == "--size")
            good =
                std::sscanf(value.c_str(), "%dx%d", &options.clip.width, &options.clip.height) == 2;
        else if (name == "--pipeline")
            options.pipeline = value;
        else if (name == "--rivulet")
            options.rivulet = value;
        else
            good = false;
        if (!good) {
            fmt::print(stderr, "bench_soak: bad option {} {}\n{}", name, value, usage);
            return false;
        }
    }
    if (options.settle == 0)
        options.settle = std::min(options.seconds / 4, 300);
    return true;
}

double megabytes(std::uint64_t bytes) {
    return static_cast<double>(bytes) / (1 << 20);
}

// Sums every number called `name` anywhere in a status.
std::uint64_t sum_of(const json::value& value, std::string_view name) {
    std::uint64_t sum = 0;
    if (const auto* object = value.if_object()) {
        for (const auto& [key, member] : *object) {
            if (key == name && member.is_number())
                sum += member.to_number<std::uint64_t>();
            sum += sum_of(member, name);
        }
    } else if (const auto* array = value.if_array()) {
        for (const auto& member : *array)
            sum += sum_of(member, name);
    }
    return sum;
}

class soak {
  public:
    explicit soak(soak_options options) : options_(std::move(options)) {}

    int run() {
        folder_ = fs::temp_directory_path() / fmt::format("rivulet-soak-{}", ::getpid());
        fs::create_directories(folder_);
        const int code = measure();
        gateway_.stop();
        std::error_code ec;
        if (code == 0)
            fs::remove_all(folder_, ec);
        else
            fmt::print("The gateway's log: {}\n", (folder_ / "rivulet.log").string());
        return code;
    }

  private:
    int measure() {
        const auto clip_path = (folder_ / "clip.flv").string();
        if (const auto made = make_test_clip(options_.clip, clip_path); !made)
            return failed(made.error().detail);
        auto loaded = load_flv(clip_path);
        if (!loaded)
            return failed(loaded.error().detail);
        const auto clip = std::make_shared<const std::vector<media::flv_tag>>(std::move(*loaded));
        fs::remove(clip_path);
        const auto started = gateway_.start(
            options_.rivulet,
            {"-httpAddr",
             "127.0.0.1:0",
             "-rtmpAddr",
             "127.0.0.1:0",
             "-srtAddr=",
             "-cliAddr=",
             "-maxStreams",
             std::to_string(options_.streams),
             "-capacity",
             std::to_string(options_.streams),
             "-rtmpMaxPerAddress",
             std::to_string(4 * options_.streams + 8)},
            (folder_ / "rivulet.log").string()
        );
        if (!started)
            return failed(started.error().detail);
        for (int i = 0; i < options_.streams; ++i) {
            probe_options probe;
            const auto base =
                fmt::format("rtmp://127.0.0.1:{}/live/soak{}", gateway_.rtmp_port(), i);
            probe.publish_url = fmt::format("{}?pipeline={}", base, options_.pipeline);
            probe.play_url = base + "-out";
            probes_.push_back(std::make_unique<stream_probe>(context_, clip, std::move(probe)));
        }
        fmt::print(
            "{} streams of {}x{} at {} fps, pipeline {}, {} s, of which {} s settle\n\n",
            options_.streams,
            options_.clip.width,
            options_.clip.height,
            options_.clip.fps,
            options_.pipeline,
            options_.seconds,
            options_.settle
        );
        asio::signal_set signals(context_, SIGINT, SIGTERM);
        signals.async_wait([this](error_code ec, int) {
            if (!ec) {
                interrupted_ = true;
                tick_.cancel();
            }
        });
        asio::co_spawn(context_, watch(), [this, &signals](std::exception_ptr) {
            signals.cancel();
            for (auto& probe : probes_)
                probe->stop();
        });
        context_.run();
        return judge();
    }

    int failed(const std::string& why) {
        fmt::print(stderr, "bench_soak: {}\n", why);
        return 1;
    }

    awaitable<void> watch() {
        // Starts are spread over a second, so that keyframes of all streams do not coincide.
        for (auto& probe : probes_) {
            probe->start();
            tick_.expires_after(1'000ms / options_.streams);
            co_await tick_.async_wait(as_tuple);
        }
        const auto begun = steady_clock::now();
        auto cpu_before = gateway_.cpu_time();
        auto at_before = begun;
        const auto cpu_begun = cpu_before;
        for (int second = options_.interval;; second += options_.interval) {
            for (auto& probe : probes_)
                probe->ledger().begin_window();
            second = std::min(second, options_.seconds);
            tick_.expires_at(begun + std::chrono::seconds(second));
            co_await tick_.async_wait(as_tuple);
            if (interrupted_ || !gateway_.running())
                break;
            const auto now = steady_clock::now();
            const auto cpu = gateway_.cpu_time();
            line(second, cpu - cpu_before, now - at_before);
            cpu_before = cpu;
            at_before = now;
            for (auto& probe : probes_)
                probe->ledger().settle(now);
            if (second >= options_.seconds) {
                cpu_share_ = share(cpu - cpu_begun, now - begun);
                break;
            }
        }
        collect_drops();
        for (auto& probe : probes_)
            probe->ledger().expect_no_more();
        tick_.expires_after(1s); // what is on its way may arrive
        co_await tick_.async_wait(as_tuple);
    }

    static double share(std::chrono::milliseconds cpu, duration wall) {
        return static_cast<double>(cpu.count()) /
               std::chrono::duration<double, std::milli>(wall).count();
    }

    void line(int second, std::chrono::milliseconds cpu, duration wall) {
        const auto resident = gateway_.resident_bytes();
        if (second >= options_.settle && settled_bytes_ == 0)
            settled_bytes_ = resident;
        peak_bytes_ = std::max(peak_bytes_, resident);
        if (second >= options_.settle)
            peak_after_settling_ = std::max(peak_after_settling_, resident);
        std::uint64_t lost = 0;
        double slowest = 1e9;
        int p99 = 0;
        const double seconds = std::chrono::duration<double>(wall).count();
        for (auto& probe : probes_) {
            auto& ledger = probe->ledger();
            lost += ledger.frames_lost();
            slowest = std::min(slowest, static_cast<double>(ledger.window_received()) / seconds);
            p99 = std::max(p99, ledger.window_latency().percentile_ms(0.99).value_or(0));
        }
        fmt::print(
            "{:5} s   RSS {:6.1f} MB   CPU {:5.1f} % a stream   slowest output {:5.1f} fps   "
            "latency p99 {} ms   lost {}\n",
            second,
            megabytes(resident),
            100 * share(cpu, wall) / options_.streams,
            slowest,
            p99,
            lost
        );
        std::fflush(stdout);
    }

    void collect_drops() {
        for (int i = 0; i < options_.streams; ++i) {
            const auto status =
                gateway_.get_json(fmt::format("/live/video-to-video/soak{}/status", i));
            if (!status) {
                problems_.push_back(status.error().detail);
                continue;
            }
            dropped_segments_ += sum_of(*status, "segments_dropped");
        }
    }

    int judge() {
        std::uint64_t sent = 0, received = 0, lost = 0, unknown = 0, back = 0;
        int replays = 0;
        for (std::size_t i = 0; i < probes_.size(); ++i) {
            auto& probe = *probes_[i];
            auto& ledger = probe.ledger();
            ledger.settle(steady_clock::now() + 1h);
            sent += ledger.frames_sent();
            received += ledger.frames_received();
            lost += ledger.frames_lost();
            unknown += ledger.frames_unknown();
            back += ledger.steps_back();
            replays += probe.replays();
            fmt::print(
                "stream {:2}: {} frames sent, {} received, {} lost, latency p50 {} ms p99 {} ms, "
                "first after {} ms\n",
                i,
                ledger.frames_sent(),
                ledger.frames_received(),
                ledger.frames_lost(),
                ledger.latency().percentile_ms(0.5).value_or(-1),
                ledger.latency().percentile_ms(0.99).value_or(-1),
                ledger.first_frame_after() ? std::chrono::duration_cast<std::chrono::milliseconds>(
                                                 *ledger.first_frame_after()
                                             )
                                                 .count()
                                           : -1
            );
            if (!probe.publish_error().empty())
                problems_.push_back(fmt::format("publisher {}: {}", i, probe.publish_error()));
            if (ledger.frames_received() == 0)
                problems_.push_back(fmt::format("stream {}: no output; {}", i, probe.play_error()));
        }
        const double grown = megabytes(peak_after_settling_) - megabytes(settled_bytes_);
        const double allowed =
            std::max(options_.growth_mb, megabytes(settled_bytes_) * options_.growth / 100);
        fmt::print(
            "\nRSS {:.1f} MB after settling, {:.1f} MB at most ({:+.1f} MB); CPU {:.1f} % of a "
            "core a "
            "stream; {} segments dropped; {} of {} frames lost\n",
            megabytes(settled_bytes_),
            megabytes(peak_bytes_),
            grown,
            100 * cpu_share_ / options_.streams,
            dropped_segments_,
            lost,
            sent
        );
        if (interrupted_)
            problems_.push_back("interrupted");
        if (lost)
            problems_.push_back(fmt::format("{} frames lost", lost));
        if (unknown)
            problems_.push_back(
                fmt::format("{} frames with a time that nobody sent, or twice", unknown)
            );
        if (back)
            problems_.push_back(fmt::format("{} times the clock of an output went back", back));
        if (replays)
            problems_.push_back(fmt::format("{} players were interrupted", replays));
        if (dropped_segments_)
            problems_.push_back(fmt::format("{} segments dropped", dropped_segments_));
        if (grown > allowed)
            problems_.push_back(
                fmt::format("memory grew by {:.1f} MB, allowed {:.1f} MB", grown, allowed)
            );
        if (!gateway_.running())
            problems_.push_back("the gateway ended:\n" + gateway_.log_tail());
        else if (!gateway_.stop())
            problems_.push_back("the gateway did not end in order");
        for (const auto& problem : problems_)
            fmt::print("PROBLEM: {}\n", problem);
        fmt::print("{}\n", problems_.empty() ? "soak: good" : "soak: failed");
        return problems_.empty() ? 0 : 1;
    }

    soak_options options_;
    fs::path folder_;
    asio::io_context context_{1};
    asio::steady_timer tick_{context_};
    gateway_process gateway_;
    std::vector<std::unique_ptr<stream_probe>> probes_;
    bool interrupted_ = false;
    std::uint64_t settled_bytes_ = 0, peak_bytes_ = 0, peak_after_settling_ = 0;
    std::uint64_t dropped_segments_ = 0;
    double cpu_share_ = 0;
    std::vector<std::string> problems_;
};

} // namespace

int main(int argc, char** argv) {
    soak_options options;
    if (!read_options(argc, argv, options))
        return 2;
    return soak(options).run();
}
