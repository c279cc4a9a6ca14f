#include "media/video_transcoder.hpp"

#include "media/gst_closure.hpp"
#include "media/gst_ptr.hpp"
#include "media/h264.hpp"
#include "media/runtime.hpp"
#include "media/timestamps.hpp"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>

namespace rivulet::media {

namespace {

// Pictures between decoder and encoder; then the decoder waits.
constexpr guint max_raw_pictures = 3;
// Input that waits longer than this loses pictures in front of the encoder, the dearer half.
constexpr duration skip_lag = std::chrono::milliseconds(700);
// Input that waits longer than this is behind: video goes on at the next keyframe.
constexpr duration max_lag = std::chrono::seconds(2);
// Units whose picture never came out (damaged, invisible) are forgotten beyond this many.
constexpr std::size_t max_stamps = 1024;
// Leaves room for pictures before the first one's decoding time.
constexpr std::int64_t start_of_time = 10 * clock_rate;
constexpr int fallback_rate = 30; // when the input doesn't say
// A few bytes can claim pictures of a gigabyte.
constexpr std::int64_t max_pixels = 4096 * 4096;
constexpr int max_kbit = 12'000, min_kbit = 200;

GstClockTime to_gst(std::int64_t ticks) {
    return GstClockTime(ticks) * 100'000 / 9;
}

std::int64_t to_ticks(GstClockTime time) {
    return std::int64_t((time * 9 + 50'000) / 100'000);
}

struct input_elements {
    const char* caps;
    const char* parser; // null: none
    std::vector<const char*> decoders;
};

std::optional<input_elements> elements_for(codec type) {
    switch (type) {
    case codec::h264:
        return input_elements{
            "video/x-h264,stream-format=byte-stream,alignment=au",
            "h264parse",
            {"avdec_h264", "openh264dec"}};
    case codec::h265:
        return input_elements{
            "video/x-h265,stream-format=byte-stream,alignment=au",
            "h265parse",
            {"avdec_h265", "libde265dec"}};
    case codec::vp8:
        return input_elements{"video/x-vp8", nullptr, {"vp8dec", "avdec_vp8"}};
    case codec::vp9:
        return input_elements{"video/x-vp9", nullptr, {"vp9dec", "avdec_vp9"}};
    default:
        return std::nullopt;
    }
}

// Elements differ from version to version in what they let one set.
template <class Value>
void set_if_there(GstElement* element, const char* property, Value value) {
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), property))
        g_object_set(element, property, value, nullptr);
}

void set_text_if_there(GstElement* element, const char* property, const char* value) {
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), property))
        gst_util_set_object_arg(G_OBJECT(element), property, value);
}

// The processor time of the calling thread since the first call with the same meter.
class thread_meter {
  public:
    void sample() {
        timespec spent{};
        if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent) != 0)
            return;
        auto now = std::int64_t(spent.tv_sec) * 1'000'000'000 + spent.tv_nsec;
        if (first_ < 0)
            first_ = now;
        spent_ = now - first_;
    }

    double seconds() const { return double(spent_.load()) / 1e9; }

  private:
    std::int64_t first_ = -1;
    std::atomic<std::int64_t> spent_{0};
};

} // namespace

struct video_transcoder::impl : std::enable_shared_from_this<video_transcoder::impl> {
    // given
    codec input = codec::none;
    video_transcoder_events events;
    video_transcoder_options options;
    logger log;

    // caller's thread
    gst_ptr<GstElement> pipeline;
    gst_ptr<GstAppSrc> source;
    continuous_clock clock{start_of_time};
    std::optional<time_point> busy_since;
    bool wait_for_keyframe = false;
    bool behind_logged = false;

    // any thread
    std::atomic<std::uint64_t> frames_in{0}, frames_out{0}, dropped{0};
    std::atomic<bool> failed{false}, keyframe_wanted{false}, lagging{false};
    std::mutex stamps_mutex;
    std::map<std::int64_t, std::int64_t> stamps; // by time inside the pipeline: the input's PTS

    // Held while a callback runs: when the destructor has had it, no other one starts.
    std::mutex gate;
    bool closed = false;

    // Owned by the pipeline; used on its threads only.
    GstElement* scaled = nullptr; // caps filter: even sizes
    GstElement* encoder = nullptr;
    GstElement* raw_queue = nullptr;

    // decoding thread
    thread_meter decoding;

    std::atomic<int> wanted_kbit{0};
    std::atomic<double> assumed_rate{
        fallback_rate}; // pictures per second that the encoder counts with

