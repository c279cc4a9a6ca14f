// How long a frame takes from the publisher's tag to bytes that a reader of the channel could have,
// and what a stream costs: real-time FLV tags → GStreamer → shard → segmenter → MPEG-TS → channel.
// In the same run, the yardsticks: the same tags through a bare memcpy, and through the muxer
// alone.
//
//   bench_ingest [--for SECONDS] [--streams N[,N…]] [--json]
#include "base/log.hpp"
#include "base/shards.hpp"
#include "bench/test_clip.hpp"
#include "bench/trickle_latency.hpp"
#include "media/flv_ingest.hpp"
#include "media/flv_tag.hpp"
#include "media/h264.hpp"
#include "media/runtime.hpp"
#include "media/segmenter.hpp"
#include "media/ts_muxer.hpp"
#include "trickle/channel_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <sys/resource.h>
#include <time.h>
#include <vector>

namespace rivulet::bench {

namespace {

using namespace std::chrono_literals;
using media::access_unit;
using media::flv_tag;
using media::flv_tag_type;
using media::track_kind;

double seconds(duration d) {
    return std::chrono::duration<double>(d).count();
}

double process_cpu() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    auto value = [](timeval t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
    return value(usage.ru_utime) + value(usage.ru_stime);
}

double thread_cpu() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

std::size_t thread_count() {
    namespace fs = std::filesystem;
    return std::size_t(
        std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator())
    );
}

// The clip's tags, repeated with rising timestamps.
class tag_loop {
  public:
    explicit tag_loop(const std::vector<flv_tag>& tags) : tags_(tags) {
        std::int64_t last = 0;
        for (const auto& tag : tags)
            last = std::max(last, tag.timestamp);
        period_ = last + 33;
    }

    const flv_tag& tag() const { return tags_[at_]; }

    std::int64_t timestamp() const { return tag().timestamp + round_ * period_; }

    void next() {
        if (++at_ == tags_.size()) {
            at_ = 0;
            ++round_;
        }
    }

  private:
    const std::vector<flv_tag>& tags_;
    std::size_t at_ = 0;
    std::int64_t round_ = 0, period_ = 0;
};

struct delays {
    latency_histogram video, audio;
    std::uint64_t tags_in = 0, units_out = 0, bytes_out = 0, segments = 0, refused = 0;

    void merge(const delays& other) {
        video.merge(other.video);
        audio.merge(other.audio);
        tags_in += other.tags_in;
        units_out += other.units_out;
        bytes_out += other.bytes_out;
        segments += other.segments;
        refused += other.refused;
    }
};

// One publisher: everything but the callbacks runs on its home shard.
class lane : public std::enable_shared_from_this<lane> {
  public:
    lane(const std::string& name, asio::io_context& home)
        : home_(home), channel_(std::make_shared<trickle::channel>(
                           name, "video/MP2T", trickle::channel_limits{}, steady_clock::now()
                       )),
          writer_(channel_) {}

    void start() {
        auto self = shared_from_this();
        media::flv_ingest_events events;
        events.format = [self](media::stream_format format) {
            asio::post(self->home_, [self, format = std::move(format)] {
                self->found_.refused += bool(self->muxer_.set_format(format));
            });
        };
        events.unit = [self](access_unit unit) {
            asio::post(self->home_, [self, unit = std::move(unit)] { self->take(unit); });
        };
        events.error = [self](const std::string& text) { fmt::print(stderr, "{}\n", text); };
        ingest_ = media::flv_ingest::create(std::move(events), {}, logger("bench")).value();
    }

    void push(const flv_tag& tag, std::int64_t timestamp) {
        auto now = steady_clock::now();
        bool audio = tag.type == flv_tag_type::audio;
        auto packet = audio ? media::parse_flv_audio(tag.body.view())->packet
                            : media::parse_flv_video(tag.body.view())->packet;
        if (packet == media::flv_packet::frame) {
            sent_[audio].push_back({timestamp * 90, now});
            ++found_.tags_in;
        }
        ingest_->push_tag(std::uint8_t(tag.type), std::uint32_t(timestamp), tag.body.view());
    }

