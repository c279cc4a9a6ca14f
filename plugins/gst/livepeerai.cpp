#include "livepeerai.hpp"

#include "ai_link.hpp"
#include "audio_side.hpp"
#include "video_side.hpp"

#define GST_CAT_DEFAULT (rivulet::element::debug_category())

using namespace rivulet::element;
using rivulet::media::adopt;

struct GstLivepeerAi {
    GstElement parent;
    GstPad *sink, *src, *audio_sink, *audio_src;
    ai_link* link;
};

struct GstLivepeerAiClass {
    GstElementClass parent_class;
};

G_DEFINE_TYPE(GstLivepeerAi, gst_livepeer_ai, GST_TYPE_ELEMENT)

namespace {

enum {
    prop_gateway = 1,
    prop_stream,
    prop_pipeline,
    prop_params,
    prop_token,
    prop_bitrate,
    prop_keyframe_interval,
    prop_max_latency,
    prop_on_stall,
    prop_tls_verify,
    prop_stats,
};

// What encoders take as it is comes first: sources choose the first that they can make.
constexpr const char* raw_video =
    "video/x-raw,format={I420,NV12},width=(int)[16,8192],height=(int)[16,8192],"
    "framerate=(fraction)[0/1,max];"
    "video/x-raw,width=(int)[16,8192],height=(int)[16,8192],framerate=(fraction)[0/1,max]";
constexpr const char* coded_video = "video/x-h264,stream-format=byte-stream,alignment=au";
constexpr const char* raw_audio = "audio/x-raw";
constexpr const char* coded_audio =
    "audio/mpeg,mpegversion=4,stream-format=raw;"
    "audio/mpeg,mpegversion=4,stream-format=adts,framed=(boolean)true";
constexpr const char* coded_audio_out = "audio/mpeg,mpegversion=4,stream-format=raw";

GstLivepeerAi* cast(gpointer object) {
    return reinterpret_cast<GstLivepeerAi*>(object);
}

ai_link& link_of(gpointer object) {
    return *cast(object)->link;
}

// What may go wrong inside ends as an element error, not as the end of the program.
template <class Result, class Call>
Result guarded(gpointer object, Result otherwise, Call call) noexcept {
    try {
        return call();
    } catch (const std::exception& e) {
        GST_ELEMENT_ERROR(object, LIBRARY, FAILED, ("Internal error"), ("%s", e.what()));
    } catch (...) {
        GST_ELEMENT_ERROR(object, LIBRARY, FAILED, ("Internal error"), (nullptr));
    }
    return otherwise;
}

GType stall_type() {
    static const GType type = [] {
        static const GEnumValue values[] = {
            {int(stall_policy::drop), "Nothing leaves: a GAP event instead", "drop"},
            {int(stall_policy::freeze), "The last processed picture again", "freeze"},
            {int(stall_policy::passthrough), "The input picture, unprocessed", "passthrough"},
            {0, nullptr, nullptr}};
        return g_enum_register_static("GstLivepeerAiOnStall", values);
    }();
    return type;
}

// ---- properties ---------------------------------------------------------------------------------

std::string text_in(const GValue* value) {
    const char* text = g_value_get_string(value);
    return text ? text : "";
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
    guarded(object, 0, [&] {
        auto& link = link_of(object);
        switch (id) {
        case prop_gateway:
            link.change([&](element_settings& s) { s.gateway = text_in(value); });
            break;
        case prop_stream:
            link.change([&](element_settings& s) { s.stream = text_in(value); });
            break;
        case prop_pipeline:
            link.change([&](element_settings& s) { s.pipeline = text_in(value); });
            break;
        case prop_params:
            link.set_params(text_in(value));
            break;
        case prop_token:
            link.change([&](element_settings& s) { s.token = text_in(value); });
            break;
        case prop_bitrate:
            link.change([&](element_settings& s) { s.bitrate_kbit = g_value_get_uint(value); });
            break;
        case prop_keyframe_interval:
            link.change([&](element_settings& s) {
                s.keyframe_interval_ms = g_value_get_uint(value);
            });
            break;
        case prop_max_latency:
            link.change([&](element_settings& s) { s.max_latency_ms = g_value_get_uint(value); });
            // Everybody asks again what the latency is.
            gst_element_post_message(
                GST_ELEMENT(object), gst_message_new_latency(GST_OBJECT(object))
            );
            break;
        case prop_on_stall:
            link.change([&](element_settings& s) {
                s.on_stall = stall_policy(g_value_get_enum(value));
            });
            break;
        case prop_tls_verify:
            link.change([&](element_settings& s) { s.tls_verify = g_value_get_boolean(value); });
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
        }
        return 0;
    });
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
    guarded(object, 0, [&] {
        const auto now = link_of(object).settings();
        switch (id) {
        case prop_gateway:
            g_value_set_string(value, now.gateway.c_str());
            break;
        case prop_stream:
            g_value_set_string(value, now.stream.c_str());
            break;
        case prop_pipeline:
            g_value_set_string(value, now.pipeline.c_str());
            break;
        case prop_params:
            g_value_set_string(value, now.params.c_str());
            break;
        case prop_bitrate:
            g_value_set_uint(value, now.bitrate_kbit);
            break;
        case prop_keyframe_interval:
            g_value_set_uint(value, now.keyframe_interval_ms);
            break;
        case prop_max_latency:
            g_value_set_uint(value, now.max_latency_ms);
            break;
        case prop_on_stall:
            g_value_set_enum(value, int(now.on_stall));
            break;
        case prop_tls_verify:
            g_value_set_boolean(value, now.tls_verify);
            break;
        case prop_stats:
            g_value_take_boxed(value, link_of(object).stats());
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
        }
        return 0;
    });
}

void install_properties(GObjectClass* type) {
    const element_settings defaults;
    constexpr auto ready =
        GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    constexpr auto playing =
        GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
    const auto add = [type](guint id, GParamSpec* spec) {
        g_object_class_install_property(type, id, spec);
    };
    add(prop_gateway,
        g_param_spec_string(
            "gateway",
            "Gateway",
            "Address of the gateway's API: http or https, with a path prefix if there is one",
            defaults.gateway.c_str(),
            ready
        ));
    add(prop_stream,
        g_param_spec_string(
            "stream",
            "Stream",
            "Name of the stream at the gateway, where others can watch it; empty: a random name",
            defaults.stream.c_str(),
            ready
        ));
    add(prop_pipeline,
        g_param_spec_string(
            "pipeline",
            "Pipeline",
            "Which AI pipeline (model) processes the video; empty: the gateway's default",
            defaults.pipeline.c_str(),
            ready
        ));
    add(prop_params,
        g_param_spec_string(
            "params",
            "Params",
            "Parameters of the pipeline, a JSON object as text; a change takes effect at once. "
            "What is "
            "not a JSON object is refused with a warning",
            defaults.params.c_str(),
            playing
        ));
    add(prop_token,
        g_param_spec_string(
            "token",
            "Token",
            "Key that the gateway asks publishers for, sent as Authorization: Bearer; never shown",
            nullptr,
            GParamFlags(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
        ));
    add(prop_bitrate,
        g_param_spec_uint(
            "bitrate",
            "Bitrate",
            "Of the H.264 video sent, in kbit/s; not used when the input is H.264 already",
            100,
            100'000,
            defaults.bitrate_kbit,
            playing
        ));
    add(prop_keyframe_interval,
        g_param_spec_uint(
            "keyframe-interval",
            "Keyframe interval",
            "A keyframe at least so often, in milliseconds; not used when the input is H.264 "
            "already",
            100,
            60'000,
            defaults.keyframe_interval_ms,
            playing
        ));
    add(prop_max_latency,
        g_param_spec_uint(
            "max-latency",
            "Maximum latency",
            "How long the processed picture may take, in milliseconds; the pipeline's latency "
            "grows by "
            "it. A picture that is not there by then is a stall (see on-stall)",
            20,
            60'000,
            defaults.max_latency_ms,
            playing
        ));
    add(prop_on_stall,
        g_param_spec_enum(
            "on-stall",
            "On stall",
            "What leaves while processed pictures are missing; encoded output always has gaps",
            stall_type(),
            int(defaults.on_stall),
            playing
        ));
    add(prop_tls_verify,
        g_param_spec_boolean(
            "tls-verify",
            "TLS verify",
            "Check the certificate of an https gateway",
            defaults.tls_verify,
            ready
        ));
    add(prop_stats,
        g_param_spec_boxed(
            "stats",
            "Statistics",
            "Frames in, processed, frozen, late; delay of the processed pictures; bytes; "
            "connections",
            GST_TYPE_STRUCTURE,
            GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)
        ));
}

// ---- pads ---------------------------------------------------------------------------------------

GstFlowReturn video_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    return guarded(parent, GST_FLOW_ERROR, [&] {
        return link_of(parent).video().chain(adopt(buffer));
    });
}

