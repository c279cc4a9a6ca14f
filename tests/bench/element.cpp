// bench_element: minutes of live video through the element livepeerai and a gateway process with
// its built-in filter: the delay of every picture from its arrival at the element to its leaving
// it, CPU time and memory. Fails when the delay is too long, grows, or pictures are missing.
#include "bench/gateway_process.hpp"
#include "media/gst_ptr.hpp"

#include <fmt/core.h>
#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace rivulet;
using namespace std::chrono_literals;
using media::adopt;
using clock_type = std::chrono::steady_clock;

struct bench_options {
    std::string rivulet = "build/rivulet";
    std::string graph = "negate";
    double minutes = 1;
    int width = 1280, height = 720, fps = 30;
    double limit_ms = 400; // of p99, in every minute
    double growth_ms = 30; // of p50, from the first minute to the last
};

constexpr const char* usage =
    "bench_element [--minutes 1] [--size 1280x720] [--fps 30] [--graph negate] [--limit 400]\n"
    "              [--rivulet build/rivulet]\n"
    "Delay of each picture through the element livepeerai: p50, p99 and the longest of each "
    "minute.\n";

bool read_options(int argc, char** argv, bench_options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
        ++i;
        bool good = !value.empty();
        if (name == "--minutes")
            good = (options.minutes = std::atof(value.c_str())) > 0;
        else if (name == "--fps")
            good = (options.fps = std::atoi(value.c_str())) > 0;
        else if (name == "--size")
            good = std::sscanf(value.c_str(), "%dx%d", &options.width, &options.height) == 2;
        else if (name == "--limit")
            good = (options.limit_ms = std::atof(value.c_str())) > 0;
        else if (name == "--graph")
            options.graph = value;
        else if (name == "--rivulet")
            options.rivulet = value;
        else
            good = false;
        if (!good) {
            fmt::print(stderr, "{}", usage);
            return false;
        }
    }
    return true;
}

std::chrono::milliseconds own_cpu() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto ms = [](const timeval& t) { return t.tv_sec * 1'000 + t.tv_usec / 1'000; };
    return std::chrono::milliseconds(ms(used.ru_utime) + ms(used.ru_stime));
}

double own_memory_mb() {
    std::ifstream file("/proc/self/statm");
    double size = 0, resident = 0;
    file >> size >> resident;
    return resident * double(sysconf(_SC_PAGESIZE)) / 1e6;
}

// When pictures went in, and how long each took.
class stopwatch {
  public:
    void in(GstClockTime pts) {
        std::unique_lock lock(mutex_);
        entered_[pts] = clock_type::now();
        if (entered_.size() > 10'000)
            entered_.erase(entered_.begin());
    }

    void out(GstClockTime pts) {
        const auto now = clock_type::now();
        std::unique_lock lock(mutex_);
        const auto found = entered_.find(pts);
        if (found == entered_.end()) {
            ++strangers_;
            return;
        }
        delays_.push_back(std::chrono::duration<double, std::milli>(now - found->second).count());
        entered_.erase(entered_.begin(), std::next(found));
    }

    std::vector<double> take() {
        std::unique_lock lock(mutex_);
        return std::exchange(delays_, {});
    }

    std::size_t strangers() {
        std::unique_lock lock(mutex_);
        return strangers_;
    }

  private:
    std::mutex mutex_;
    std::map<GstClockTime, clock_type::time_point> entered_;
    std::vector<double> delays_;
    std::size_t strangers_ = 0;
};

// Pictures made beforehand: noise that moves, so that the encoder has work and the source has not.
std::vector<media::gst_ptr<GstBuffer>> make_pictures(const bench_options& options) {
    const std::string line = fmt::format(
        "videotestsrc num-buffers=60 pattern=ball ! "
        "video/x-raw,format=I420,width={},height={},framerate={}/1 ! appsink name=out sync=false",
        options.width,
        options.height,
        options.fps
    );
    auto pipeline = media::sink(gst_parse_launch(line.c_str(), nullptr));
    auto out = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "out"));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    std::vector<media::gst_ptr<GstBuffer>> pictures;
    while (auto sample = adopt(gst_app_sink_pull_sample(GST_APP_SINK(out.get()))))
        pictures.push_back(adopt(gst_buffer_copy_deep(gst_sample_get_buffer(sample.get()))));
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    return pictures;
}

std::uint64_t stat(GstElement* element, const char* name) {
    GstStructure* stats = nullptr;
    g_object_get(element, "stats", &stats, nullptr);
    guint64 value = 0;
    gst_structure_get_uint64(stats, name, &value);
    gst_structure_free(stats);
    return value;
}

double at(const std::vector<double>& sorted, double part) {
    return sorted.empty()
               ? 0
               : sorted[std::min(sorted.size() - 1, std::size_t(part * double(sorted.size())))];
}

