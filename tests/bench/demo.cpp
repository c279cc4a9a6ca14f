// The demo: a gateway, a moving test picture (or a file) published over real RTMP, a visible
// filter, a player that measures. With --out it leaves pictures, a film and a report, and its exit
// code says whether processed video came.
#include "bench/gateway_process.hpp"
#include "bench/stream_probe.hpp"
#include "bench/test_clip.hpp"
#include "media/flv_write.hpp"
#include "support/rtmp_client.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace {

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;
namespace json = boost::json;
namespace fs = std::filesystem;

// The installed demo starts the installed gateway.
std::string beside_this_program(const char* name) {
    std::error_code ec;
    const auto here = fs::read_symlink("/proc/self/exe", ec);
    return (here.parent_path() / name).string();
}

struct demo_options {
    std::string rivulet = beside_this_program("rivulet");
    int seconds = 0; // 0: until Ctrl-C
    std::string out;
    std::string input;
    std::string graph = "negate,drawbox=x=0:y=0:w=iw:h=ih:t=12:color=lime";
};

constexpr const char* usage =
    "rivulet-demo [--for SECONDS] [--out DIR] [--input FILE] [--graph GRAPH] [--rivulet PROGRAM]\n"
    "  --for SECONDS  end after so long (default: Ctrl-C)\n"
    "  --out DIR      leave in.png, out.png, out.mp4 and report.json there (20 s unless --for)\n"
    "  --input FILE   publish this file instead of the test picture\n"
    "  --graph GRAPH  the libavfilter graph that the worker applies\n"
    "  --rivulet PROGRAM  the gateway, if not the one beside this program\n";

// A positive number of seconds, "20" or "20s".
std::optional<int> seconds_of(std::string text) {
    if (text.ends_with('s'))
        text.pop_back();
    char* end = nullptr;
    const long value = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end != 0 || value < 1 || value > 86'400)
        return std::nullopt;
    return static_cast<int>(value);
}

std::optional<demo_options> read_options(int argc, char** argv) {
    demo_options options;
    for (int i = 1; i < argc; ++i) {
        std::string name = argv[i];
        std::string value;
        if (const auto equals = name.find('='); equals != name.npos) {
            value = name.substr(equals + 1);
            name.resize(equals);
        } else if (i + 1 < argc) {
            value = argv[++i];
        }
        if (value.empty()) {
            fmt::print(stderr, "demo: {} needs a value\n{}", name, usage);
            return std::nullopt;
        }
        if (name == "--rivulet") {
            options.rivulet = value;
        } else if (name == "--out") {
            options.out = value;
        } else if (name == "--input") {
            options.input = value;
        } else if (name == "--graph") {
            options.graph = value;
        } else if (name == "--for") {
            const auto seconds = seconds_of(value);
            if (!seconds) {
                fmt::print(stderr, "demo: --for takes seconds (1 to 86400), not \"{}\"\n", value);
                return std::nullopt;
            }
            options.seconds = *seconds;
        } else {
            fmt::print(stderr, "demo: unknown option {}\n{}", name, usage);
            return std::nullopt;
        }
    }
    if (!options.out.empty() && options.seconds == 0)
        options.seconds = 20;
    return options;
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (unsigned char c : text) {
        if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~')
            out += static_cast<char>(c);
        else
            out += fmt::format("%{:02X}", c);
    }
    return out;
}

// Writes tags as a .flv file while they come.
class flv_recording {
  public:
    void open(const fs::path& path) {
        file_.open(path, std::ios::binary);
        write(media::flv_file_header());
    }

    void add(const media::flv_tag& tag) {
        if (!file_.is_open())
            return;
        std::vector<std::uint8_t> block;
        media::append_flv_tag(block, tag);
        write(block);
    }

    void close() { file_.close(); }

  private:
    void write(const std::vector<std::uint8_t>& block) {
        file_.write(
            reinterpret_cast<const char*>(block.data()), static_cast<std::streamsize>(block.size())
        );
    }