gboolean video_sink_event(GstPad*, GstObject* parent, GstEvent* event) {
    return guarded(parent, gboolean{FALSE}, [&] {
        return gboolean(link_of(parent).video().sink_event(adopt(event)));
    });
}

gboolean video_sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
    return guarded(parent, gboolean{FALSE}, [&]() -> gboolean {
        if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION)
            return gst_pad_query_default(pad, parent, query);
        link_of(parent).video().propose_allocation(query);
        return TRUE;
    });
}

gboolean src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
    return guarded(parent, gboolean{FALSE}, [&]() -> gboolean {
        if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
            return gst_pad_query_default(pad, parent, query);
        return link_of(parent).latency(query);
    });
}

gboolean src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
    return guarded(parent, gboolean{FALSE}, [&]() -> gboolean {
        if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) { // upstream's rate is not downstream's matter
            gst_event_unref(event);
            return TRUE;
        }
        if (pad == cast(parent)->src && gst_video_event_is_force_key_unit(event)) {
            link_of(parent).video().keyframe();
            gst_event_unref(event);
            return TRUE;
        }
        return gst_pad_event_default(pad, parent, event);
    });
}

gboolean video_src_activate(GstPad*, GstObject* parent, GstPadMode mode, gboolean active) {
    if (mode != GST_PAD_MODE_PUSH)
        return FALSE;
    return guarded(parent, gboolean{FALSE}, [&] {
        auto& output = link_of(parent).video().output();
        return gboolean(active ? output.start() : output.stop());
    });
}

