#include "inner_chain.hpp"

#include "media/gst_closure.hpp"

#include <algorithm>
#include <mutex>

namespace rivulet::element {

using media::adopt;
using media::gst_ptr;

struct inner_chain::shared {
    chain_events events;
    // Held while a callback runs: once the owner has had it, no other one starts.
    std::mutex gate;
    bool closed = false, failed = false;

    template <class Call>
    void tell(Call call) {
        std::unique_lock lock(gate);
        if (!closed)
            call();
    }
};

namespace {

template <class Shared>
GstFlowReturn on_sample(GstAppSink* sink, gpointer data) {
    auto& self = media::held<Shared>(data);
    auto sample = adopt(gst_app_sink_pull_sample(sink));
    if (sample)
        self.tell([&] { self.events.sample(sample.get()); });
    return GST_FLOW_OK;
}

template <class Shared>
void on_end(GstAppSink*, gpointer data) {
    auto& self = media::held<Shared>(data);
    self.tell([&] {
        if (self.events.ended)
            self.events.ended();
    });
}

template <class Shared>
GstBusSyncReply on_message(GstBus*, GstMessage* message, gpointer data) {
    auto& self = media::held<Shared>(data);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        const auto text = media::describe_error(message);
        self.tell([&] {
            if (!std::exchange(self.failed, true))
                self.events.error(text);
        });
    }
    gst_message_unref(message);
    return GST_BUS_DROP;
}

} // namespace

outcome<std::unique_ptr<inner_chain>>
inner_chain::make(std::vector<GstElement*> elements, chain_events events) {
    std::unique_ptr<inner_chain> out(new inner_chain);
    out->pipeline_ = media::sink(gst_pipeline_new(nullptr));
    GstElement* source = make_element("appsrc");
    GstElement* sink = make_element("appsink");
    elements.insert(elements.begin(), source);
    elements.push_back(sink);
    bool missing = false;
    for (auto* element : elements) {
        if (element)
            gst_bin_add(GST_BIN(out->pipeline_.get()), element);
        missing = missing || !element;
    }
    if (missing)
        return failure(errc::unsupported, "an element is not installed");
    g_object_set(
        source,
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
    g_object_set(sink, "sync", FALSE, "async", FALSE, "qos", FALSE, nullptr);
    out->source_ = media::retain(GST_APP_SRC(source));
    out->shared_ = std::make_shared<shared>();
    out->shared_->events = std::move(events);
    GstAppSinkCallbacks callbacks{};
    callbacks.new_sample = &on_sample<shared>;
    callbacks.eos = &on_end<shared>;
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, media::hold(out->shared_), &media::let_go<shared>);
    for (std::size_t i = 1; i < elements.size(); ++i)
        if (!gst_element_link(elements[i - 1], elements[i]))
            return failure(
                errc::media_error,
                std::string(GST_OBJECT_NAME(elements[i - 1])) + " and " +
                    GST_OBJECT_NAME(elements[i]) + " don't fit together"
            );
    auto bus = adopt(gst_element_get_bus(out->pipeline_.get()));
    gst_bus_set_sync_handler(bus.get(), &on_message<shared>, media::hold(out->shared_), &media::let_go<shared>);
    if (gst_element_set_state(out->pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
        return failure(errc::media_error, "the elements did not start");
    return out;
}

inner_chain::~inner_chain() {
    if (shared_) {
        std::unique_lock lock(shared_->gate);
        shared_->closed = true;
    }
    source_.reset();
    if (pipeline_)
        gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

void inner_chain::push(gst_ptr<GstBuffer> buffer, GstCaps* caps) {
    if (caps && (!caps_ || !gst_caps_is_equal(caps_.get(), caps))) {
        gst_app_src_set_caps(source_.get(), caps);
        caps_ = media::retain(caps);
    }
    gst_app_src_push_buffer(source_.get(), buffer.release());
}

void inner_chain::end() {
    gst_app_src_end_of_stream(source_.get());
}

std::size_t inner_chain::queued() const {
    return std::size_t(gst_app_src_get_current_level_buffers(source_.get()));
}

GstElement*
make_element(const std::string& factory, std::initializer_list<property_text> properties) {
    GstElement* element = gst_element_factory_make(factory.c_str(), nullptr);
    if (element)
        for (const auto& property : properties)
            set_property_text(element, property);
    return element;
}

void set_property_text(GstElement* element, const property_text& property) {
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), property.name))
        gst_util_set_object_arg(G_OBJECT(element), property.name, property.value.c_str());
}

GstElement* make_caps_filter(const std::string& text) {
    GstElement* filter = make_element("capsfilter");
    auto caps = adopt(gst_caps_from_string(text.c_str()));
    if (filter)
        g_object_set(filter, "caps", caps.get(), nullptr);
    return filter;
}

std::vector<std::string>
ranked_factories(GstElementFactoryListType kind, const char* text, GstPadDirection side) {
    auto caps = adopt(gst_caps_from_string(text));
    GList* all = gst_element_factory_list_get_elements(kind, GST_RANK_MARGINAL);
    GList* fitting = gst_element_factory_list_filter(all, caps.get(), side, FALSE);

    struct candidate {
        guint rank;
        bool hardware;
        std::string name;
    };

    std::vector<candidate> found;
    for (GList* at = fitting; at; at = at->next) {
        auto* feature = GST_PLUGIN_FEATURE(at->data);
        found.push_back(
            {gst_plugin_feature_get_rank(feature),
             bool(gst_element_factory_list_is_type(
                 GST_ELEMENT_FACTORY(feature), GST_ELEMENT_FACTORY_TYPE_HARDWARE
             )),
             GST_OBJECT_NAME(feature)}
        );
    }
    gst_plugin_feature_list_free(fitting);
    gst_plugin_feature_list_free(all);
    std::stable_sort(found.begin(), found.end(), [](const candidate& a, const candidate& b) {
        return a.rank != b.rank ? a.rank > b.rank : a.hardware > b.hardware;
    });
    std::vector<std::string> names;
    for (auto& one : found)
        names.push_back(std::move(one.name));
    return names;
}

GstElement* first_that_opens(const std::vector<std::string>& factories) {
    for (const auto& name : factories) {
        GstElement* element = make_element(name);
        if (!element)
            continue;
        const bool opens =
            gst_element_set_state(element, GST_STATE_READY) != GST_STATE_CHANGE_FAILURE;
        gst_element_set_state(element, GST_STATE_NULL);
        if (opens)
            return element;
        gst_object_ref_sink(element);
        gst_object_unref(element);
    }
    return nullptr;
}

gst_ptr<GstBuffer> wrap(bytes data) {
    auto* kept = new bytes(std::move(data));
    return adopt(gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY,
        const_cast<std::uint8_t*>(kept->data()),
        kept->size(),
        0,
        kept->size(),
        kept,
        [](gpointer pointer) { delete static_cast<bytes*>(pointer); }
    ));
}

} // namespace rivulet::element