    void stop() {
        ingest_.reset();
        writer_.close();
    }

    const delays& found() const { return found_; }

  private:
    struct sent_tag {
        std::int64_t dts;
        time_point at;
    };

    void take(const access_unit& unit) {
        auto decision = segmenter_.step(unit, steady_clock::now());
        if (decision.action == media::segment_action::cut_then_write) {
            muxer_.begin_segment();
            writer_.begin_segment();
            ++found_.segments;
        }
        bool audio = unit.kind == track_kind::audio;
        if (decision.action != media::segment_action::drop) {
            auto block = muxer_.write(unit);
            if (!block) {
                ++found_.refused;
                return;
            }
            found_.bytes_out += block->size();
            writer_.append(std::move(*block));
        }
        auto now = steady_clock::now();
        auto& sent = sent_[audio];
        while (!sent.empty() && sent.front().dts < unit.dts)
            sent.pop_front();
        if (sent.empty() || sent.front().dts != unit.dts)
            return;
        auto took = std::chrono::nanoseconds(now - sent.front().at).count();
        (audio ? found_.audio : found_.video).record(std::uint64_t(took));
        sent.pop_front();
        ++found_.units_out;
    }

    asio::io_context& home_;
    trickle::channel_ptr channel_;
    trickle::channel_writer writer_;
    std::unique_ptr<media::flv_ingest> ingest_;
    media::segmenter segmenter_;
    media::ts_muxer muxer_;
    std::array<std::deque<sent_tag>, 2> sent_;
    delays found_;
};

struct run_result {
    std::size_t streams = 0;
    double wall = 0, cpu = 0;
    double threads = 0; // that a stream adds
    delays found;
};

template <class Work>
void run_on(asio::io_context& home, Work work) {
    std::promise<void> done;
    asio::post(home, [&] {
        work();
        done.set_value();
    });
    done.get_future().wait();
}

run_result run_streams(const std::vector<flv_tag>& tags, std::size_t streams, duration length) {
    shards loops(0);
    std::size_t threads_before = thread_count();
    std::vector<std::shared_ptr<lane>> lanes;
    std::vector<asio::io_context*> homes;
    for (std::size_t i = 0; i < streams; ++i) {
        std::string name = "stream" + std::to_string(i);
        homes.push_back(&loops.of(name));
        lanes.push_back(std::make_shared<lane>(name, *homes.back()));
        run_on(*homes.back(), [&] { lanes.back()->start(); });
    }
    double cpu_before = process_cpu(), pacer_before = thread_cpu();
    auto begin = steady_clock::now(), end = begin + length;

    std::vector<tag_loop> loops_of_tags(streams, tag_loop(tags));
    auto due = [&](std::size_t i) { // streams start spread over a frame's time
        return begin + 33ms * std::int64_t(i) / std::int64_t(streams) +
               std::chrono::milliseconds(loops_of_tags[i].timestamp());
    };
    std::size_t threads_during = 0;
    for (;;) {
        std::size_t next = 0;
        for (std::size_t i = 1; i < streams; ++i)
            if (due(i) < due(next))
                next = i;
        auto at = due(next);
        if (at >= end)
            break;
        if (at > begin + length / 2 && threads_during == 0)
            threads_during = thread_count();
        std::this_thread::sleep_until(at);
        const flv_tag& tag = loops_of_tags[next].tag();
        if (tag.type != flv_tag_type::script)
            asio::post(
                *homes[next],
                [lane = lanes[next], &tag, timestamp = loops_of_tags[next].timestamp()] {
                    lane->push(tag, timestamp);
                }
            );
        loops_of_tags[next].next();
    }
    std::this_thread::sleep_for(50ms);
    run_result result;
    result.streams = streams;
    result.wall = seconds(length);
    result.cpu = process_cpu() - cpu_before - (thread_cpu() - pacer_before);
    result.threads =
        double(threads_during - std::min(threads_during, threads_before)) / double(streams);
    for (std::size_t i = 0; i < streams; ++i)
        run_on(*homes[i], [&] {
            result.found.merge(lanes[i]->found());
            lanes[i]->stop();
        });
    media::wait_for_tear_downs(5s);
    return result;
}

// CPU per second of one stream's media, on this machine, now.
struct yardstick {
    double copy = 0, mux = 0;
};

yardstick measure_yardstick(const std::vector<flv_tag>& tags) {
    double length = double(tags.back().timestamp) / 1e3;
    std::vector<std::uint8_t> target(8 << 20);
    constexpr int rounds = 20;
    yardstick result;

    double before = thread_cpu();
    for (int i = 0; i < rounds; ++i)
        for (const auto& tag : tags)
            std::memcpy(target.data(), tag.body.data(), std::min(tag.body.size(), target.size()));
    result.copy = (thread_cpu() - before) / rounds / length;

    media::ts_muxer muxer;
    media::stream_format format;
    std::vector<access_unit> units;
    for (const auto& tag : tags) {
        auto view = tag.body.view();
        if (tag.type == flv_tag_type::video) {
            auto header = media::parse_flv_video(view).value();
            auto payload = view.subspan(header.header_bytes);
            if (header.packet == media::flv_packet::sequence_header)
                format.video = media::video_format{media::codec::h264, 1280, 720, {}, {}};
            if (header.packet != media::flv_packet::frame)
                continue;
            auto annexb = media::h264::to_annexb(payload).value();
            units.push_back(
                {track_kind::video,
                 tag.timestamp * 90,
                 tag.timestamp * 90,
                 header.keyframe,
                 bytes::copy_of(annexb)}
            );
        } else if (tag.type == flv_tag_type::audio) {
            auto header = media::parse_flv_audio(view).value();
            auto payload = view.subspan(header.header_bytes);
            if (header.packet == media::flv_packet::sequence_header)
                format.audio = media::audio_format{
                    media::codec::aac, 48000, 2, {payload.begin(), payload.end()}};
            else if (!payload.empty())
                units.push_back(
                    {track_kind::audio,
                     tag.timestamp * 90,
                     tag.timestamp * 90,
                     true,
                     bytes::copy_of(payload)}
                );
        }
    }
    if (muxer.set_format(format))
        return result;
    before = thread_cpu();
    for (int i = 0; i < rounds; ++i)
        for (auto unit : units) {
            unit.pts += i * 90'000'000ll;
            unit.dts += i * 90'000'000ll;
            (void)muxer.write(unit);
        }
    result.mux = (thread_cpu() - before) / rounds / length;
    return result;
}

void print_table(const std::vector<run_result>& runs, const yardstick& bare) {
    fmt::print(
        "{:>7} {:>9} {:>7} | {:>8} {:>8} {:>8} | {:>8} {:>8} | {:>10} {:>8}\n",
        "streams",
        "frames",
        "lost",
        "p50 ms",
        "p99 ms",
        "max ms",
        "audio50",
        "audio99",
        "CPU/stream",
        "threads"
    );
    for (const auto& run : runs) {
        const auto& f = run.found;
        fmt::print(
            "{:>7} {:>9} {:>7} | {:>8.3f} {:>8.3f} {:>8.3f} | {:>8.3f} {:>8.3f} | {:>9.2f}% "
            "{:>8.1f}\n",
            run.streams,
            f.tags_in,
            f.tags_in - f.units_out,
            f.video.quantile_ms(0.5),
            f.video.quantile_ms(0.99),
            f.video.max_ms(),
            f.audio.quantile_ms(0.5),
            f.audio.quantile_ms(0.99),
            100 * run.cpu / run.wall / double(run.streams),
            run.threads
        );
    }
    fmt::print(
        "yardstick, same tags in the same run: memcpy {:.4f}%, mux alone {:.3f}% of a core a "
        "stream\n",
        100 * bare.copy,
        100 * bare.mux
    );
}

void print_json(const std::vector<run_result>& runs, const yardstick& bare) {
    fmt::print(
        "{{\"memcpy_percent\":{:.5f},\"mux_percent\":{:.4f},\"runs\":[",
        100 * bare.copy,
        100 * bare.mux
    );
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto& run = runs[i];
        fmt::print(
            "{}{{\"streams\":{},\"frames\":{},\"lost\":{},\"p50_ms\":{:.3f},\"p99_ms\":{:.3f},"
            "\"max_ms\":{:.3f},\"cpu_percent_per_stream\":{:.3f},\"threads_per_stream\":{:.1f}}}",
            i ? "," : "",
            run.streams,
            run.found.tags_in,
            run.found.tags_in - run.found.units_out,
            run.found.video.quantile_ms(0.5),
            run.found.video.quantile_ms(0.99),
            run.found.video.max_ms(),
            100 * run.cpu / run.wall / double(run.streams),
            run.threads
        );
    }
    fmt::print("]}}\n");
}

