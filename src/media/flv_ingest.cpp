#include "media/flv_ingest.hpp"

#include "media/aac.hpp"
#include "media/entry_points.hpp"
#include "media/flv_tag.hpp"
#include "media/gst_ptr.hpp"
#include "media/h264.hpp"
#include "media/runtime.hpp"
#include "media/timestamps.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <mutex>

namespace rivulet::media {

namespace {

constexpr std::int64_t ticks_per_ms = clock_rate / 1000;
// flvdemux takes a step of more than two seconds for a new clock and shifts that track alone, which
// would pull sound and picture apart after a pause. It only ever sees small steps; the real times
// travel beside it.
constexpr std::int64_t max_step_ms = 1000;
constexpr std::size_t max_stamps = 4096;

constexpr std::uint8_t tag_audio = 8, tag_video = 9;
constexpr std::size_t tag_header = 11, tag_trailer = 4;

struct stamp {
    std::int64_t shown_ms; // what flvdemux was told
    std::int64_t pts, dts; // what is true
};

template <class T>
void unref_shared(gpointer data, GClosure*) {
    delete static_cast<std::shared_ptr<T>*>(data);
}

} // namespace

struct flv_ingest::impl : std::enable_shared_from_this<flv_ingest::impl> {
    // given
    flv_ingest_events events;
    flv_ingest_options options;
    logger log;

    // caller's thread
    struct clock_of_track {
        std::optional<std::int64_t> real_ms;
        std::int64_t shown_ms = 0;
    };

    gst_ptr<GstElement> pipeline;
    gst_ptr<GstAppSrc> source;
    unwrapper<32> clock;
    std::optional<std::int64_t> first_ms;
    std::array<clock_of_track, 2> clocks;
    bool header_sent = false;
    bool ending = false;
    bool wait_for_keyframe = false;
    std::atomic<std::uint64_t> dropped{0};

    // between both
    std::mutex stamps_mutex;
    std::array<std::deque<stamp>, 2> stamps;
    std::atomic<bool> failed{false};

    // Held while a callback runs: when the destructor has had it, no other one starts.
    std::mutex gate;
    bool closed = false;
    bool finished = false; // error or ended was told

    // pipeline's thread
    stream_format format;
    entry_points entries;
    gst_ptr<GstCaps> audio_caps;

    struct branch {
        std::string media;
        std::vector<GstElement*> elements; // owned by the pipeline
        gst_ptr<GstCaps> caps;
    };

    std::array<branch, 2> branches;

    // ---- caller's thread ---------------------------------------------------------------------