    // encoding thread
    thread_meter encoding;
    std::optional<GstClockTime> rate_since;
    int rate_pictures = 0;
    std::optional<GstClockTime> last_keyframe;
    video_format format;

    // ---- caller's thread ---------------------------------------------------------------------

    GstElement* add(const char* name) {
        GstElement* element = gst_element_factory_make(name, nullptr);
        if (element)
            gst_bin_add(GST_BIN(pipeline.get()), element);
        return element;
    }

    GstElement* add_first_of(std::initializer_list<const char*> names) {
        for (const char* name : names)
            if (GstElement* element = add(name))
                return element;
        return nullptr;
    }

    outcome<void> start(const input_elements& in) {
        pipeline = sink(gst_pipeline_new(nullptr));
        GstElement* src = add("appsrc");
        GstElement* parser = in.parser ? add(in.parser) : nullptr;
        GstElement* decoder = nullptr;
        for (const char* name : in.decoders)
            if ((decoder = add(name)))
                break;
        if (!decoder || (in.parser && !parser))
            return failure(errc::unsupported, "no decoder for this video codec is installed");
        GstElement* convert = add_first_of({"videoconvertscale"});
        GstElement* scale = nullptr;
        if (!convert) { // before GStreamer 1.22
            convert = add("videoconvert");
            scale = add("videoscale");
        }
        scaled = add("capsfilter");
        raw_queue = add("queue");
        encoder = add_first_of({"x264enc", "openh264enc"});
        GstElement* filter = add("capsfilter");
        GstElement* out = add("appsink");
        if (!src || !convert || !scaled || !raw_queue || !encoder || !filter || !out)
            return failure(errc::unsupported, "no H.264 encoder is installed");

        source = retain(GST_APP_SRC(src));
        auto caps = adopt(gst_caps_from_string(in.caps));
        g_object_set(
            src,
            "caps",
            caps.get(),
            "format",
            GST_FORMAT_TIME,
            "is-live",
            TRUE,
            "block",
            FALSE,
            "max-bytes",
            guint64{0},
            "do-timestamp",
            FALSE,
            nullptr
        );
        // Damaged input is what a lossy network brings; the next keyframe heals it.
        set_if_there<gint>(decoder, "max-errors", -1);
        set_if_there<gboolean>(decoder, "qos", FALSE);
        // One thread each: streams run side by side, and frame threads would add frames of delay.
        set_if_there<gint>(decoder, "max-threads", 1);
        set_if_there<guint>(decoder, "threads", 1);

        set_raw_caps(0, 0);
        g_object_set(
            raw_queue,
            "max-size-buffers",
            max_raw_pictures,
            "max-size-bytes",
            guint{0},
            "max-size-time",
            guint64{0},
            nullptr
        );
        configure_encoder();
        auto wanted = adopt(gst_caps_from_string(
            "video/x-h264,stream-format=byte-stream,alignment=au,profile=constrained-baseline"
        ));
        g_object_set(filter, "caps", wanted.get(), nullptr);
        g_object_set(out, "sync", FALSE, "async", FALSE, "qos", FALSE, nullptr);
        GstAppSinkCallbacks callbacks{};
        callbacks.new_sample = &impl::on_sample;
        gst_app_sink_set_callbacks(GST_APP_SINK(out), &callbacks, hold(shared_from_this()), &let_go<impl>);

        bool linked = parser ? gst_element_link_many(src, parser, decoder, nullptr)
                             : gst_element_link(src, decoder);
        linked = linked && gst_element_link(decoder, convert) &&
                 (scale ? gst_element_link_many(convert, scale, scaled, nullptr)
                        : gst_element_link(convert, scaled)) &&
                 gst_element_link_many(scaled, raw_queue, encoder, filter, out, nullptr);
        if (!linked)
            return failure(errc::media_error, "the video elements don't fit together");
        add_probe(
            convert,
            "sink",
            GstPadProbeType(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_BUFFER),
            &impl::on_decoded
        );
        add_probe(raw_queue, "sink", GST_PAD_PROBE_TYPE_BUFFER, &impl::on_raw);
        add_probe(encoder, "sink", GST_PAD_PROBE_TYPE_BUFFER, &impl::before_encoding);

        auto bus = adopt(gst_element_get_bus(pipeline.get()));
        gst_bus_set_sync_handler(bus.get(), &impl::on_message, hold(shared_from_this()), &let_go<impl>);
        if (gst_element_set_state(pipeline.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
            return failure(errc::media_error, "the video transcoder did not start");
        return {};
    }

    void add_probe(
        GstElement* element, const char* name, GstPadProbeType mask, GstPadProbeCallback callback
    ) {
        auto pad = adopt(gst_element_get_static_pad(element, name));
        gst_pad_add_probe(pad.get(), mask, callback, hold(shared_from_this()), &let_go<impl>);
    }

    void configure_encoder() {
        bool x264 =
            std::string_view(GST_OBJECT_NAME(gst_element_get_factory(encoder))) == "x264enc";
        if (x264) {
            gst_util_set_object_arg(G_OBJECT(encoder), "speed-preset", "superfast");
            gst_util_set_object_arg(G_OBJECT(encoder), "tune", "zerolatency");
            // Keyframes come by the clock (before_encoding), not by the number of frames.
            g_object_set(
                encoder,
                "threads",
                guint{1},
                "bframes",
                guint{0},
                "key-int-max",
                guint{100'000},
                "vbv-buf-capacity",
                guint{1'000},
                "option-string",
                "scenecut=0",
                nullptr
            );
        } else {
            set_if_there<guint>(encoder, "gop-size", 100'000);
            set_text_if_there(encoder, "rate-control", "bitrate");
            set_text_if_there(encoder, "complexity", "low");
            set_if_there<gboolean>(encoder, "enable-frame-skip", FALSE);
        }
        wanted_kbit = options.bitrate_kbit > 0 ? options.bitrate_kbit : 2'500;
        set_bitrate(wanted_kbit);
    }

    void set_bitrate(int kbit) {
        kbit = std::clamp(kbit, min_kbit, max_kbit);
        bool x264 =
            std::string_view(GST_OBJECT_NAME(gst_element_get_factory(encoder))) == "x264enc";
        g_object_set(encoder, "bitrate", guint(x264 ? kbit : kbit * 1'000), nullptr);
        if (!x264)
            set_if_there<guint>(encoder, "max-bitrate", guint(kbit) * 1'500);
    }

    void push(const access_unit& unit) {
        if (failed || unit.kind != track_kind::video || unit.data.empty())
            return;
        ++frames_in;
        if (!may_queue(unit)) {
            ++dropped;
            return;
        }
        access_unit placed = unit;
        clock.adjust(placed);
        std::int64_t at = std::max<std::int64_t>(placed.pts, 0);
        {
            std::unique_lock lock(stamps_mutex);
            stamps[at] = unit.pts;
            if (stamps.size() > max_stamps)
                stamps.erase(stamps.begin());
        }
        auto* kept = new bytes(unit.data);
        GstBuffer* buffer = gst_buffer_new_wrapped_full(
            GST_MEMORY_FLAG_READONLY,
            const_cast<std::uint8_t*>(kept->data()),
            kept->size(),
            0,
            kept->size(),
            kept,
            [](gpointer data) { delete static_cast<bytes*>(data); }
        );
        GST_BUFFER_PTS(buffer) = to_gst(at);
        if (placed.dts >= 0)
            GST_BUFFER_DTS(buffer) = to_gst(placed.dts);
        if (!unit.keyframe)
            GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
        gst_app_src_push_buffer(source.get(), buffer);
    }

    // A burst (the pictures since the last keyframe, on joining) may wait its turn; a decoder that
    // never catches up loses pictures up to a keyframe.
    bool may_queue(const access_unit& unit) {
        auto now = steady_clock::now();
        std::size_t queued = gst_app_src_get_current_level_bytes(source.get());
        if (queued == 0)
            busy_since.reset();
        else if (!busy_since)
            busy_since = now;
        lagging = busy_since && now - *busy_since > skip_lag;
        bool late = busy_since && now - *busy_since > max_lag;
        bool full = queued + unit.data.size() > options.queue_bytes;
        if (wait_for_keyframe && !unit.keyframe)
            return false;
        wait_for_keyframe = full || (late && queued > 0);
        if (wait_for_keyframe && !behind_logged) {
            behind_logged = true;
            log.warn("the video transcoder is behind: video is dropped to a keyframe");
        }
        return !wait_for_keyframe;
    }

    void close() {
        {
            std::unique_lock lock(gate);
            closed = true;
        }
        source.reset();
        tear_down(std::move(pipeline));
    }

    // ---- decoding thread ---------------------------------------------------------------------

    static GstPadProbeReturn on_decoded(GstPad*, GstPadProbeInfo* info, gpointer data) {
        auto& self = held<impl>(data);
        if (!(GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM)) {
            self.decoding.sample();
            return self.failed ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
        }
        GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
        if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS)
            return GST_PAD_PROBE_OK;
        GstCaps* caps = nullptr;
        gst_event_parse_caps(event, &caps);
        int width = 0, height = 0;
        const GstStructure* s = caps ? gst_caps_get_structure(caps, 0) : nullptr;
        if (s && gst_structure_get_int(s, "width", &width) &&
            gst_structure_get_int(s, "height", &height)) {
            if (std::int64_t(width) * height > max_pixels) {
                GST_ELEMENT_ERROR(
                    self.scaled,
                    STREAM,
                    DECODE,
                    ("pictures of %dx%d are too large", width, height),
                    (nullptr)
                );
                return GST_PAD_PROBE_DROP;
            }
            self.new_size(width, height);
        }
        // Without a rate, x264 keeps one picture back to learn its duration.
        int rate = 0, per = 0;
        bool known = s && gst_structure_get_fraction(s, "framerate", &rate, &per) && rate > 0 &&
                     per > 0 && rate / per < 240;
        self.assumed_rate = known ? double(rate) / per : fallback_rate;
        if (!known && caps) {
            auto said = adopt(gst_caps_copy(caps));
            gst_caps_set_simple(
                said.get(), "framerate", GST_TYPE_FRACTION, fallback_rate, 1, nullptr
            );
            gst_event_unref(event);
            GST_PAD_PROBE_INFO_DATA(info) = gst_event_new_caps(said.get());
        }
        return GST_PAD_PROBE_OK;
    }

    // 4:2:0 has no half pixels: a shared window of 801x601 becomes 800x600.
    void new_size(int width, int height) {
        width = std::max(16, width & ~1);
        height = std::max(16, height & ~1);
        set_raw_caps(width, height);
        if (options.bitrate_kbit == 0)
            wanted_kbit = int(std::int64_t(width) * height * 27 / 10'000);
        set_bitrate(wanted_kbit);
    }

    void set_raw_caps(int width, int height) {
        auto caps =
            adopt(gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "I420", nullptr));
        if (width > 0)
            gst_caps_set_simple(
                caps.get(), "width", G_TYPE_INT, width, "height", G_TYPE_INT, height, nullptr
            );
        g_object_set(scaled, "caps", caps.get(), nullptr);
    }

    static GstPadProbeReturn on_raw(GstPad*, GstPadProbeInfo*, gpointer data) {
        auto& self = held<impl>(data);
        if (!self.lagging)
            return GST_PAD_PROBE_OK;
        guint waiting = 0;
        g_object_get(self.raw_queue, "current-level-buffers", &waiting, nullptr);
        if (waiting == 0)
            return GST_PAD_PROBE_OK;
        ++self.dropped;
        return GST_PAD_PROBE_DROP;
    }

    // ---- encoding thread ---------------------------------------------------------------------

    static GstPadProbeReturn before_encoding(GstPad*, GstPadProbeInfo* info, gpointer data) {
        auto& self = held<impl>(data);
        GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
        GstClockTime pts = GST_BUFFER_PTS(buffer);
        if (!GST_CLOCK_TIME_IS_VALID(pts))
            return GST_PAD_PROBE_OK;
        self.measure_rate(pts);
        auto interval = GstClockTime(
            std::chrono::duration_cast<std::chrono::nanoseconds>(self.options.keyframe_interval)
                .count()
        );
        bool due = !self.last_keyframe || pts < *self.last_keyframe ||
                   pts - *self.last_keyframe + GST_MSECOND >= interval;
        if (!self.keyframe_wanted.exchange(false) && !due)
            return GST_PAD_PROBE_OK;
        self.last_keyframe = pts;
        GstEvent* event = gst_event_new_custom(
            GST_EVENT_CUSTOM_UPSTREAM,
            gst_structure_new(
                "GstForceKeyUnit",
                "all-headers",
                G_TYPE_BOOLEAN,
                TRUE,
                "count",
                G_TYPE_UINT,
                0u,
                nullptr
            )
        );
        auto out = adopt(gst_element_get_static_pad(self.encoder, "src"));
        gst_pad_send_event(out.get(), event);
        return GST_PAD_PROBE_OK;
    }

    // The encoder spends its bits per picture at a rate it was told; publishers change theirs.
    void measure_rate(GstClockTime pts) {
        if (!rate_since || pts < *rate_since) {
            rate_since = pts;
            rate_pictures = 0;
            return;
        }
        ++rate_pictures;
        GstClockTime passed = pts - *rate_since;
        if (passed < 2 * GST_SECOND)
            return;
        double rate = rate_pictures * double(GST_SECOND) / double(passed);
        rate_since = pts;
        rate_pictures = 0;
        double factor = std::clamp(assumed_rate / std::max(rate, 1.0), 0.25, 2.0);
        set_bitrate(int(wanted_kbit * factor));
    }

    static GstFlowReturn on_sample(GstAppSink* sink, gpointer data) {
        auto& self = held<impl>(data);
        if (auto sample = adopt(gst_app_sink_pull_sample(sink)))
            self.encoded(sample.get());
        return GST_FLOW_OK;
    }

    void encoded(GstSample* sample) {
        encoding.sample();
        GstBuffer* buffer = gst_sample_get_buffer(sample);
        const GstSegment* segment = gst_sample_get_segment(sample);
        if (!buffer || !segment || !GST_BUFFER_PTS_IS_VALID(buffer))
            return;
        // x264enc moves times and segment by a thousand hours; running time stays.
        auto running =
            gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
        if (!GST_CLOCK_TIME_IS_VALID(running))
            return;
        auto pts = take_stamp(to_ticks(running));
        bytes data = map_buffer(buffer);
        if (!pts || data.empty())
            return;
        access_unit unit;
        unit.kind = track_kind::video;
        unit.pts = unit.dts = *pts;
        unit.keyframe = h264::has_idr(data.view());
        if (unit.keyframe)
            learn_format(data.view());
        if (format.type == codec::none)
            return;
        unit.data = std::move(data);
        ++frames_out;
        tell([&] {
            if (events.unit)
                events.unit(std::move(unit));
        });
    }

    // The input's PTS. Pictures leave in order of time: those before this one never come.
    std::optional<std::int64_t> take_stamp(std::int64_t at) {
        std::unique_lock lock(stamps_mutex);
        auto found = stamps.lower_bound(at - 1);
        if (found == stamps.end() || found->first > at + 1)
            return std::nullopt;
        std::int64_t pts = found->second;
        stamps.erase(stamps.begin(), std::next(found));
        return pts;
    }

    void learn_format(byte_span unit) {
        auto sets = h264::find_parameter_sets(unit);
        if (sets.sps.empty() || sets.pps.empty())
            return;
        auto info = h264::parse_sps(sets.sps);
        if (!info)
            return;
        video_format now;
        now.type = codec::h264;
        now.width = info->width;
        now.height = info->height;
        now.sps.assign(sets.sps.begin(), sets.sps.end());
        now.pps.assign(sets.pps.begin(), sets.pps.end());
        if (now == format)
            return;
        format = std::move(now);
        tell([&] {
            if (events.format)
                events.format(format);
        });
    }

    // ---- both --------------------------------------------------------------------------------

    template <class Call>
    void tell(Call call) {
        std::unique_lock lock(gate);
        if (!closed && !failed)
            call();
    }

    static GstBusSyncReply on_message(GstBus*, GstMessage* message, gpointer data) {
        auto& self = held<impl>(data);
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
            std::string text = describe_error(message);
            std::unique_lock lock(self.gate);
            if (!self.closed && !self.failed.exchange(true) && self.events.error)
                self.events.error(text);
        }
        gst_message_unref(message);
        return GST_BUS_DROP;
    }
};

video_transcoder::video_transcoder(std::shared_ptr<impl> impl) : impl_(std::move(impl)) {}

outcome<std::unique_ptr<video_transcoder>> video_transcoder::create(
    const video_format& input,
    video_transcoder_events events,
    video_transcoder_options options,
    logger log
) {
    init();
    auto elements = elements_for(input.type);
    if (!elements)
        return failure(errc::unsupported, "this video codec can't be decoded here");
    auto state = std::make_shared<impl>();
    state->input = input.type;
    state->events = std::move(events);
    state->options = options;
    state->log = std::move(log);
    if (auto started = state->start(*elements); !started) {
        state->close();
        return started.error();
    }
    return std::unique_ptr<video_transcoder>(new video_transcoder(std::move(state)));
}

video_transcoder::~video_transcoder() {
    impl_->close();
}

void video_transcoder::push(const access_unit& unit) {
    impl_->push(unit);
}

void video_transcoder::request_keyframe() {
    impl_->keyframe_wanted = true;
}

video_transcoder_stats video_transcoder::stats() const {
    video_transcoder_stats out;
    out.frames_in = impl_->frames_in;
    out.frames_out = impl_->frames_out;
    out.dropped = impl_->dropped;
    out.cpu_seconds = impl_->decoding.seconds() + impl_->encoding.seconds();
    return out;
}

} // namespace rivulet::media