gboolean video_sink_activate(GstPad*, GstObject* parent, GstPadMode mode, gboolean active) {
    if (mode != GST_PAD_MODE_PUSH)
        return FALSE;
    return guarded(parent, gboolean{FALSE}, [&] {
        link_of(parent).video().activate(active);
        return gboolean{TRUE};
    });
}

GstFlowReturn audio_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    return guarded(parent, GST_FLOW_ERROR, [&] {
        auto side = link_of(parent).audio();
        auto owned = adopt(buffer);
        return side ? side->chain(std::move(owned)) : GST_FLOW_FLUSHING;
    });
}

gboolean audio_sink_event(GstPad*, GstObject* parent, GstEvent* event) {
    return guarded(parent, gboolean{FALSE}, [&] {
        auto side = link_of(parent).audio();
        auto owned = adopt(event);
        return gboolean(side && side->sink_event(std::move(owned)));
    });
}

gboolean audio_sink_activate(GstPad*, GstObject* parent, GstPadMode mode, gboolean active) {
    if (mode != GST_PAD_MODE_PUSH)
        return FALSE;
    return guarded(parent, gboolean{FALSE}, [&] {
        if (auto side = link_of(parent).audio())
            side->activate(active);
        return gboolean{TRUE};
    });
}

gboolean audio_src_activate(GstPad*, GstObject* parent, GstPadMode mode, gboolean active) {
    if (mode != GST_PAD_MODE_PUSH)
        return FALSE;
    return guarded(parent, gboolean{FALSE}, [&] {
        auto side = link_of(parent).audio();
        if (!side || !side->output())
            return gboolean(!active);
        return gboolean(active ? side->output()->start() : side->output()->stop());
    });
}