    std::ofstream file_;
};

std::string milliseconds_or_dash(std::optional<int> value) {
    return value ? fmt::format("{} ms", *value) : "-";
}

class demo {
  public:
    explicit demo(demo_options options) : options_(std::move(options)) {}

    int run() {
        folder_ = options_.out.empty()
                      ? fs::temp_directory_path() / fmt::format("rivulet-demo-{}", ::getpid())
                      : fs::path(options_.out);
        std::error_code ec;
        fs::create_directories(folder_, ec);
        if (ec)
            return failed(fmt::format("cannot create {}: {}", folder_.string(), ec.message()));
        // What an earlier run left must not pass for this run's result.
        for (auto name : {"in.png", "out.png", "out.mp4", "report.json"})
            fs::remove(folder_ / name, ec);
        const int code = play();
        gateway_.stop();
        for (auto name : {"clip.flv", "in.flv", "out.flv"})
            fs::remove(folder_ / name, ec);
        if (options_.out.empty())
            fs::remove_all(folder_, ec);
        else if (code == 0)
            fs::remove(folder_ / "rivulet.log", ec);
        return code;
    }

  private:
    int failed(const std::string& why) {
        fmt::print(stderr, "demo: {}\n", why);
        return 1;
    }

    int play() {
        fmt::print("Preparing the clip ...\n");
        std::fflush(stdout);
        const auto clip_path = (folder_ / "clip.flv").string();
        const int longest = options_.seconds == 0 ? 60 : std::min(options_.seconds + 5, 60);
        const auto made = options_.input.empty()
                              ? make_test_clip({}, clip_path)
                              : make_clip_from(options_.input, longest, clip_path);
        if (!made)
            return failed(made.error().detail);
        auto clip = load_flv(clip_path);
        if (!clip)
            return failed(clip.error().detail);
        if (const auto started = start_gateway(); !started)
            return failed(started.error().detail);

        const auto rtmp = fmt::format("rtmp://127.0.0.1:{}/live", gateway_.rtmp_port());
        const auto api =
            fmt::format("http://127.0.0.1:{}/live/video-to-video", gateway_.http_port());
        json::object parameters{{"graph", options_.graph}};
        probe_options probe;
        probe.publish_url = fmt::format(
            "{}/demo?pipeline=avfilter&params={}",
            rtmp,
            percent_encoded(json::serialize(parameters))
        );
        probe.play_url = rtmp + "/demo-out";
        if (!options_.out.empty()) {
            sent_.open(folder_ / "in.flv");
            received_.open(folder_ / "out.flv");
            probe.on_sent = [this](const media::flv_tag& tag) { sent_.add(tag); };
            probe.on_received = [this](const media::flv_tag& tag) {
                received_.add(tag);
                if (const auto pts = video_frame_pts(tag))
                    last_received_ = *pts;
            };
        }
        fmt::print(
            R"(
  page       http://127.0.0.1:{0}/
  processed  ffplay -fflags nobuffer {1}/demo-out
  source     ffplay -fflags nobuffer {1}/demo
  status     curl {2}/demo/status
  filter     {3}
  change it  curl -d '{{"graph":"hflip"}}' {2}/demo/update

)",
            gateway_.http_port(),
            rtmp,
            api,
            options_.graph
        );
        if (options_.seconds == 0)
            fmt::print("Ctrl-C ends the demo.\n\n");
        std::fflush(stdout);