    error_code start() {
        pipeline = sink(gst_pipeline_new(nullptr));
        auto make = [&](const char* name) {
            GstElement* element = gst_element_factory_make(name, nullptr);
            if (element)
                gst_bin_add(GST_BIN(pipeline.get()), element);
            return element;
        };
        GstElement* src = make("appsrc");
        GstElement* demux = make("flvdemux");
        if (!src || !demux)
            return errc::media_error;
        source = retain(GST_APP_SRC(src));
        auto caps = adopt(gst_caps_new_empty_simple("video/x-flv"));
        g_object_set(
            src,
            "caps",
            caps.get(),
            "is-live",
            TRUE,
            "format",
            GST_FORMAT_BYTES,
            "block",
            FALSE,
            "max-bytes",
            guint64{0},
            "do-timestamp",
            FALSE,
            nullptr
        );
        gst_element_link(src, demux);
        g_signal_connect_data(
            demux,
            "pad-added",
            G_CALLBACK(&impl::on_pad),
            new std::shared_ptr<impl>(shared_from_this()),
            &unref_shared<impl>,
            GConnectFlags{}
        );
        auto bus = adopt(gst_element_get_bus(pipeline.get()));
        gst_bus_set_sync_handler(
            bus.get(),
            &impl::on_message,
            new std::shared_ptr<impl>(shared_from_this()),
            [](gpointer data) { delete static_cast<std::shared_ptr<impl>*>(data); }
        );
        if (gst_element_set_state(pipeline.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
            return errc::media_error;
        return {};
    }

    // What a tag is, as far as queueing and times are concerned.
    struct tag_facts {
        flv_push verdict = flv_push::accepted;
        flv_packet packet = flv_packet::other;
        bool keyframe = false;
        std::int64_t composition_ms = 0;
    };

    flv_push push(std::uint8_t type, std::uint32_t timestamp_ms, byte_span body) {
        if (ending || failed)
            return flv_push::closed;
        if (type != tag_audio && type != tag_video)
            return flv_push::accepted;
        bool video = type == tag_video;
        tag_facts facts = video ? look_at_video(body) : look_at_audio(body);
        if (facts.verdict != flv_push::accepted || facts.packet == flv_packet::end_of_sequence)
            return facts.verdict;

        std::int64_t ms = clock(timestamp_ms);
        bool is_frame = facts.packet == flv_packet::frame;
        if (!may_queue(body.size(), video && is_frame, facts.keyframe)) {
            ++dropped;
            return flv_push::dropped;
        }
        auto& own = clocks[video ? 0 : 1];
        if (!first_ms)
            first_ms = ms;
        // Always a step, so that every frame has a time of its own to be recognised by.
        std::int64_t step = ms - own.real_ms.value_or(*first_ms);
        own.real_ms = ms;
        own.shown_ms += std::clamp<std::int64_t>(step, 1, max_step_ms);
        if (is_frame) {
            std::int64_t dts = ms * ticks_per_ms;
            std::unique_lock lock(stamps_mutex);
            auto& queue = stamps[video ? 0 : 1];
            queue.push_back({own.shown_ms, dts + facts.composition_ms * ticks_per_ms, dts});
            if (queue.size() > max_stamps)
                queue.pop_front();
        }
        send(type, std::uint32_t(own.shown_ms), body);
        return flv_push::accepted;
    }

    static tag_facts look_at_video(byte_span body) {
        auto header = parse_flv_video(body);
        if (!header)
            return {flv_push::malformed};
        if (header->enhanced || header->type != codec::h264)
            return {flv_push::unsupported};
        return {
            verdict_on(header->packet, body.size(), header->header_bytes),
            header->packet,
            header->keyframe,
            header->composition_time};
    }

    static tag_facts look_at_audio(byte_span body) {
        auto header = parse_flv_audio(body);
        if (!header)
            return {flv_push::malformed};
        if (header->enhanced || (header->type != codec::aac && header->type != codec::mp3))
            return {flv_push::unsupported};
        return {verdict_on(header->packet, body.size(), header->header_bytes), header->packet};
    }

    static flv_push verdict_on(flv_packet packet, std::size_t size, std::size_t header) {
        if (packet == flv_packet::end_of_sequence)
            return flv_push::accepted;
        bool known = packet == flv_packet::frame || packet == flv_packet::sequence_header;
        return known && size > header && size <= 0xff'ffff ? flv_push::accepted
                                                           : flv_push::malformed;
    }

    // The queue is short unless the machine is overloaded. Then pictures go first, up to the next
    // keyframe that fits; sound and headers may use twice the room.
    bool may_queue(std::size_t size, bool picture, bool keyframe) {
        std::size_t queued = gst_app_src_get_current_level_bytes(source.get()) + size;
        if (!picture)
            return queued <= 2 * options.queue_bytes;
        if (wait_for_keyframe && !keyframe)
            return false;
        wait_for_keyframe = queued > options.queue_bytes;
        return !wait_for_keyframe;
    }

    void send(std::uint8_t type, std::uint32_t ms, byte_span body) {
        static constexpr std::uint8_t file_header[] = {'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0};
        std::size_t prefix = header_sent ? 0 : sizeof file_header;
        std::size_t size = prefix + tag_header + body.size() + tag_trailer;
        GstBuffer* buffer = gst_buffer_new_allocate(nullptr, size, nullptr);
        GstMapInfo map;
        if (!buffer || !gst_buffer_map(buffer, &map, GST_MAP_WRITE))
            return;
        std::uint8_t* out = map.data;
        if (prefix)
            out = std::copy(std::begin(file_header), std::end(file_header), out);
        header_sent = true;
        auto put24 = [&](std::uint32_t value) {
            *out++ = std::uint8_t(value >> 16);
            *out++ = std::uint8_t(value >> 8);
            *out++ = std::uint8_t(value);
        };
        *out++ = type;
        put24(std::uint32_t(body.size()));
        put24(ms & 0xff'ffff);
        *out++ = std::uint8_t(ms >> 24);
        put24(0);
        out = std::copy(body.begin(), body.end(), out);
        auto whole = std::uint32_t(tag_header + body.size());
        *out++ = std::uint8_t(whole >> 24);
        put24(whole & 0xff'ffff);
        gst_buffer_unmap(buffer, &map);
        gst_app_src_push_buffer(source.get(), buffer);
    }

    void close() {
        {
            std::unique_lock lock(gate);
            closed = true;
        }
        source.reset();
        tear_down(std::move(pipeline));
    }

    // ---- pipeline's thread -------------------------------------------------------------------

    template <class Call>
    void tell(Call call) {
        std::unique_lock lock(gate);
        if (!closed && !finished)
            call();
    }

    void finish(const std::string* problem) {
        failed = true;
        tell([&] {
            finished = true;
            if (problem && events.error)
                events.error(*problem);
            else if (!problem && events.ended)
                events.ended();
        });
    }

    static GstBusSyncReply on_message(GstBus*, GstMessage* message, gpointer data) {
        auto& self = **static_cast<std::shared_ptr<impl>*>(data);
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
            self.finish(nullptr);
        } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
            std::string text = describe_error(message);
            // A publisher that left before any media is no failure of the pipeline.
            bool nothing_came =
                self.end_sent && self.branches[0].media.empty() && self.branches[1].media.empty();
            self.finish(nothing_came ? nullptr : &text);
        }
        gst_message_unref(message);
        return GST_BUS_DROP;
    }

    std::atomic<bool> end_sent{false};

    static std::string media_of(GstCaps* caps) {
        const GstStructure* s = gst_caps_get_structure(caps, 0);
        std::string name = gst_structure_get_name(s);
        int version = 0;
        if (gst_structure_get_int(s, "mpegversion", &version))
            name += version == 1 ? "/1" : "/4";
        return name;
    }

    static void on_pad(GstElement*, GstPad* pad, gpointer data) {
        auto& self = **static_cast<std::shared_ptr<impl>*>(data);
        auto caps = adopt(gst_pad_get_current_caps(pad));
        if (!caps)
            caps = adopt(gst_pad_query_caps(pad, nullptr));
        if (!caps || gst_caps_is_empty(caps.get()) || gst_caps_is_any(caps.get()))
            return;
        self.attach(pad, media_of(caps.get()));
        gst_pad_add_probe(
            pad,
            GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
            &impl::on_event,
            new std::shared_ptr<impl>(self.shared_from_this()),
            [](gpointer held) { delete static_cast<std::shared_ptr<impl>*>(held); }
        );
    }

    // A publisher may change from AAC to MP3: the parser behind the pad has to change with it.
    static GstPadProbeReturn on_event(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
        auto& self = **static_cast<std::shared_ptr<impl>*>(data);
        GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
        if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS)
            return GST_PAD_PROBE_OK;
        GstCaps* caps = nullptr;
        gst_event_parse_caps(event, &caps);
        if (caps)
            self.attach(pad, media_of(caps));
        return GST_PAD_PROBE_OK;
    }

    void attach(GstPad* pad, const std::string& media) {
        bool video = media.starts_with("video/");
        branch& to = branches[video ? 0 : 1];
        if (to.media == media)
            return;
        if (auto peer = adopt(gst_pad_get_peer(pad)))
            gst_pad_unlink(pad, peer.get());
        for (GstElement* element : to.elements) {
            gst_element_set_state(element, GST_STATE_NULL);
            gst_bin_remove(GST_BIN_CAST(pad_bin(pad).get()), element);
        }
        to.elements.clear();
        to.media = media;

        // MP3 has no parser: it would hold the first frame until it has seen the second, and a tag
        // carries whole frames anyway.
        bool mp3 = media == "audio/mpeg/1";
        const char* parser = video && media == "video/x-h264" ? "h264parse"
                             : media == "audio/mpeg/4"        ? "aacparse"
                             : mp3                            ? "identity"
                                                              : nullptr;
        const char* wanted = video ? "video/x-h264,stream-format=byte-stream,alignment=au"
                             : mp3 ? "audio/mpeg,mpegversion=1"
                                   : "audio/mpeg,mpegversion=4,stream-format=raw";
        auto bin = pad_bin(pad);
        auto add = [&](const char* name) {
            GstElement* element = gst_element_factory_make(name, nullptr);
            if (element) {
                gst_bin_add(GST_BIN(bin.get()), element);
                to.elements.push_back(element);
            }
            return element;
        };
        GstElement* parse = parser ? add(parser) : nullptr;
        GstElement* filter = parse ? add("capsfilter") : nullptr;
        GstElement* out = add(parse ? "appsink" : "fakesink");
        if (!out)
            return;
        // Nothing waits for a clock or for another track.
        g_object_set(out, "sync", FALSE, "async", FALSE, nullptr);
        if (parse && filter) {
            auto caps = adopt(gst_caps_from_string(wanted));
            g_object_set(filter, "caps", caps.get(), nullptr);
            if (video)
                g_object_set(parse, "config-interval", -1, nullptr); // in front of every IDR
            GstAppSinkCallbacks callbacks{};
            callbacks.new_sample = video ? &impl::on_video : &impl::on_audio;
            gst_app_sink_set_callbacks(
                GST_APP_SINK(out),
                &callbacks,
                new std::shared_ptr<impl>(shared_from_this()),
                [](gpointer held) { delete static_cast<std::shared_ptr<impl>*>(held); }
            );
            gst_element_link_many(parse, filter, out, nullptr);
        }
        for (auto element = to.elements.rbegin(); element != to.elements.rend(); ++element)
            gst_element_sync_state_with_parent(*element);
        auto target = adopt(gst_element_get_static_pad(to.elements.front(), "sink"));
        gst_pad_link(pad, target.get());
    }

    static gst_ptr<GstElement> pad_bin(GstPad* pad) {
        auto demux = adopt(gst_pad_get_parent_element(pad));
        return adopt(GST_ELEMENT(gst_element_get_parent(demux.get())));
    }

    static GstFlowReturn on_video(GstAppSink* sink, gpointer data) {
        auto& self = **static_cast<std::shared_ptr<impl>*>(data);
        if (auto sample = adopt(gst_app_sink_pull_sample(sink)))
            self.video(sample.get());
        return GST_FLOW_OK;
    }

    static GstFlowReturn on_audio(GstAppSink* sink, gpointer data) {
        auto& self = **static_cast<std::shared_ptr<impl>*>(data);
        if (auto sample = adopt(gst_app_sink_pull_sample(sink)))
            self.audio(sample.get());
        return GST_FLOW_OK;
    }

    // The true times of the unit that flvdemux stamped `shown`.
    std::optional<stamp> take_stamp(track_kind kind, GstClockTime shown) {
        std::unique_lock lock(stamps_mutex);
        auto& queue = stamps[std::size_t(kind)];
        if (queue.empty())
            return std::nullopt;
        if (GST_CLOCK_TIME_IS_VALID(shown)) {
            auto ms = std::int64_t((shown + GST_MSECOND / 2) / GST_MSECOND);
            auto distance = [&](const stamp& s) { return std::abs(s.shown_ms - ms); };
            // Those in front belong to tags that gave no unit.
            while (queue.size() > 1 && distance(queue[1]) < distance(queue[0]))
                queue.pop_front();
        }
        stamp found = queue.front();
        queue.pop_front();
        return found;
    }

    void deliver(track_kind kind, const stamp& times, bool keyframe, bytes data) {
        access_unit unit;
        unit.kind = kind;
        unit.pts = times.pts;
        unit.dts = times.dts;
        unit.keyframe = keyframe;
        unit.data = std::move(data);
        tell([&] {
            if (events.unit)
                events.unit(std::move(unit));
        });
    }

    void tell_format() {
        tell([&] {
            if (events.format)
                events.format(format);
        });
    }

    void video(GstSample* sample) {
        GstBuffer* buffer = gst_sample_get_buffer(sample);
        if (!buffer)
            return;
        auto times = take_stamp(track_kind::video, GST_BUFFER_DTS_OR_PTS(buffer));
        bytes data = map_buffer(buffer);
        if (!times || data.empty())
            return;
        // Nothing begins with a picture whose format nobody knows.
        bool known = format.video || !h264::find_parameter_sets(data.view()).sps.empty();
        bool keyframe = known && entries(data.view(), times->dts);
        if (keyframe) {
            // The parser puts them in front of an IDR only.
            if (format.video && h264::find_parameter_sets(data.view()).sps.empty())
                data = h264::with_parameter_sets(data, format.video->sps, format.video->pps);
            learn_video(data.view());
        }
        if (!format.video)
            return; // no decoder could start with it
        deliver(track_kind::video, *times, keyframe, std::move(data));
    }

    void learn_video(byte_span unit) {
        auto sets = h264::find_parameter_sets(unit);
        if (sets.sps.empty() || sets.pps.empty())
            return;
        if (format.video && std::ranges::equal(format.video->sps, sets.sps) &&
            std::ranges::equal(format.video->pps, sets.pps))
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
        format.video = std::move(now);
        tell_format();
    }

    void audio(GstSample* sample) {
        GstBuffer* buffer = gst_sample_get_buffer(sample);
        GstCaps* caps = gst_sample_get_caps(sample);
        if (!buffer || !caps)
            return;
        auto times = take_stamp(track_kind::audio, GST_BUFFER_PTS(buffer));
        if (caps != audio_caps.get()) {
            audio_caps = retain(caps);
            learn_audio(caps);
        }
        bytes data = map_buffer(buffer);
        if (!times || data.empty())
            return;
        if (branches[1].media == "audio/mpeg/1")
            mp3_frames(data, *times);
        else if (format.audio && format.audio->type == codec::aac)
            deliver(track_kind::audio, *times, true, std::move(data));
    }

    // FLV can name three sample rates only: the frames say the true one.
    void mp3_frames(const bytes& data, stamp times) {
        std::size_t at = 0;
        while (at < data.size()) {
            auto header = mpeg_audio::parse_header(data.view().subspan(at));
            if (!header || header->frame_size < 4 || header->frame_size > data.size() - at)
                return;
            audio_format now{codec::mp3, header->sample_rate, header->channels, {}};
            if (format.audio != now) {
                format.audio = std::move(now);
                tell_format();
            }
            deliver(track_kind::audio, times, true, data.slice(at, header->frame_size));
            times.pts = times.dts +=
                std::int64_t(header->samples) * clock_rate / header->sample_rate;
            at += header->frame_size;
        }
    }

    void learn_audio(GstCaps* caps) {
        if (media_of(caps) != "audio/mpeg/4")
            return;
        const GstStructure* s = gst_caps_get_structure(caps, 0);
        audio_format now;
        now.type = codec::aac;
        gst_structure_get_int(s, "rate", &now.sample_rate);
        gst_structure_get_int(s, "channels", &now.channels);
        const GValue* value = gst_structure_get_value(s, "codec_data");
        GstBuffer* config = value ? gst_value_get_buffer(value) : nullptr;
        if (!config)
            return;
        bytes data = map_buffer(config);
        now.config.assign(data.view().begin(), data.view().end());
        auto info = aac::parse_config(now.config);
        if (!info)
            return;
        if (now.sample_rate == 0)
            now.sample_rate = info->sample_rate;
        if (now.channels == 0)
            now.channels = info->channels;
        if (format.audio == now)
            return;
        format.audio = std::move(now);
        tell_format();
    }
};

flv_ingest::flv_ingest(std::shared_ptr<impl> impl) : impl_(std::move(impl)) {}

outcome<std::unique_ptr<flv_ingest>>
flv_ingest::create(flv_ingest_events events, flv_ingest_options options, logger log) {
    if (auto missing = init(); !missing.empty())
        return failure(errc::media_error, "GStreamer elements are missing: " + missing);
    auto state = std::make_shared<impl>();
    state->events = std::move(events);
    state->options = options;
    state->log = std::move(log);
    if (auto ec = state->start()) {
        state->close();
        return failure(ec, "the ingest pipeline did not start");
    }
    return std::unique_ptr<flv_ingest>(new flv_ingest(std::move(state)));
}

flv_ingest::~flv_ingest() {
    impl_->close();
}

flv_push flv_ingest::push_tag(
    std::uint8_t type, std::uint32_t timestamp_ms, std::span<const std::uint8_t> body
) {
    return impl_->push(type, timestamp_ms, body);
}

void flv_ingest::end() {
    if (impl_->ending)
        return;
    impl_->ending = true;
    impl_->end_sent = true;
    if (!impl_->header_sent) { // flvdemux wants to see at least what it is
        impl_->finish(nullptr);
        return;
    }
    gst_app_src_end_of_stream(impl_->source.get());
}

std::uint64_t flv_ingest::tags_dropped() const {
    return impl_->dropped;
}

} // namespace rivulet::media
