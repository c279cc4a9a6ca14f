// bench_swap: two `rivulet worker` processes over TLS and gRPC, a gateway, a publisher, an RTMP
// player and a WHEP viewer. Whoever has the stream is killed (or stopped) again and again; how long
// is processed video missing, and does anybody have to connect anew? Fails when a viewer was cut,
// when its clock went back, or when the usual gap is longer than --kill-limit or --stop-limit.
#include "bench/gateway_process.hpp"
#include "bench/swap_viewers.hpp"
#include "bench/test_clip.hpp"

#include <boost/asio/detached.hpp>
#include <boost/json/value.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <unistd.h>

namespace {

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;
namespace json = boost::json;
namespace fs = std::filesystem;

struct swap_options {
    std::string rivulet = "build/rivulet";
    std::string pipeline = "passthrough";
    // Nothing but processed video reaches the viewers, so that its absence can be seen.
    std::string filler = "none";
    int kills = 20, stops = 10;
    int rest = 7; // seconds of processed video between two swaps
    int kill_limit = 1000, stop_limit = 3000;
    bool tls = true;
    bool verbose = false;
    clip_shape clip{640, 360, 30, 10, 1, 800};
};

constexpr const char* usage =
    "bench_swap [--kills 20] [--stops 10] [--rest 7] [--kill-limit 1000] [--stop-limit 3000]\n"
    "           [--pipeline passthrough] [--filler none] [--tls 1] [--rivulet build/rivulet]\n"
    "           [--verbose 1]\n"
    "--kills  times that the worker with the stream is killed, --stops that it is stopped\n"
    "--rest   seconds of processed video in between; limits in milliseconds, for the median\n";

bool read_options(int argc, char** argv, swap_options& options) {
    for (int i = 1; i < argc; ++i) {
        std::string name = argv[i], value;
        if (const auto equals = name.find('='); equals != name.npos) {
            value = name.substr(equals + 1);
            name.resize(equals);
        } else if (i + 1 < argc) {
            value = argv[++i];
        }
        const auto number = [&value](int least, int& into) {
            char* end = nullptr;
            const long read = std::strtol(value.c_str(), &end, 10);
            into = static_cast<int>(read);
            return *end == 0 && read >= least && read < 1'000'000;
        };
        bool good = !value.empty();
        int flag = 0;
        if (name == "--kills")
            good = good && number(0, options.kills);
        else if (name == "--stops")
            good = good && number(0, options.stops);
        else if (name == "--rest")
            good = good && number(1, options.rest);
        else if (name == "--kill-limit")
            good = good && number(1, options.kill_limit);
        else if (name == "--stop-limit")
            good = good && number(1, options.stop_limit);
        else if (name == "--tls" && (good = good && number(0, flag)))
            options.tls = flag != 0;
        else if (name == "--verbose" && (good = good && number(0, flag)))
            options.verbose = flag != 0;
        else if (name == "--pipeline")
            options.pipeline = value;
        else if (name == "--filler")
            options.filler = value;
        else if (name == "--rivulet")
            options.rivulet = value;
        else
            good = false;
        if (!good) {
            fmt::print(stderr, "bench_swap: bad option {} {}\n{}", name, value, usage);
            return false;
        }
    }
    return true;
}

// Of milliseconds.
double percentile(std::vector<double> all, double share) {
    if (all.empty())
        return 0;
    std::ranges::sort(all);
    const auto at = static_cast<std::size_t>(share * static_cast<double>(all.size() - 1) + 0.5);
    return all[std::min(at, all.size() - 1)];
}

double milliseconds_of(duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

// What one kind of loss cost.
struct gaps {
    std::vector<double> gateway, rtmp, whep;

    void report(const std::string& name) const {
        if (gateway.empty())
            return;
        fmt::print(
            "{} x{}: gap of processed video, ms p50/p99: /status {:.0f}/{:.0f}, RTMP player "
            "{:.0f}/{:.0f}, WHEP viewer {:.0f}/{:.0f}\n",
            name,
            gateway.size(),
            percentile(gateway, 0.5),
            percentile(gateway, 0.99),
            percentile(rtmp, 0.5),
            percentile(rtmp, 0.99),
            percentile(whep, 0.5),
            percentile(whep, 0.99)
        );
        std::fflush(stdout);
    }

    bool within(int limit) const {
        return percentile(rtmp, 0.5) <= limit && percentile(whep, 0.5) <= limit;
    }
};

class bench {
  public:
    explicit bench(swap_options options) : options_(std::move(options)) {}

    int run() {
        folder_ = fs::temp_directory_path() / fmt::format("rivulet-swap-{}", ::getpid());
        fs::create_directories(folder_);
        const int code = measure();
        rtmp_.reset();
        whep_.reset();
        publishing_.stop();
        if (publisher_.joinable())
            publisher_.join();
        gateway_.stop();
        for (auto& worker : workers_)
            worker.process.stop();
        std::error_code ec;
        if (code == 0)
            fs::remove_all(folder_, ec);
        else
            fmt::print(stderr, "bench_swap: the logs are in {}\n", folder_.string());
        return code;
    }

  private:
    struct worker {
        gateway_process process;
        std::uint16_t port = 0;
    };

    int failed(const std::string& why) {
        fmt::print(stderr, "bench_swap: {}\n", why);
        return 1;
    }

    std::string url_of(const worker& one) const {
        return fmt::format("{}://127.0.0.1:{}", options_.tls ? "https" : "http", one.port);
    }

    outcome<void> start_worker(std::size_t index) {
        auto& one = workers_[index];
        std::vector<std::string> arguments{
            "worker", "-serviceAddr", fmt::format("127.0.0.1:{}", one.port), "-capacity", "4"};
        if (options_.tls)
            arguments.push_back("-tls");
        const auto log = folder_ / fmt::format("worker{}.log", index);
        auto started = one.process.start(options_.rivulet, std::move(arguments), log.string());
        if (started)
            one.port = one.process.worker_port();
        return started;
    }

    outcome<void> start_all() {
        const auto clip_path = (folder_ / "clip.flv").string();
        if (auto made = make_test_clip(options_.clip, clip_path); !made)
            return made;
        auto clip = load_flv(clip_path);
        if (!clip)
            return clip.error();
        for (std::size_t i = 0; i < workers_.size(); ++i)
            if (auto started = start_worker(i); !started)
                return started;
        std::vector<std::string> arguments{
            "-httpAddr",
            "127.0.0.1:0",
            "-rtmpAddr",
            "127.0.0.1:0",
            "-webrtcAddr",
            "127.0.0.1:0",
            "-srtAddr",
            "",
            "-cliAddr",
            "",
            "-swapFiller",
            options_.filler,
            "-orchAddr",
            url_of(workers_[0]) + "," + url_of(workers_[1])};
        if (options_.verbose) {
            arguments.push_back("-v");
            arguments.push_back("6");
        }
        if (auto started = gateway_.start(
                options_.rivulet, std::move(arguments), (folder_ / "gateway.log").string()
            );
            !started)
            return started;
        rtmp_publish_options publishing;
        publishing.loop = true;
        auto tags = std::make_shared<const std::vector<media::flv_tag>>(std::move(*clip));
        auto work = rtmp_publish(
            fmt::format(
                "rtmp://127.0.0.1:{}/live/cam?pipeline={}", gateway_.rtmp_port(), options_.pipeline
            ),
            std::move(tags),
            std::move(publishing)
        );
        asio::co_spawn(publishing_, std::move(work), asio::detached);
        publisher_ = std::thread([this] { publishing_.run(); });
        return {};
    }

    std::optional<json::object> status() {
        const auto answer = gateway_.get_json("/live/video-to-video/cam/status");
        if (!answer)
            return std::nullopt;
        return answer->at("gateway_status").as_object();
    }

    bool wait_until(const std::function<bool(const json::object&)>& done, duration limit) {
        const auto until = steady_clock::now() + limit;
        while (steady_clock::now() < until) {
            if (const auto now = status(); now && done(*now))
                return true;
            std::this_thread::sleep_for(50ms);
        }
        return false;
    }

    static bool is_live(const json::object& now) { return now.at("state") == "live"; }

    worker* busy_one() {
        const auto now = status();
        if (!now || !now->at("orchestrator").is_object())
            return nullptr;
        const auto url = now->at("orchestrator").at("url").as_string();
        for (auto& one : workers_)
            if (url == url_of(one))
                return &one;
        return nullptr;
    }

    // Takes the stream's worker away and notes how long video was missing.
    outcome<void> lose(int signal, gaps& into) {
        if (!wait_until(is_live, 30s))
            return failure(errc::timed_out, "no processed video\n" + gateway_.log_tail());
        std::this_thread::sleep_for(std::chrono::seconds(options_.rest));
        auto* victim = busy_one();
        if (!victim)
            return failure(errc::not_found, "nobody has the stream\n" + gateway_.log_tail());
        const auto before = status()->at("swaps").at("count").to_number<std::int64_t>();
        const auto pid = victim->process.pid();
        const auto begun = steady_clock::now();
        ::kill(pid, signal);
        const bool over = wait_until(
            [before](const json::object& now) {
                const auto& swaps = now.at("swaps");
                return swaps.at("count").to_number<std::int64_t>() > before &&
                       swaps.at("last").at("gap_ms").is_number();
            },
            30s
        );
        if (signal == SIGSTOP)
            ::kill(pid, SIGCONT);
        if (!over)
            return failure(errc::timed_out, "nobody took over\n" + gateway_.log_tail());
        std::this_thread::sleep_for(500ms);
        const auto last = status()->at("swaps").at("last");
        const auto until = steady_clock::now();
        into.gateway.push_back(last.at("gap_ms").to_number<double>());
        into.rtmp.push_back(milliseconds_of(rtmp_->seen().longest_wait(begun - 100ms, until)));
        into.whep.push_back(milliseconds_of(whep_->seen().longest_wait(begun - 100ms, until)));
        fmt::print(
            "{} {:>2}: {:<18} /status {:>5.0f} ms, RTMP {:>5.0f} ms, WHEP {:>5.0f} ms\n",
            signal == SIGKILL ? "kill" : "stop",
            into.gateway.size(),
            std::string(last.at("cause").as_string()),
            into.gateway.back(),
            into.rtmp.back(),
            into.whep.back()
        );
        std::fflush(stdout);
        if (signal == SIGKILL) {
            victim->process.stop(); // it is gone; this notices
            return start_worker(static_cast<std::size_t>(victim - workers_.data()));
        }
        return {};
    }

    int measure() {
        if (auto started = start_all(); !started)
            return failed(started.error().detail);
        if (!wait_until(is_live, 30s))
            return failed("no processed video came\n" + gateway_.log_tail());
        rtmp_ = std::make_unique<rtmp_watcher>(
            fmt::format("rtmp://127.0.0.1:{}/live/cam-out", gateway_.rtmp_port())
        );
        whep_ = std::make_unique<whep_watcher>(
            gateway_.http_port(), "/live/video-to-video/cam-out/whep"
        );
        if (!whep_->accepted())
            return failed("the WHEP viewer was refused");
        gaps killed, stopped;
        for (int i = 0; i < options_.kills; ++i)
            if (auto done = lose(SIGKILL, killed); !done)
                return failed(done.error().detail);
        for (int i = 0; i < options_.stops; ++i)
            if (auto done = lose(SIGSTOP, stopped); !done)
                return failed(done.error().detail);
        killed.report("killed");
        stopped.report("stopped");
        const auto back = rtmp_->seen().steps_back() + whep_->seen().steps_back();
        const int cut = rtmp_->gone() + whep_->gone();
        fmt::print(
            "reconnects: {}, steps back of a viewer's clock: {}, pictures seen: RTMP {}, WHEP {}\n",
            cut,
            back,
            rtmp_->seen().count(),
            whep_->seen().count()
        );
        if (cut > 0)
            return failed("a viewer was disconnected");
        if (back > 0)
            return failed("a viewer's clock went back");
        if (!killed.within(options_.kill_limit) || !stopped.within(options_.stop_limit))
            return failed("processed video is missing for too long");
        return 0;
    }

    swap_options options_;
    fs::path folder_;
    std::array<worker, 2> workers_;
    gateway_process gateway_;
    asio::io_context publishing_;
    std::thread publisher_;
    std::unique_ptr<rtmp_watcher> rtmp_;
    std::unique_ptr<whep_watcher> whep_;
};

} // namespace

int main(int argc, char** argv) {
    swap_options options;
    if (!read_options(argc, argv, options))
        return 2;
    return bench(std::move(options)).run();
}