        stream_probe probing(
            context_, std::make_shared<const std::vector<media::flv_tag>>(std::move(*clip)), probe
        );
        probing_ = &probing;
        probing.start();
        asio::signal_set signals(context_, SIGINT, SIGTERM);
        signals.async_wait([this](error_code ec, int) {
            if (!ec)
                end();
        });
        begun_ = steady_clock::now();
        asio::co_spawn(context_, report_each_second(), [this, &signals](std::exception_ptr) {
            signals.cancel();
            end();
        });
        context_.run();
        sent_.close();
        received_.close();
        return finish(probing);
    }

    outcome<void> start_gateway() {
        // Another gateway, or what it replaces, may run here and keep its ports.
        auto address = [](std::uint16_t wanted, transport over = transport::tcp) {
            return fmt::format("127.0.0.1:{}", port_is_free(wanted, over) ? wanted : 0);
        };
        const std::string any = "127.0.0.1:0";
        const auto start = [this](auto http, auto rtmp, auto private_api, auto srt) {
            return gateway_.start(
                options_.rivulet,
                {"-httpAddr", http, "-rtmpAddr", rtmp, "-cliAddr", private_api, "-srtAddr", srt},
                (folder_ / "rivulet.log").string()
            );
        };
        auto started =
            start(address(8935), address(1935), address(5935), address(8890, transport::udp));
        if (!started) // a free port was taken between the look and the start
            started = start(any, any, any, any);
        return started;
    }

    // A graph that the worker refuses is no reason for it to stop the stream; here it is one to
    // fail.
    void hear_worker() {
        const auto status = gateway_.get_json("/live/video-to-video/demo/status");
        if (!status)
            return;
        error_code ec;
        const auto* said = status->find_pointer("/inference_status/last_error", ec);
        if (ec || !said || !said->is_string() || worker_error_ == said->as_string())
            return;
        worker_error_ = said->as_string();
        fmt::print(stderr, "demo: the worker says: {}\n", worker_error_);
    }

    void end() {
        ended_ = true;
        probing_->stop();
    }

    awaitable<void> report_each_second() {
        asio::steady_timer tick(context_);
        auto& ledger = probing_->ledger();
        for (int second = 1; !ended_; ++second) {
            ledger.begin_window();
            tick.expires_at(begun_ + std::chrono::seconds(second));
            const bool last = options_.seconds != 0 && second >= options_.seconds;
            co_await tick.async_wait(as_tuple);
            counted_until_ = steady_clock::now();
            if (ended_)
                break;
            fmt::print(
                "{:4} s   in {:2} fps   out {:2} fps   latency p50 {}  p99 {}{}\n",
                second,
                ledger.window_sent(),
                ledger.window_received(),
                milliseconds_or_dash(ledger.window_latency().percentile_ms(0.5)),
                milliseconds_or_dash(ledger.window_latency().percentile_ms(0.99)),
                ledger.frames_received() == 0 ? "   (waiting for the first processed frame)" : ""
            );
            std::fflush(stdout);
            if (second == 2 || last)
                hear_worker();
            if (!probing_->publish_error().empty()) {
                fmt::print(stderr, "demo: publishing ended: {}\n", probing_->publish_error());
                break;
            }
            if (!gateway_.running()) {
                fmt::print(stderr, "demo: the gateway ended\n");
                break;
            }
            if (last) {
                ledger.expect_no_more();
                tick.expires_after(500ms);
                co_await tick.async_wait(as_tuple);
                break;
            }
        }
    }

    int finish(stream_probe& probing) {
        auto& ledger = probing.ledger();
        ledger.settle(steady_clock::now() + 1h);
        const double seconds = std::chrono::duration<double>(counted_until_ - begun_).count();
        const bool came = ledger.frames_received() > 0;
        fmt::print(
            "\n{} frames sent, {} processed frames received, {} lost on the way, latency p50 {} "
            "p99 {}\n",
            ledger.frames_sent(),
            ledger.frames_received(),
            ledger.frames_lost(),
            milliseconds_or_dash(ledger.latency().percentile_ms(0.5)),
            milliseconds_or_dash(ledger.latency().percentile_ms(0.99))
        );
        if (!came) {
            const auto status = gateway_.get_json("/live/video-to-video/demo/status");
            failed(
                "no processed video came" +
                (probing.play_error().empty() ? "" : " (" + probing.play_error() + ")")
            );
            fmt::print(
                stderr,
                "status: {}\nlog:\n{}\n",
                status ? json::serialize(*status) : status.error().detail,
                gateway_.log_tail()
            );
        }
        const bool good = came && worker_error_.empty();
        if (options_.out.empty())
            return good ? 0 : 1;
        write_report(ledger, seconds);
        if (!came)
            return 1;
        const int code = write_pictures();
        return good ? code : 1;
    }

    void write_report(const frame_ledger& ledger, double seconds) {
        auto number = [](std::optional<int> value) {
            return value ? std::to_string(*value) : std::string("null");
        };
        auto rate = [](std::uint64_t frames, double over) {
            return over > 0 ? static_cast<double>(frames) / over : 0;
        };
        const auto first = ledger.first_frame_after();
        const double waited = first ? std::chrono::duration<double>(*first).count() : seconds;
        // Written by hand: Boost.JSON prints 30 as 3E1, which reads badly.
        std::ofstream(folder_ / "report.json") << fmt::format(
            R"({{
  "seconds": {:.2f},
  "graph": {},
  "frames_in": {},
  "frames_out": {},
  "frames_lost": {},
  "fps_in": {:.2f},
  "fps_out": {:.2f},
  "latency_p50_ms": {},
  "latency_p99_ms": {},
  "first_processed_frame_after_ms": {}
}}
)",
            seconds,
            json::serialize(json::value(options_.graph)),
            ledger.frames_sent(),
            ledger.frames_received(),
            ledger.frames_lost(),
            rate(ledger.frames_sent(), seconds),
            rate(ledger.frames_received(), seconds - waited),
            number(ledger.latency().percentile_ms(0.5)),
            number(ledger.latency().percentile_ms(0.99)),
            first ? number(static_cast<int>(
                        std::chrono::duration_cast<std::chrono::milliseconds>(*first).count()
                    ))
                  : "null"
        );
    }

    // The same moment of source and result as pictures, and the result as a film.
    int write_pictures() {
        const double moment =
            static_cast<double>(std::max<std::int64_t>(0, last_received_ - 1'000)) / 1'000;
        const auto select = fmt::format("select=gte(t\\,{:.3f}-0.002)", moment);
        for (auto [from, to] : {std::pair{"in.flv", "in.png"}, std::pair{"out.flv", "out.png"}}) {
            const auto made = run_program(
                {"ffmpeg",
                 "-hide_banner",
                 "-loglevel",
                 "error",
                 "-y",
                 "-copyts",
                 "-i",
                 (folder_ / from).string(),
                 "-vf",
                 select,
                 "-frames:v",
                 "1",
                 "-update",
                 "1",
                 (folder_ / to).string()}
            );
            if (!made)
                return failed(made.error().detail);
            if (!fs::exists(folder_ / to))
                return failed(fmt::format("{} holds no picture at {:.3f} s", from, moment));
        }
        const auto film = run_program(
            {"ffmpeg",
             "-hide_banner",
             "-loglevel",
             "error",
             "-y",
             "-i",
             (folder_ / "out.flv").string(),
             "-c",
             "copy",
             "-movflags",
             "+faststart",
             (folder_ / "out.mp4").string()}
        );
        if (!film)
            return failed(film.error().detail);
        fmt::print("In {}: in.png, out.png, out.mp4, report.json\n", folder_.string());
        return 0;
    }

    demo_options options_;
    fs::path folder_;
    asio::io_context context_{1};
    gateway_process gateway_;
    stream_probe* probing_ = nullptr;
    flv_recording sent_, received_;
    std::int64_t last_received_ = 0;
    time_point begun_, counted_until_;
    std::string worker_error_;
    bool ended_ = false;
};

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && (!std::strcmp(argv[1], "--help") || !std::strcmp(argv[1], "-h"))) {
        fmt::print("{}", usage);
        return 0;
    }
    const auto options = read_options(argc, argv);
    if (!options)
        return 2;
    return demo(*options).run();
}
