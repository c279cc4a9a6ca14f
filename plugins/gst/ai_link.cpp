#include "ai_link.hpp"

#include "audio_side.hpp"
#include "base/ids.hpp"
#include "video_side.hpp"

#include <boost/json/parse.hpp>

#define GST_CAT_DEFAULT (rivulet::element::debug_category())

namespace rivulet::element {

namespace {

// Behind the last input, for what the gateway still has.
constexpr duration drain_limit = std::chrono::seconds(2);

gint64 milliseconds(running_time time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

} // namespace

ai_link::ai_link(GstElement* element, GstPad* sink, GstPad* src)
    : clock(element), report(element), element_(element),
      video_(std::make_unique<video_side>(*this, sink, src)) {}

ai_link::~ai_link() {
    stop();
}

// ---- properties ---------------------------------------------------------------------------------

element_settings ai_link::settings() const {
    std::unique_lock lock(settings_mutex_);
    return settings_;
}

void ai_link::settings_changed() {
    std::unique_lock lock(mutex);
    wake_all();
}

void ai_link::set_params(std::string text) {
    // gst_parse_launch leaves the quotes of params='{"a":1}' where they are.
    if (text.size() > 1 && text.front() == '\'' && text.back() == '\'')
        text = text.substr(1, text.size() - 2);
    if (!text.empty()) {
        boost::system::error_code failed;
        const auto value = boost::json::parse(text, failed);
        if (failed || !value.is_object()) {
            {
                std::unique_lock lock(settings_mutex_);
                if (!bus_listens_) {
                    refused_params_ = std::move(text);
                    return;
                }
            }
            report.params_refused(text);
            return;
        }
    }
    {
        std::unique_lock lock(settings_mutex_);
        settings_.params = text;
        refused_params_.reset();
    }
    std::unique_lock lock(session_mutex_);
    if (session_)
        session_->update(text.empty() ? "{}" : text);
}

GstStructure* ai_link::stats() const {
    session_stats net;
    session_place place;
    {
        std::unique_lock lock(session_mutex_);
        net = past_;
        if (session_) {
            const auto now = session_->stats();
            net.units_in += now.units_in;
            net.bytes_in += now.bytes_in;
            net.units_dropped += now.units_dropped;
            net.units_out += now.units_out;
            net.bytes_out += now.bytes_out;
            net.connects += now.connects;
            net.reconnects += now.reconnects;
            net.swaps += now.swaps;
            net.queued_bytes = now.queued_bytes;
            net.connected = now.connected;
        }
    }
    {
        std::unique_lock lock(mutex);
        place = place_;
    }
    const auto seen = video_->stats();
    const auto number = [](std::uint64_t value) { return guint64(value); };
    return gst_structure_new(
        "livepeerai-stats",
        "connected",
        G_TYPE_BOOLEAN,
        gboolean(net.connected),
        "stream",
        G_TYPE_STRING,
        place.stream.c_str(),
        "stream-id",
        G_TYPE_STRING,
        place.stream_id.c_str(),
        "frames-in",
        G_TYPE_UINT64,
        number(seen.pacing.in),
        "frames-processed",
        G_TYPE_UINT64,
        number(seen.pacing.processed),
        "frames-frozen",
        G_TYPE_UINT64,
        number(seen.pacing.frozen),
        "frames-original",
        G_TYPE_UINT64,
        number(seen.pacing.passed),
        "gaps",
        G_TYPE_UINT64,
        number(seen.pacing.gaps),
        "frames-late",
        G_TYPE_UINT64,
        number(seen.pacing.late),
        "frames-skipped",
        G_TYPE_UINT64,
        number(seen.pacing.skipped),
        "frames-dropped",
        G_TYPE_UINT64,
        number(seen.pacing.dropped),
        "encoder-dropped",
        G_TYPE_UINT64,
        number(seen.encoder_dropped),
        "delay-ms",
        G_TYPE_INT64,
        milliseconds(seen.delay),
        "max-observed-delay-ms",
        G_TYPE_INT64,
        milliseconds(seen.max_delay),
        "bytes-sent",
        G_TYPE_UINT64,
        number(net.bytes_in),
        "bytes-received",
        G_TYPE_UINT64,
        number(net.bytes_out),
        "units-dropped",
        G_TYPE_UINT64,
        number(net.units_dropped),
        "queued-bytes",
        G_TYPE_UINT64,
        number(net.queued_bytes),
        "connects",
        G_TYPE_UINT64,
        number(net.connects),
        "reconnects",
        G_TYPE_UINT64,
        number(net.reconnects),
        "swaps",
        G_TYPE_UINT64,
        number(net.swaps),
        nullptr
    );
}

// ---- state changes ------------------------------------------------------------------------------

void ai_link::open_session() {
    const auto wanted = settings();
    session_settings out;
    out.gateway = wanted.gateway;
    out.stream = wanted.stream.empty() ? "element-" + random_hex(8) : wanted.stream;
    report.name(out.stream);
    out.pipeline = wanted.pipeline;
    out.params = wanted.params;
    out.token = wanted.token;
    out.tls_verify = wanted.tls_verify;
    drained_ = finishing_ = video_ended_ = audio_ended_ = false;
    {
        std::unique_lock lock(mutex);
        match = {};
    }
    session_ = std::make_unique<gateway_session>(std::move(out), *this);
    session_->start();
    // What the tracks are did not change with the session; nobody says it again.
    media::stream_format known;
    {
        std::unique_lock lock(format_mutex_);
        known = format_;
    }
    if (known.video || known.audio)
        session_->input_format(known);
}

void ai_link::bus_listens(bool yes) {
    std::optional<std::string> refused;
    {
        std::unique_lock lock(settings_mutex_);
        bus_listens_ = yes;
        if (yes)
            refused.swap(refused_params_);
    }
    if (refused)
        report.params_refused(*refused);
}

void ai_link::start() {
    running_ = true;
    failed_ = false;
    lost_told_ = trouble_told_ = false;
    stopping_ = false;
    upstream_latency_ = 0;
    {
        std::unique_lock lock(mutex);
        stamps = {};
        place_ = {};
        restart_stamps = false;
    }
    {
        std::unique_lock lock(format_mutex_);
        format_ = {};
    }
    video_->start();
    if (auto side = audio())
        side->start();
    std::unique_lock lock(session_mutex_);
    past_ = {};
    open_session();
}

void ai_link::play() {
    std::unique_lock lock(mutex);
    clock.play();
    wake_all();
}

void ai_link::pause() {
    std::unique_lock lock(mutex);
    clock.pause();
    wake_all();
}

void ai_link::interrupt() {
    std::unique_lock lock(mutex);
    stopping_ = true;
    wake_all();
}

void ai_link::stop() {
    interrupt();
    std::unique_ptr<gateway_session> over;
    {
        std::unique_lock lock(session_mutex_);
        over = std::move(session_);
    }
    if (over)
        over->stop();
    over.reset();
    video_->stop();
    if (auto side = audio())
        side->stop();
    {
        std::unique_lock lock(mutex);
        clock.reset();
    }
    running_ = false;
    bool stale = false;
    {
        std::unique_lock lock(audio_mutex_);
        stale = std::exchange(audio_stale_, false);
    }
    if (stale)
        set_audio_pads(audio_sink_, audio_src_);
}

void ai_link::wake_all() {
    video_->wake();
    if (auto side = audio())
        side->wake();
}

// ---- pads ---------------------------------------------------------------------------------------

std::shared_ptr<audio_side> ai_link::audio() const {
    std::unique_lock lock(audio_mutex_);
    return audio_;
}

void ai_link::set_audio_pads(GstPad* sink, GstPad* src) {
    std::shared_ptr<audio_side> made;
    if (running_) {
        GstPad* gone = nullptr;
        {
            std::unique_lock lock(audio_mutex_);
            gone = audio_sink_ != sink ? audio_sink_ : audio_src_ != src ? audio_src_ : nullptr;
            audio_sink_ = sink;
            audio_src_ = src;
            audio_stale_ = true;
            made = audio_;
        }
        if (made && gone)
            made->detach(gone);
        return;
    }
    audio_sink_ = sink;
    audio_src_ = src;
    if (sink || src)
        made = std::make_shared<audio_side>(*this, sink, src);
    std::unique_lock lock(audio_mutex_);
    audio_.swap(made);
}

running_time ai_link::max_latency() const {
    return std::chrono::milliseconds(settings().max_latency_ms) +
           running_time(upstream_latency_.load());
}

bool ai_link::latency(GstQuery* query) {
    const auto own = GstClockTime(settings().max_latency_ms) * GST_MSECOND;
    // Of both inputs; what is not live is paced here, by the clock.
    GstClockTime min = 0, max = GST_CLOCK_TIME_NONE;
    for (const char* name : {"sink", "audio_sink"}) {
        GstPad* sink = gst_element_get_static_pad(element_, name);
        if (!sink)
            continue;
        auto up = gst_query_new_latency();
        gboolean live = FALSE;
        GstClockTime its_min = 0, its_max = GST_CLOCK_TIME_NONE;
        if (gst_pad_peer_query(sink, up))
            gst_query_parse_latency(up, &live, &its_min, &its_max);
        gst_query_unref(up);
        gst_object_unref(sink);
        if (!live)
            continue;
        min = std::max(min, its_min);
        max = std::min(max, its_max); // none is the greatest
    }
    upstream_latency_ = std::int64_t(min);
    gst_query_set_latency(
        query, TRUE, min + own, GST_CLOCK_TIME_IS_VALID(max) ? max + own : GST_CLOCK_TIME_NONE
    );
    return true;
}

// ---- for the sides ------------------------------------------------------------------------------

GstFlowReturn ai_link::pace(
    std::unique_lock<std::mutex>& lock, wait_point& point, running_time time, const bool& flushing
) {
    for (;;) {
        if (flushing || stopping_)
            return GST_FLOW_FLUSHING;
        if (failed_)
            return GST_FLOW_ERROR;
        if (clock.playing() && clock.now() >= time)
            return GST_FLOW_OK;
        clock.wait(lock, point, time);
    }
}

std::optional<std::int64_t> ai_link::place(std::int64_t stamp) {
    const auto placed =
        match.place(stamp, to_ticks(std::chrono::milliseconds(settings().max_latency_ms)));
    if (!placed || *placed < stamps.begin() - media::clock_rate / 2)
        return std::nullopt;
    return placed;
}

void ai_link::input_format(const media::stream_format& one_track) {
    media::stream_format whole;
    {
        std::unique_lock lock(format_mutex_);
        if (one_track.video)
            format_.video = one_track.video;
        if (one_track.audio)
            format_.audio = one_track.audio;
        whole = format_;
    }
    std::unique_lock lock(session_mutex_);
    if (session_)
        session_->input_format(whole);
}

void ai_link::input_unit(media::access_unit unit) {
    std::unique_lock lock(session_mutex_);
    if (session_)
        session_->input_unit(std::move(unit));
}

void ai_link::input_ended(media::track_kind kind) {
    (kind == media::track_kind::video ? video_ended_ : audio_ended_) = true;
    const auto side = audio();
    if (!video_ended_ || (side && side->has_sink() && !audio_ended_) || finishing_.exchange(true))
        return;
    std::unique_lock lock(session_mutex_);
    if (session_)
        session_->finish(std::chrono::milliseconds(settings().max_latency_ms) + drain_limit);
}

std::int64_t ai_link::stamp(running_time time) {
    if (std::exchange(restart_stamps, false))
        stamps.restart(time);
    const auto at = stamps.stamp(time);
    match.sent(at);
    return at;
}

void ai_link::input_restarted() {
    {
        std::unique_lock lock(mutex);
        restart_stamps = true;
    }
    if (!finishing_) {
        video_ended_ = audio_ended_ = false;
        return;
    }
    std::unique_ptr<gateway_session> over;
    {
        std::unique_lock lock(session_mutex_);
        over = std::move(session_);
        if (over) {
            const auto seen = over->stats();
            past_.units_in += seen.units_in;
            past_.bytes_in += seen.bytes_in;
            past_.units_dropped += seen.units_dropped;
            past_.units_out += seen.units_out;
            past_.bytes_out += seen.bytes_out;
            past_.connects += seen.connects;
            past_.reconnects += seen.reconnects;
            past_.swaps += seen.swaps;
        }
    }
    if (!over)
        return;
    over->stop();
    over.reset();
    std::unique_lock lock(session_mutex_);
    if (!stopping_)
        open_session();
}

void ai_link::media_failed(const std::string& what, const std::string& why) {
    if (failed_.exchange(true))
        return;
    report.media_trouble(what, why);
    std::unique_lock lock(mutex);
    wake_all();
}

void ai_link::media_stumbled(const std::string& what) {
    report.status("error", "message", G_TYPE_STRING, what.c_str(), nullptr);
}

void ai_link::encoder_missing(const std::string& why) {
    if (failed_.exchange(true))
        return;
    report.missing(why);
    std::unique_lock lock(mutex);
    wake_all();
}

// ---- session_listener
// -----------------------------------------------------------------------------

void ai_link::connected(const session_place& place) {
    {
        std::unique_lock lock(mutex);
        place_ = place;
    }
    video_->session_begins();
    lost_told_ = true; // a gateway that was there comes back by itself
    report.connected(place);
}

void ai_link::lost(const std::string& reason, duration retry) {
    report.lost(reason, retry);
    if (!std::exchange(lost_told_, true))
        report.out_of_reach(reason);
}

void ai_link::refused(int status, const std::string& reason) {
    if (failed_.exchange(true))
        return;
    report.refused(status, reason);
    std::unique_lock lock(mutex);
    video_->output().abandon();
    if (auto side = audio(); side && side->output())
        side->output()->abandon();
    wake_all();
}

void ai_link::output_format(const media::stream_format& format) {
    if (format.video)
        video_->output_format(*format.video);
    if (auto side = audio(); side && format.audio)
        side->output_format(*format.audio);
}

void ai_link::output_unit(media::access_unit unit) {
    if (unit.kind == media::track_kind::video)
        video_->output_unit(unit);
    else if (auto side = audio())
        side->output_unit(unit);
}

void ai_link::event(const std::string& type, const boost::json::object& data) {
    report.event(type, data);
    if ((type == "warning" || type == "error") && !trouble_told_ &&
        video_->stats().pacing.processed == 0) {
        trouble_told_ = true;
        report.no_picture_yet(data);
    }
}

void ai_link::keyframe_wanted() {
    video_->keyframe();
}

void ai_link::drained() {
    drained_ = true;
    std::unique_lock lock(mutex);
    wake_all();
}

} // namespace rivulet::element
