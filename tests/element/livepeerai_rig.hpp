// The element in a GstHarness, on the system's clock, and a gateway in this process that can go and
// come again on the same port. Thread: the test's.
#pragma once

#include "base/asio.hpp"
#include "gateway.hpp"
#include "media/gst_ptr.hpp"

#include <gst/check/gstharness.h>
#include <gst/check/gsttestclock.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace rivulet::test {

using namespace std::chrono_literals;

// Before the first test. The plugin is loaded here: GStreamer's scanner, a program of its own,
// can't load a sanitized one.
inline const bool gst_is_ready = [] {
    gst_init(nullptr, nullptr);
    const char* plugin = std::getenv("RIVULET_PLUGIN");
    auto* loaded = plugin ? gst_plugin_load_file(plugin, nullptr) : nullptr;
    g_clear_object(&loaded);
    return true;
}();

class restartable_gateway {
  public:
    explicit restartable_gateway(gateway_options options = {}) : options_(std::move(options)) {
        options_.http_addr = "127.0.0.1:0";
        options_.rtmp_addr = "";
        options_.shards = 2;
        options_.drain = 300ms;
        start();
    }

    void start() {
        running_ = std::make_unique<gateway>(options_, logger("test"));
        for (int i = 0; i < 50; ++i) {
            if (auto ports = running_->start()) {
                options_.http_addr = "127.0.0.1:" + std::to_string(ports->http);
                return;
            }
            std::this_thread::sleep_for(100ms);
        }
        throw std::runtime_error("the gateway does not start");
    }

    void stop() { running_.reset(); }

    std::string url() const { return "http://" + options_.http_addr; }

  private:
    gateway_options options_;
    std::unique_ptr<gateway> running_;
};

struct seen_frame {
    GstClockTime pts = 0, duration = 0;
    double luma = 0; // mean
    int width = 0, height = 0;
    std::size_t size = 0;
};

class element_rig {
  public:
    // Properties as "name=value name=value"; plays at once.
    explicit element_rig(
        const std::vector<std::pair<std::string, std::string>>& properties,
        const char* caps = "video/x-raw,format=I420,width=320,height=180,framerate=30/1",
        GstClock* clock = nullptr,
        const char* sink_caps = nullptr
    ) {
        GstElement* made = gst_element_factory_make("livepeerai", nullptr);
        if (!made)
            throw std::runtime_error("there is no element livepeerai");
        element = media::sink(made);
        bus = media::adopt(gst_bus_new());
        gst_element_set_bus(element.get(), bus.get());
        for (const auto& [name, value] : properties)
            gst_util_set_object_arg(G_OBJECT(made), name.c_str(), value.c_str());
        clock_ = clock ? clock : gst_system_clock_obtain();
        gst_element_set_clock(made, clock_);
        gst_element_set_base_time(made, gst_clock_get_time(clock_));
        harness = gst_harness_new_with_element(made, "sink", "src");
        if (sink_caps)
            gst_harness_set_sink_caps_str(harness, sink_caps);
        set_caps(caps);
    }

    ~element_rig() {
        gst_harness_teardown(harness);
        gst_element_set_bus(element.get(), nullptr);
        gst_object_unref(clock_);
    }

    void set(const char* name, const std::string& value) {
        gst_util_set_object_arg(G_OBJECT(element.get()), name, value.c_str());
    }

    void set_caps(const char* text) {
        auto caps = media::adopt(gst_caps_from_string(text));
        gst_video_info_from_caps(&info, caps.get());
        gst_harness_set_src_caps(harness, caps.release());
    }

    GstClockTime now() const {
        return gst_clock_get_time(clock_) - gst_element_get_base_time(element.get());
    }

    // A picture of one shade.
    GstBuffer* picture(GstClockTime pts, int luma) const {
        GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
        gst_buffer_memset(buffer, 0, 128, GST_VIDEO_INFO_SIZE(&info));
        gst_buffer_memset(buffer, 0, guint8(luma), gsize(GST_VIDEO_INFO_PLANE_OFFSET(&info, 1)));
        GST_BUFFER_PTS(buffer) = pts;
        GST_BUFFER_DURATION(buffer) = GST_SECOND / 30;
        return buffer;
    }