int run(const bench_options& options) {
    test::gateway_process gateway;
    const std::string log = fmt::format("/tmp/bench_element_{}.log", getpid());
    auto started = gateway.start(
        options.rivulet,
        {"-httpAddr", "127.0.0.1:0", "-rtmpAddr", "127.0.0.1:0", "-srtAddr=", "-cliAddr="},
        log
    );
    if (!started) {
        fmt::print(stderr, "{}\n", started.error().detail);
        return 1;
    }
    const auto pictures = make_pictures(options);
    const std::string line = fmt::format(
        "appsrc name=in is-live=true format=time caps=video/x-raw,format=I420,width={},height={},"
        "framerate={}/1 ! livepeerai name=ai gateway=http://127.0.0.1:{} pipeline=avfilter "
        "params=\"{{\\\"graph\\\":\\\"{}\\\"}}\" max-latency=2000 ! fakesink name=out sync=false",
        options.width,
        options.height,
        options.fps,
        gateway.http_port(),
        options.graph
    );
    GError* trouble = nullptr;
    auto pipeline = media::sink(gst_parse_launch(line.c_str(), &trouble));
    if (trouble) {
        fmt::print(stderr, "{}\n", trouble->message);
        return 1;
    }
    auto source = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "in"));
    auto element = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "ai"));
    stopwatch watch;
    const auto listen = [&](const char* name, GstPadProbeCallback callback) {
        auto pad = adopt(gst_element_get_static_pad(element.get(), name));
        gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, callback, &watch, nullptr);
    };
    listen("sink", [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        static_cast<stopwatch*>(data)->in(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
        return GST_PAD_PROBE_OK;
    });
    listen("src", [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        static_cast<stopwatch*>(data)->out(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
        return GST_PAD_PROBE_OK;
    });
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);

    std::atomic<bool> over{false};
    std::thread camera([&] {
        const auto begin = clock_type::now();
        for (std::int64_t i = 0; !over; ++i) {
            std::this_thread::sleep_until(
                begin + i * std::chrono::nanoseconds(std::nano::den / options.fps)
            );
            GstClock* time = gst_element_get_clock(pipeline.get());
            if (!time)
                continue;
            const auto now = gst_clock_get_time(time) - gst_element_get_base_time(pipeline.get());
            gst_object_unref(time);
            auto buffer = adopt(gst_buffer_copy(pictures[std::size_t(i) % pictures.size()].get()));
            GST_BUFFER_PTS(buffer.get()) = now;
            GST_BUFFER_DURATION(buffer.get()) = GST_SECOND / guint64(options.fps);
            gst_app_src_push_buffer(GST_APP_SRC(source.get()), buffer.release());
        }
    });
    const auto settled = clock_type::now() + 20s;
    while (stat(element.get(), "frames-processed") < std::uint64_t(options.fps) &&
           clock_type::now() < settled)
        std::this_thread::sleep_for(50ms);
    std::this_thread::sleep_for(2s); // the start is another matter
    watch.take();

    const auto rounds = std::max(1, int(options.minutes + 0.5));
    const auto round_time = std::chrono::duration<double>(options.minutes * 60 / rounds);
    fmt::print(
        "{}x{} at {} through avfilter {}\n",
        options.width,
        options.height,
        options.fps,
        options.graph
    );
    fmt::print("minute  pictures    p50    p99    max ms   element CPU, MB   gateway CPU, MB\n");
    double first_p50 = 0, worst_p99 = 0, last_p50 = 0;
    bool complete = true;
    for (int round = 1; round <= rounds; ++round) {
        const auto own = own_cpu(), theirs = gateway.cpu_time();
        const auto before = clock_type::now();
        const auto stalled = stat(element.get(), "frames-frozen") + stat(element.get(), "gaps");
        std::this_thread::sleep_for(round_time);
        const std::chrono::duration<double> took = clock_type::now() - before;
        auto delays = watch.take();
        std::sort(delays.begin(), delays.end());
        const double p50 = at(delays, 0.5), p99 = at(delays, 0.99);
        const auto share = [&](std::chrono::milliseconds used) {
            return double(used.count()) / 10.0 / took.count();
        };
        fmt::print(
            "{:6}  {:8}  {:5.1f}  {:5.1f}  {:5.1f}     {:5.1f} %  {:6.1f}    {:5.1f} %  {:6.1f}\n",
            round,
            delays.size(),
            p50,
            p99,
            delays.empty() ? 0 : delays.back(),
            share(own_cpu() - own),
            own_memory_mb(),
            share(gateway.cpu_time() - theirs),
            double(gateway.resident_bytes()) / 1e6
        );
        std::fflush(stdout);
        if (round == 1)
            first_p50 = p50;
        last_p50 = p50;
        worst_p99 = std::max(worst_p99, p99);
        const auto missing =
            stat(element.get(), "frames-frozen") + stat(element.get(), "gaps") - stalled;
        complete =
            complete && missing == 0 && double(delays.size()) > 0.98 * took.count() * options.fps;
    }
    over = true;
    camera.join();
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    gateway.stop();
    const bool quick = worst_p99 > 0 && worst_p99 < options.limit_ms;
    const bool flat = last_p50 - first_p50 < options.growth_ms;
    fmt::print(
        "p99 {:.1f} ms, limit {:.0f}: {}; p50 moved by {:.1f} ms: {}; pictures: {}\n",
        worst_p99,
        options.limit_ms,
        quick ? "good" : "TOO LONG",
        last_p50 - first_p50,
        flat ? "flat" : "IT GROWS",
        complete ? "all" : "SOME ARE MISSING"
    );
    if (quick && flat && complete) {
        std::remove(log.c_str());
        return 0;
    }
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    bench_options options;
    if (!read_options(argc, argv, options))
        return 2;
    setenv("GST_PLUGIN_PATH", RIVULET_PLUGIN_FOLDER, 1);
    gst_init(nullptr, nullptr);
    return run(options);
}