std::vector<flv_tag> make_tags() {
    auto path = std::filesystem::temp_directory_path() /
                ("rivulet-ingest-bench-" + std::to_string(::getpid()) + ".flv");
    auto made = test::make_test_clip({}, path.string());
    if (!made) {
        fmt::print(stderr, "{}\n", made.error().detail);
        std::exit(1);
    }
    std::ifstream file(path, std::ios::binary);
    std::vector<std::uint8_t> data{std::istreambuf_iterator<char>(file), {}};
    std::filesystem::remove(path);
    return media::parse_flv_file(data).value();
}

int run(int argc, char** argv) {
    double length = 20;
    bool json = false;
    std::vector<std::size_t> counts{1, 8};
    for (int i = 1; i < argc; ++i) {
        std::string_view word = argv[i];
        if (word == "--for" && i + 1 < argc) {
            length = std::atof(argv[++i]);
        } else if (word == "--streams" && i + 1 < argc) {
            counts.clear();
            std::string_view list = argv[++i];
            while (!list.empty()) {
                auto comma = std::min(list.find(','), list.size());
                counts.push_back(std::size_t(std::atoi(std::string(list.substr(0, comma)).c_str()))
                );
                list.remove_prefix(std::min(list.size(), comma + 1));
            }
        } else if (word == "--json") {
            json = true;
        } else {
            fmt::print(
                stderr, "usage: bench_ingest [--for SECONDS] [--streams N[,N...]] [--json]\n"
            );
            return 2;
        }
    }
    if (length <= 0 || counts.empty() || std::ranges::count(counts, 0u) > 0)
        return 2;
    if (auto missing = media::init(); !missing.empty()) {
        fmt::print(stderr, "GStreamer elements are missing: {}\n", missing);
        return 1;
    }
    auto tags = make_tags();
    auto each = std::chrono::duration_cast<duration>(
        std::chrono::duration<double>(length / double(counts.size()))
    );
    std::vector<run_result> runs;
    for (std::size_t streams : counts)
        runs.push_back(run_streams(tags, streams, each));
    auto bare = measure_yardstick(tags);
    json ? print_json(runs, bare) : print_table(runs, bare);
    bool lost = std::ranges::any_of(runs, [](const run_result& r) {
        return r.found.refused > 0 || r.found.units_out + 2 * r.streams < r.found.tags_in;
    });
    return lost ? 1 : 0;
}

} // namespace

} // namespace rivulet::bench

int main(int argc, char** argv) {
    return rivulet::bench::run(argc, argv);
}