    // Plays pictures in real time until `enough` says so; false: the limit came first. What came
    // out is in `frames`.
    bool play_until(const std::function<bool()>& enough, duration limit = 10s, int luma = 60) {
        const auto until = steady_clock::now() + limit;
        auto next = now();
        while (steady_clock::now() < until) {
            if (now() >= next) {
                flow = gst_harness_push(harness, picture(next, luma));
                sent.push_back(next);
                next += GST_SECOND / 30;
            }
            collect();
            if (enough())
                return true;
            std::this_thread::sleep_for(2ms);
        }
        return false;
    }

    bool play(duration time, int luma = 60) {
        const auto until = steady_clock::now() + time;
        return play_until([&] { return steady_clock::now() >= until; }, time + 5s, luma);
    }

    // Without input.
    bool wait_until(const std::function<bool()>& enough, duration limit = 10s) {
        const auto until = steady_clock::now() + limit;
        while (!enough()) {
            if (steady_clock::now() > until)
                return false;
            collect();
            std::this_thread::sleep_for(2ms);
        }
        return true;
    }

    void collect() {
        while (GstBuffer* raw = gst_harness_try_pull(harness)) {
            auto buffer = media::adopt(raw);
            seen_frame seen;
            seen.pts = GST_BUFFER_PTS(raw);
            seen.duration = GST_BUFFER_DURATION(raw);
            seen.size = gst_buffer_get_size(raw);
            auto caps = media::adopt(gst_pad_get_current_caps(harness->sinkpad));
            GstVideoInfo out;
            GstVideoFrame frame;
            if (caps &&
                gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), "video/x-raw") &&
                gst_video_info_from_caps(&out, caps.get()) &&
                gst_video_frame_map(&frame, &out, raw, GST_MAP_READ)) {
                seen.width = GST_VIDEO_INFO_WIDTH(&out);
                seen.height = GST_VIDEO_INFO_HEIGHT(&out);
                const auto* line =
                    static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
                double sum = 0;
                for (int x = 0; x < seen.width; ++x)
                    sum += line[x];
                seen.luma = sum / seen.width;
                gst_video_frame_unmap(&frame);
            }
            frames.push_back(seen);
        }
        while (GstMessage* raw = gst_bus_pop(bus.get())) {
            auto message = media::adopt(raw);
            switch (GST_MESSAGE_TYPE(raw)) {
            case GST_MESSAGE_ERROR:
            case GST_MESSAGE_WARNING:
                (GST_MESSAGE_TYPE(raw) == GST_MESSAGE_ERROR ? errors : warnings)
                    .push_back(media::describe_error(raw));
                break;
            case GST_MESSAGE_ELEMENT: {
                const GstStructure* said = gst_message_get_structure(raw);
                if (gst_structure_has_name(said, "livepeerai-status"))
                    status.push_back(gst_structure_get_string(said, "type"));
                break;
            }
            default:
                break;
            }
        }
    }

    // The newest picture is of this shade.
    bool shows(double luma) const {
        return !frames.empty() && std::abs(frames.back().luma - luma) < 12;
    }

    std::size_t count(const std::string& type) const {
        return std::size_t(std::count(status.begin(), status.end(), type));
    }

    std::uint64_t stat(const char* name) const {
        GstStructure* stats = nullptr;
        g_object_get(element.get(), "stats", &stats, nullptr);
        guint64 value = 0;
        gst_structure_get_uint64(stats, name, &value);
        gst_structure_free(stats);
        return value;
    }

    // Events that came out so far of this type, taken away with all others.
    std::size_t take_events(GstEventType type) {
        std::size_t found = 0;
        while (GstEvent* raw = gst_harness_try_pull_event(harness)) {
            found += GST_EVENT_TYPE(raw) == type;
            gst_event_unref(raw);
        }
        return found;
    }

    GstHarness* harness = nullptr;
    media::gst_ptr<GstElement> element;
    media::gst_ptr<GstBus> bus;
    GstVideoInfo info{};
    GstFlowReturn flow = GST_FLOW_OK;
    std::vector<GstClockTime> sent;
    std::vector<seen_frame> frames;
    std::vector<std::string> errors, warnings, status;

  private:
    GstClock* clock_ = nullptr;
};

} // namespace rivulet::test