// The audio side is made anew for the pads there are: pads come only below PAUSED, when nothing
// runs. They may go at any time.
GstPad* request_pad(GstElement* element, GstPadTemplate* wanted, const gchar*, const GstCaps*) {
    return guarded(element, static_cast<GstPad*>(nullptr), [&]() -> GstPad* {
        auto* self = cast(element);
        const std::string name = GST_PAD_TEMPLATE_NAME_TEMPLATE(wanted);
        GstPad*& place = name == "audio_sink" ? self->audio_sink : self->audio_src;
        GstState state = GST_STATE_NULL;
        gst_element_get_state(element, &state, nullptr, 0);
        if (place || state > GST_STATE_READY || link_of(element).running()) {
            GST_WARNING_OBJECT(
                element,
                place ? "there is one %s only" : "%s can be asked for below PAUSED only",
                name.c_str()
            );
            return nullptr;
        }
        GstPad* pad = gst_pad_new_from_template(wanted, name.c_str());
        if (name == "audio_sink") {
            gst_pad_set_chain_function(pad, &audio_chain);
            gst_pad_set_event_function(pad, &audio_sink_event);
            gst_pad_set_activatemode_function(pad, &audio_sink_activate);
        } else {
            gst_pad_set_query_function(pad, &src_query);
            gst_pad_set_event_function(pad, &src_event);
            gst_pad_set_activatemode_function(pad, &audio_src_activate);
            gst_pad_use_fixed_caps(pad);
        }
        place = pad;
        link_of(element).set_audio_pads(self->audio_sink, self->audio_src);
        gst_element_add_pad(element, pad);
        return pad;
    });
}

void release_pad(GstElement* element, GstPad* pad) {
    guarded(element, 0, [&] {
        auto* self = cast(element);
        gst_pad_set_active(pad, FALSE);
        GstPad*& place = pad == self->audio_sink ? self->audio_sink : self->audio_src;
        place = nullptr;
        link_of(element).set_audio_pads(self->audio_sink, self->audio_src);
        gst_element_remove_pad(element, pad);
        return 0;
    });
}

// ---- states -------------------------------------------------------------------------------------

GstStateChangeReturn change_state(GstElement* element, GstStateChange change) {
    return guarded(element, GST_STATE_CHANGE_FAILURE, [&] {
        auto& link = link_of(element);
        switch (change) {
        case GST_STATE_CHANGE_NULL_TO_READY:
            link.bus_listens(true);
            break;
        case GST_STATE_CHANGE_READY_TO_NULL:
            link.bus_listens(false);
            break;
        case GST_STATE_CHANGE_READY_TO_PAUSED:
            link.start();
            break;
        case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
            link.play();
            break;
        case GST_STATE_CHANGE_PAUSED_TO_READY:
            link.interrupt();
            break;
        default:
            break;
        }
        auto done = GST_ELEMENT_CLASS(gst_livepeer_ai_parent_class)->change_state(element, change);
        if (done == GST_STATE_CHANGE_FAILURE) {
            if (change == GST_STATE_CHANGE_READY_TO_PAUSED)
                link.stop();
            return done;
        }
        switch (change) {
        case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
            link.pause();
            return GST_STATE_CHANGE_NO_PREROLL;
        case GST_STATE_CHANGE_READY_TO_PAUSED: // live: nothing leaves before PLAYING
            return GST_STATE_CHANGE_NO_PREROLL;
        case GST_STATE_CHANGE_PAUSED_TO_READY:
            link.stop();
            break;
        default:
            break;
        }
        return done;
    });
}

