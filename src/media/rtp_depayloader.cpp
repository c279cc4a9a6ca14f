#include "media/rtp_depayloader.hpp"

#include "media/gst_ptr.hpp"
#include "media/h264.hpp"
#include "media/runtime.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace rivulet::media {

namespace {

struct depayload_elements {
    const char* depayloader;
    const char* encoding;
    const char* output;
    std::initializer_list<const char*> decoders;
};

const depayload_elements* elements_for(codec type) {
    static const depayload_elements h264{
        "rtph264depay",
        "H264",
        "video/x-h264,stream-format=byte-stream,alignment=au",
        {"avdec_h264", "openh264dec"}};
    static const depayload_elements h265{
        "rtph265depay",
        "H265",
        "video/x-h265,stream-format=byte-stream,alignment=au",
        {"avdec_h265", "libde265dec"}};
    static const depayload_elements vp8{
        "rtpvp8depay", "VP8", "video/x-vp8", {"vp8dec", "avdec_vp8"}};
    static const depayload_elements vp9{
        "rtpvp9depay", "VP9", "video/x-vp9", {"vp9dec", "avdec_vp9"}};
    switch (type) {
    case codec::h264:
        return &h264;
    case codec::h265:
        return &h265;
    case codec::vp8:
        return &vp8;
    case codec::vp9:
        return &vp9;
    default:
        return nullptr;
    }
}

bool is_installed(const char* name) {
    auto* factory = gst_element_factory_find(name);
    if (!factory)
        return false;
    gst_object_unref(factory);
    return true;
}

// The caps that the fmtp becomes: "sprop-parameter-sets", "packetization-mode" and the like, whose
// values GStreamer reads as strings.
void add_parameters(GstCaps* caps, std::string_view parameters) {
    while (!parameters.empty()) {
        auto end = parameters.find(';');
        auto entry = parameters.substr(0, end);
        parameters = end == parameters.npos ? std::string_view{} : parameters.substr(end + 1);
        auto equals = entry.find('=');
        if (equals == entry.npos)
            continue;
        auto trimmed = [](std::string_view text) {
            while (!text.empty() && text.front() == ' ')
                text.remove_prefix(1);
            while (!text.empty() && text.back() == ' ')
                text.remove_suffix(1);
            return std::string(text);
        };
        std::string key = trimmed(entry.substr(0, equals)),
                    value = trimmed(entry.substr(equals + 1));
        // Only what the depayloaders read; GLib keeps every name of a field for ever.
        static constexpr std::string_view known[] = {
            "packetization-mode",
            "sprop-parameter-sets",
            "sprop-vps",
            "sprop-sps",
            "sprop-pps",
            "sprop-max-don-diff"};
        if (std::ranges::find(known, key) == std::end(known))
            continue;
        if (g_utf8_validate(value.data(), gssize(value.size()), nullptr))
            gst_caps_set_simple(caps, key.c_str(), G_TYPE_STRING, value.c_str(), nullptr);
    }
}

} // namespace

bool can_depayload(codec type) {
    init();
    auto* elements = elements_for(type);
    return elements && is_installed(elements->depayloader);
}

bool can_decode(codec type) {
    init();
    auto* elements = elements_for(type);
    return elements && std::ranges::any_of(elements->decoders, is_installed);
}

struct rtp_depayloader::impl {
    codec type = codec::none;
    on_picture picture;
    gst_ptr<GstElement> element;
    gst_ptr<GstPad> in, out; // ours, linked to the element's

    ~impl() {
        if (in)
            gst_pad_set_active(in.get(), FALSE);
        if (out)
            gst_pad_set_active(out.get(), FALSE);
        if (element)
            gst_element_set_state(element.get(), GST_STATE_NULL);
    }

    error_code start(const depayload_elements& wanted, std::uint8_t pt, std::string_view fmtp) {
        element = sink(gst_element_factory_make(wanted.depayloader, nullptr));
        if (!element)
            return errc::unsupported;
        in = sink(gst_pad_new("source", GST_PAD_SRC));
        out = sink(gst_pad_new("pictures", GST_PAD_SINK));
        gst_pad_set_element_private(out.get(), this);
        gst_pad_set_chain_function(out.get(), &impl::on_buffer);
        gst_pad_set_query_function(out.get(), &impl::on_query);
        output = adopt(gst_caps_from_string(wanted.output));
        auto into = adopt(gst_element_get_static_pad(element.get(), "sink"));
        auto from = adopt(gst_element_get_static_pad(element.get(), "src"));
        gst_pad_set_active(in.get(), TRUE);
        gst_pad_set_active(out.get(), TRUE);
        if (gst_pad_link(in.get(), into.get()) != GST_PAD_LINK_OK ||
            gst_pad_link(from.get(), out.get()) != GST_PAD_LINK_OK ||
            gst_element_set_state(element.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
            return errc::media_error;
        auto caps = adopt(gst_caps_new_simple(
            "application/x-rtp",
            "media",
            G_TYPE_STRING,
            "video",
            "clock-rate",
            G_TYPE_INT,
            int(clock_rate),
            "encoding-name",
            G_TYPE_STRING,
            wanted.encoding,
            "payload",
            G_TYPE_INT,
            int(pt),
            nullptr
        ));
        add_parameters(caps.get(), fmtp);
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        bool ready = gst_pad_push_event(in.get(), gst_event_new_stream_start("rtp")) &&
                     gst_pad_push_event(in.get(), gst_event_new_caps(caps.get())) &&
                     gst_pad_push_event(in.get(), gst_event_new_segment(&segment));
        return ready ? error_code{} : error_code{errc::media_error};
    }

    gst_ptr<GstCaps> output;

    // The depayloader asks which form of the codec is wanted.
    static gboolean on_query(GstPad* pad, GstObject* parent, GstQuery* query) {
        auto& self = *static_cast<impl*>(gst_pad_get_element_private(pad));
        if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
            GstCaps* filter = nullptr;
            gst_query_parse_caps(query, &filter);
            auto answer = filter ? adopt(gst_caps_intersect_full(
                                       filter, self.output.get(), GST_CAPS_INTERSECT_FIRST
                                   ))
                                 : retain(self.output.get());
            gst_query_set_caps_result(query, answer.get());
            return TRUE;
        }
        if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
            GstCaps* caps = nullptr;
            gst_query_parse_accept_caps(query, &caps);
            gst_query_set_accept_caps_result(
                query, gst_caps_can_intersect(caps, self.output.get())
            );
            return TRUE;
        }
        return gst_pad_query_default(pad, parent, query);
    }

