#include "report.hpp"

#include <cmath>
#include <cstdarg>
#include <limits>

#define GST_CAT_DEFAULT (rivulet::element::debug_category())

namespace rivulet::element {

namespace {

std::int64_t milliseconds(duration time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

// Text of the gateway's may be anything; a GValue string is UTF-8.
std::string printable(std::string text) {
    if (text.size() > 1'000)
        text.resize(1'000);
    gchar* valid = g_utf8_make_valid(text.c_str(), gssize(text.size()));
    std::string out = valid;
    g_free(valid);
    return out;
}

std::string text_of(const boost::json::object& data, const char* key) {
    const auto* value = data.if_contains(key);
    return value && value->is_string() ? printable(std::string(value->get_string()))
                                       : std::string();
}

// The nearest number there is; 0 when it is none.
std::int64_t number_of(const boost::json::object& data, const char* key) {
    using limits = std::numeric_limits<std::int64_t>;
    const auto* value = data.if_contains(key);
    if (!value)
        return 0;
    if (value->is_int64())
        return value->get_int64();
    if (value->is_uint64()) // only what int64 can't hold
        return limits::max();
    if (!value->is_double() || std::isnan(value->get_double()))
        return 0;
    constexpr double beyond = 9'223'372'036'854'775'808.0; // 2^63
    const double number = value->get_double();
    if (number >= beyond)
        return limits::max();
    return number <= -beyond ? limits::min() : std::int64_t(number);
}

} // namespace

GstDebugCategory* debug_category() {
    static GstDebugCategory* one =
        _gst_debug_category_new("livepeerai", 0, "video through an AI gateway");
    return one;
}

void reporter::name(std::string stream) {
    const std::lock_guard lock(mutex_);
    stream_ = std::move(stream);
}

std::string reporter::stream() const {
    const std::lock_guard lock(mutex_);
    return stream_;
}

void reporter::status(const char* type, const char* first_field, ...) const {
    GstStructure* said =
        gst_structure_new("livepeerai-status", "type", G_TYPE_STRING, type, nullptr);
    if (first_field) {
        va_list fields;
        va_start(fields, first_field);
        gst_structure_set_valist(said, first_field, fields);
        va_end(fields);
    }
    GST_INFO_OBJECT(
        element_, "stream %s: %" GST_PTR_FORMAT, stream().c_str(), static_cast<void*>(said)
    );
    gst_element_post_message(element_, gst_message_new_element(GST_OBJECT(element_), said));
}

void reporter::connected(const session_place& place) const {
    status(
        "connected",
        "gateway",
        G_TYPE_STRING,
        place.gateway.c_str(),
        "stream",
        G_TYPE_STRING,
        place.stream.c_str(),
        "stream-id",
        G_TYPE_STRING,
        place.stream_id.c_str(),
        "request-id",
        G_TYPE_STRING,
        place.request_id.c_str(),
        nullptr
    );
}

void reporter::lost(const std::string& reason, duration retry) const {
    status(
        "lost",
        "reason",
        G_TYPE_STRING,
        printable(reason).c_str(),
        "retry-ms",
        G_TYPE_INT64,
        gint64(milliseconds(retry)),
        nullptr
    );
}

void reporter::refused(int status, const std::string& reason) const {
    const auto text = printable(reason);
    switch (status) {
    case 401:
    case 403:
        GST_ELEMENT_ERROR(
            element_,
            RESOURCE,
            NOT_AUTHORIZED,
            ("The gateway refuses this stream: %s", text.c_str()),
            ("status %d; look at the property token", status)
        );
        break;
    case 404:
        GST_ELEMENT_ERROR(
            element_,
            RESOURCE,
            NOT_FOUND,
            ("The gateway has no door for this element: %s", text.c_str()),
            ("status 404; look at the property gateway")
        );
        break;
    default:
        GST_ELEMENT_ERROR(
            element_,
            RESOURCE,
            SETTINGS,
            ("The gateway does not take this stream: %s", text.c_str()),
            ("status %d; look at gateway, stream, pipeline and params", status)
        );
    }
}

void reporter::event(const std::string& type, const boost::json::object& data) const {
    if (type == "swap") {
        status(
            "swap",
            "cause",
            G_TYPE_STRING,
            text_of(data, "cause").c_str(),
            "message",
            G_TYPE_STRING,
            text_of(data, "message").c_str(),
            "from",
            G_TYPE_STRING,
            text_of(data, "from").c_str(),
            "to",
            G_TYPE_STRING,
            text_of(data, "to").c_str(),
            "gap-ms",
            G_TYPE_INT64,
            gint64(number_of(data, "gap_ms")),
            nullptr
        );
    } else if (type == "state") {
        status(
            "state",
            "state",
            G_TYPE_STRING,
            text_of(data, "state").c_str(),
            "detail",
            G_TYPE_STRING,
            text_of(data, "detail").c_str(),
            nullptr
        );
    } else if (type == "error" || type == "warning") {
        status(type.c_str(), "message", G_TYPE_STRING, text_of(data, "message").c_str(), nullptr);
    } else if (type == "params") {
        status("params", nullptr);
    }
}

// As GST_ELEMENT_WARNING; the log has the stream's name.
void reporter::warn(gint code, const std::string& text, const std::string& detail) const {
    const auto name = stream();
    const auto line = (name.empty() ? "" : "stream " + name + ": ") + text + " (" + detail + ")";
    GST_WARNING_OBJECT(element_, "%s", line.c_str());
    gst_element_message_full(
        element_,
        GST_MESSAGE_WARNING,
        GST_RESOURCE_ERROR,
        code,
        g_strdup(text.c_str()),
        g_strdup(detail.c_str()),
        __FILE__,
        GST_FUNCTION,
        __LINE__
    );
}

void reporter::params_refused(const std::string& text) const {
    warn(
        GST_RESOURCE_ERROR_SETTINGS,
        "The property params must be a JSON object; the old value stays",
        printable(text.substr(0, 200))
    );
}

void reporter::out_of_reach(const std::string& reason) const {
    std::string cure = "is it running, and does the property gateway name it (http or https, host, "
                       "port)?";
    if (reason.starts_with("the gateway answered"))
        cure = "see the gateway's log";
    else if (reason.find("certificate") != reason.npos)
        cure = "is it an https address? A certificate that this machine does not trust needs "
               "tls-verify=false";
    warn(
        GST_RESOURCE_ERROR_OPEN_READ_WRITE,
        "No connection to the gateway: " + printable(reason) + "; " + cure,
        "tried again by itself, without further warnings"
    );
}

void reporter::no_picture_yet(const boost::json::object& event) const {
    warn(
        GST_RESOURCE_ERROR_FAILED,
        "No processed picture yet, the gateway says: " + text_of(event, "message"),
        "tried again by itself, without further warnings; look at the properties pipeline and "
        "params, and at which orchestrators the gateway has"
    );
}

void reporter::late(running_time delay, running_time promised) const {
    const auto is = milliseconds(std::chrono::duration_cast<duration>(delay));
    const auto was = milliseconds(std::chrono::duration_cast<duration>(promised));
    GST_ELEMENT_WARNING_WITH_DETAILS(
        element_,
        STREAM,
        FAILED,
        ("Processed video comes %lld ms after its input, later than max-latency allows (%lld ms)",
         static_cast<long long>(is),
         static_cast<long long>(was)),
        ("for five seconds; raise max-latency, or use a lighter pipeline or more capacity"),
        ("delay-ms", G_TYPE_INT64, gint64(is), "max-latency-ms", G_TYPE_INT64, gint64(was), nullptr)
    );
}

void reporter::media_trouble(const std::string& what, const std::string& why) const {
    GST_ELEMENT_ERROR(
        element_, STREAM, FAILED, ("%s", what.c_str()), ("%s", printable(why).c_str())
    );
}

void reporter::missing(const std::string& why) const {
    GST_ELEMENT_ERROR(element_, CORE, MISSING_PLUGIN, ("%s", why.c_str()), (nullptr));
}

void reporter::output_broken(GstFlowReturn flow, const std::string& refused) const {
    if (flow == GST_FLOW_NOT_NEGOTIATED && !refused.empty())
        GST_ELEMENT_ERROR(
            element_,
            CORE,
            NEGOTIATION,
            ("Downstream does not take the processed video, %s", refused.c_str()),
            ("the frame rate is not changed here: for another one put videorate behind")
        );
    else
        GST_ELEMENT_FLOW_ERROR(element_, flow);
}

} // namespace rivulet::element