void finalize(GObject* object) {
    delete cast(object)->link;
    G_OBJECT_CLASS(gst_livepeer_ai_parent_class)->finalize(object);
}

void add_template(
    GstElementClass* type,
    const char* name,
    GstPadDirection direction,
    GstPadPresence presence,
    const std::string& text
) {
    auto caps = adopt(gst_caps_from_string(text.c_str()));
    gst_element_class_add_pad_template(
        type, gst_pad_template_new(name, direction, presence, caps.get())
    );
}

} // namespace

/**
 * element-livepeerai:
 *
 * Sends video to a Rivulet gateway, where an AI pipeline transforms it, and gives back what comes
 * out, in the input's running time. docs/gstreamer.md tells the rest.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! livepeerai
 * gateway=http://127.0.0.1:8935 pipeline=avfilter params='{"graph":"negate"}' ! videoconvert !
 * autovideosink
 * ]|
 */
static void gst_livepeer_ai_class_init(GstLivepeerAiClass* klass) {
    auto* object = G_OBJECT_CLASS(klass);
    auto* element = GST_ELEMENT_CLASS(klass);
    object->set_property = &set_property;
    object->get_property = &get_property;
    object->finalize = &finalize;
    install_properties(object);
    element->change_state = &change_state;
    element->request_new_pad = &request_pad;
    element->release_pad = &release_pad;
    const std::string video = std::string(raw_video) + ";" + coded_video;
    add_template(element, "sink", GST_PAD_SINK, GST_PAD_ALWAYS, video);
    add_template(element, "src", GST_PAD_SRC, GST_PAD_ALWAYS, video);
    add_template(
        element,
        "audio_sink",
        GST_PAD_SINK,
        GST_PAD_REQUEST,
        std::string(raw_audio) + ";" + coded_audio
    );
    add_template(
        element,
        "audio_src",
        GST_PAD_SRC,
        GST_PAD_REQUEST,
        std::string(raw_audio) + ";" + coded_audio_out
    );
    gst_element_class_set_static_metadata(
        element,
        "Live AI video",
        "Filter/Effect/Video/Network",
        "Sends video to a Rivulet gateway, where an AI pipeline transforms it, and gives back the "
        "result in the input's running time. Example: gst-launch-1.0 videotestsrc is-live=true ! "
        "videoconvert ! livepeerai gateway=http://127.0.0.1:8935 pipeline=avfilter "
        "params='{\"graph\":\"negate\"}' ! videoconvert ! autovideosink",
        "Rivulet"
    );
    gst_type_mark_as_plugin_api(stall_type(), GstPluginAPIFlags(0));
}

static void gst_livepeer_ai_init(GstLivepeerAi* self) {
    auto* type = GST_ELEMENT_GET_CLASS(self);
    self->audio_sink = self->audio_src = nullptr;
    self->sink =
        gst_pad_new_from_template(gst_element_class_get_pad_template(type, "sink"), "sink");
    self->src = gst_pad_new_from_template(gst_element_class_get_pad_template(type, "src"), "src");
    self->link = new ai_link(GST_ELEMENT(self), self->sink, self->src);
    gst_pad_set_chain_function(self->sink, &video_chain);
    gst_pad_set_event_function(self->sink, &video_sink_event);
    gst_pad_set_activatemode_function(self->sink, &video_sink_activate);
    gst_pad_set_query_function(self->sink, &video_sink_query);
    gst_pad_set_query_function(self->src, &src_query);
    gst_pad_set_event_function(self->src, &src_event);
    gst_pad_set_activatemode_function(self->src, &video_src_activate);
    gst_pad_use_fixed_caps(self->src);
    gst_element_add_pad(GST_ELEMENT(self), self->sink);
    gst_element_add_pad(GST_ELEMENT(self), self->src);
    GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_REQUIRE_CLOCK);
}

gboolean gst_livepeer_ai_register(GstPlugin* plugin) {
    return gst_element_register(plugin, "livepeerai", GST_RANK_NONE, gst_livepeer_ai_get_type());
}