    static GstFlowReturn on_buffer(GstPad* pad, GstObject*, GstBuffer* raw) {
        auto& self = *static_cast<impl*>(gst_pad_get_element_private(pad));
        auto buffer = adopt(raw);
        bytes data = map_buffer(buffer.get());
        if (data.empty() || !GST_BUFFER_PTS_IS_VALID(buffer.get()))
            return GST_FLOW_OK;
        auto time = std::int64_t((GST_BUFFER_PTS(buffer.get()) * 9 + 50'000) / 100'000);
        bool delta = GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
        self.piece(time, !delta, std::move(data));
        return GST_FLOW_OK;
    }

    // GStreamer's own H.264 payloader repeats the parameter sets in front of every slice of a
    // keyframe, where its depayloader begins another picture: what has one time is one picture.
    struct pending_picture {
        std::int64_t time = 0;
        std::vector<bytes> pieces;
    };

    std::optional<pending_picture> pending;

    void piece(std::int64_t time, bool keyframe, bytes data) {
        if (type != codec::h264 && type != codec::h265) {
            if (picture)
                picture(time, keyframe, std::move(data));
            return;
        }
        if (pending && pending->time != time)
            flush();
        if (!pending)
            pending = pending_picture{time, {}};
        pending->pieces.push_back(std::move(data));
    }

    bool opens_a_picture(std::uint8_t first) const {
        if (type == codec::h264) {
            const auto kind = first & 0x1f;
            return kind >= h264::sps && kind <= h264::access_unit_delimiter;
        }
        const auto kind = (first >> 1) & 0x3f;
        return kind >= 32 && kind <= 35;
    }

    bool is_slice(std::uint8_t first) const {
        if (type == codec::h264)
            return (first & 0x1f) >= h264::slice && (first & 0x1f) <= h264::slice_idr;
        return ((first >> 1) & 0x3f) < 32;
    }

    bool has_slice(const bytes& data) const {
        nal_range nals(data.view());
        for (auto nal = nals.peek(); nal; nals.next(), nal = nals.peek())
            if (is_slice(*nal))
                return true;
        return false;
    }

    // What is behind the first slice must not begin a picture again.
    void append_without_openers(std::vector<std::uint8_t>& whole, const bytes& data) const {
        nal_range nals(data.view());
        for (auto nal = nals.next(); !nal.empty(); nal = nals.next()) {
            if (opens_a_picture(nal[0]))
                continue;
            whole.insert(whole.end(), {0, 0, 0, 1});
            whole.insert(whole.end(), nal.begin(), nal.end());
        }
    }

    void flush() {
        if (!pending)
            return;
        auto gone = std::move(*pending);
        pending.reset();
        bytes data = gone.pieces.front();
        if (gone.pieces.size() > 1) {
            std::vector<std::uint8_t> whole;
            bool slices = false;
            for (const auto& one : gone.pieces) {
                if (slices)
                    append_without_openers(whole, one);
                else
                    whole.insert(whole.end(), one.data(), one.data() + one.size());
                slices = slices || has_slice(one);
            }
            data = bytes::copy_of(whole);
        }
        bool keyframe =
            type == codec::h264 ? h264::has_idr(data.view()) : h265::has_random_access(data.view());
        if (picture)
            picture(gone.time, keyframe, std::move(data));
    }

    void push(std::span<const std::uint8_t> packet, std::int64_t time, bool gap) {
        GstBuffer* buffer = gst_buffer_new_allocate(nullptr, packet.size(), nullptr);
        if (!buffer)
            return;
        gst_buffer_fill(buffer, 0, packet.data(), packet.size());
        GST_BUFFER_PTS(buffer) = GstClockTime(std::max<std::int64_t>(time, 0)) * 100'000 / 9;
        if (gap)
            GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
        bool marker = packet.size() > 1 && packet[1] & 0x80;
        gst_pad_push(in.get(), buffer);
        if (marker)
            flush();
    }
};

rtp_depayloader::rtp_depayloader(std::unique_ptr<impl> impl) : impl_(std::move(impl)) {}

rtp_depayloader::~rtp_depayloader() = default;

outcome<std::unique_ptr<rtp_depayloader>> rtp_depayloader::create(
    codec type, std::uint8_t payload_type, std::string_view parameters, on_picture picture
) {
    init();
    auto* elements = elements_for(type);
    if (!elements)
        return failure(errc::unsupported, "this video codec can't be received over RTP");
    auto made = std::make_unique<impl>();
    made->type = type;
    made->picture = std::move(picture);
    if (auto ec = made->start(*elements, payload_type, parameters))
        return failure(ec, std::string("no ") + elements->depayloader + " to receive video with");
    return std::unique_ptr<rtp_depayloader>(new rtp_depayloader(std::move(made)));
}

void rtp_depayloader::push(std::span<const std::uint8_t> packet, std::int64_t time, bool gap) {
    impl_->push(packet, time, gap);
}

} // namespace rivulet::media
