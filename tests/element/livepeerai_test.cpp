// The element livepeerai as an application meets it: properties, caps, latency, clocks; what needs
// no gateway.
#include "livepeerai_rig.hpp"

#include <algorithm>

namespace rivulet::test {
namespace {

// Nobody listens there.
const std::pair<std::string, std::string> nowhere{"gateway", "http://127.0.0.1:9"};

GParamFlags flags_of(const char* property) {
    auto element = media::sink(gst_element_factory_make("livepeerai", nullptr));
    return g_object_class_find_property(G_OBJECT_GET_CLASS(element.get()), property)->flags;
}

TEST(livepeerai, says_of_each_property_when_it_may_change) {
    for (const char* name : {"gateway", "stream", "pipeline", "token", "tls-verify"})
        EXPECT_TRUE(flags_of(name) & GST_PARAM_MUTABLE_READY) << name;
    for (const char* name : {"params", "bitrate", "keyframe-interval", "max-latency", "on-stall"})
        EXPECT_TRUE(flags_of(name) & GST_PARAM_MUTABLE_PLAYING) << name;
    EXPECT_FALSE(flags_of("token") & G_PARAM_READABLE);
    EXPECT_FALSE(flags_of("stats") & G_PARAM_WRITABLE);
}

TEST(livepeerai, can_be_made_and_thrown_away_in_every_state) {
    for (auto state : {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING}) {
        auto element = media::sink(gst_element_factory_make("livepeerai", nullptr));
        g_object_set(element.get(), "gateway", "http://127.0.0.1:9", nullptr);
        gst_element_set_state(element.get(), state);
        gst_element_set_state(element.get(), GST_STATE_NULL);
    }
}

TEST(livepeerai, is_live_without_preroll) {
    auto element = media::sink(gst_element_factory_make("livepeerai", nullptr));
    g_object_set(element.get(), "gateway", "http://127.0.0.1:9", nullptr);
    EXPECT_EQ(gst_element_set_state(element.get(), GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
    EXPECT_EQ(gst_element_set_state(element.get(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(gst_element_set_state(element.get(), GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
    EXPECT_EQ(gst_element_set_state(element.get(), GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
}

TEST(livepeerai, takes_raw_video_and_h264_and_nothing_else) {
    auto element = media::sink(gst_element_factory_make("livepeerai", nullptr));
    for (const char* pad : {"sink", "src"}) {
        auto at = media::adopt(gst_element_get_static_pad(element.get(), pad));
        auto caps = media::adopt(gst_pad_query_caps(at.get(), nullptr));
        const auto takes = [&](const char* text) {
            auto other = media::adopt(gst_caps_from_string(text));
            return bool(gst_caps_can_intersect(caps.get(), other.get()));
        };
        EXPECT_TRUE(takes("video/x-raw,format=YUY2,width=640,height=360,framerate=25/1"));
        EXPECT_TRUE(takes("video/x-h264,stream-format=byte-stream,alignment=au"));
        EXPECT_FALSE(takes("video/x-h264,stream-format=avc"));
        EXPECT_FALSE(takes("video/x-h265"));
    }
}

TEST(livepeerai, adds_its_share_to_the_latency) {
    element_rig rig({nowhere, {"max-latency", "300"}});
    gst_harness_set_upstream_latency(rig.harness, 40 * GST_MSECOND);
    EXPECT_EQ(gst_harness_query_latency(rig.harness), 340 * GST_MSECOND);
    rig.set("max-latency", "700");
    EXPECT_EQ(gst_harness_query_latency(rig.harness), 740 * GST_MSECOND);
    GstQuery* query = gst_query_new_latency();
    gst_pad_peer_query(rig.harness->sinkpad, query);
    gboolean live = FALSE;
    GstClockTime min = 0, max = 0;
    gst_query_parse_latency(query, &live, &min, &max);
    gst_query_unref(query);
    EXPECT_TRUE(live);
    EXPECT_GE(max, min);
    // And tells everybody to ask again.
    auto told = media::adopt(gst_bus_pop_filtered(rig.bus.get(), GST_MESSAGE_LATENCY));
    EXPECT_TRUE(told);
}

std::string params_of(GstElement* element) {
    gchar* now = nullptr;
    g_object_get(element, "params", &now, nullptr);
    const std::string text = now ? now : "";
    g_free(now);
    return text;
}

TEST(livepeerai, params_that_are_no_object_are_refused_with_a_warning) {
    element_rig rig({nowhere, {"params", R"({"graph":"negate"})"}});
    for (const char* bad : {"[1]", "{\"graph\":", "7"}) {
        rig.set("params", bad);
        rig.collect();
        EXPECT_EQ(rig.warnings.size(), 1u) << bad;
        rig.warnings.clear();
        EXPECT_EQ(params_of(rig.element.get()), R"({"graph":"negate"})");
    }
}

TEST(livepeerai, params_keep_their_meaning_in_a_description_for_gst_parse_launch) {
    for (const char* description :
         {R"(livepeerai params='{"graph":"negate"}')",
          R"(livepeerai params={"graph":"negate"})",
          R"(livepeerai params="{\"graph\":\"negate\"}")"}) {
        auto element = media::sink(gst_parse_launch(description, nullptr));
        ASSERT_TRUE(element) << description;
        EXPECT_EQ(params_of(element.get()), R"({"graph":"negate"})") << description;
    }
    auto element = media::sink(
        gst_parse_launch(R"(livepeerai params="{\"graph\": \"hue=s=0, negate\"}")", nullptr)
    );
    EXPECT_EQ(params_of(element.get()), R"({"graph": "hue=s=0, negate"})");
}

// Text of the warnings that a pipeline's bus has.
std::vector<std::string> warnings_of(GstElement* pipeline) {
    std::vector<std::string> found;
    auto bus = media::adopt(gst_element_get_bus(pipeline));
    while (GstMessage* raw = gst_bus_pop_filtered(bus.get(), GST_MESSAGE_WARNING))
        found.push_back(media::describe_error(media::adopt(raw).get()));
    return found;
}

TEST(livepeerai, params_refused_in_a_description_are_warned_of_when_the_pipeline_has_a_bus) {
    auto pipeline = media::sink(
        gst_parse_launch("videotestsrc ! livepeerai name=ai params=no-json ! fakesink", nullptr)
    );
    gst_element_set_state(pipeline.get(), GST_STATE_READY);
    const auto said = warnings_of(pipeline.get());
    ASSERT_EQ(said.size(), 1u);
    EXPECT_NE(said[0].find("params"), said[0].npos) << said[0];
    // Once; and not of what was put right in time.
    auto ai = media::adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "ai"));
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    g_object_set(ai.get(), "params", "[]", nullptr);
    g_object_set(ai.get(), "params", "{}", nullptr);
    gst_element_set_state(pipeline.get(), GST_STATE_READY);
    EXPECT_TRUE(warnings_of(pipeline.get()).empty());
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}

TEST(livepeerai, a_gateway_that_was_never_reached_is_one_warning) {
    element_rig rig({nowhere});
    ASSERT_TRUE(rig.wait_until([&] { return rig.count("lost") > 1; }));
    ASSERT_EQ(rig.warnings.size(), 1u);
    EXPECT_NE(rig.warnings[0].find("refused"), std::string::npos) << rig.warnings[0];
    EXPECT_NE(rig.warnings[0].find("property gateway"), std::string::npos) << rig.warnings[0];
}

TEST(livepeerai, a_gateway_that_can_not_be_trusted_is_a_warning_with_the_property_to_set) {
    restartable_gateway plain; // no TLS there: as little trust
    element_rig rig({{"gateway", "https" + plain.url().substr(4)}});
    ASSERT_TRUE(rig.wait_until([&] { return !rig.warnings.empty(); }));
    EXPECT_NE(rig.warnings[0].find("tls-verify"), std::string::npos) << rig.warnings[0];
}

TEST(livepeerai, a_gateway_that_was_there_goes_without_a_warning) {
    restartable_gateway gateway;
    element_rig rig({{"gateway", gateway.url()}});
    ASSERT_TRUE(rig.wait_until([&] { return rig.count("connected") > 0; }));
    gateway.stop();
    ASSERT_TRUE(rig.wait_until([&] { return rig.count("lost") > 1; }));
    EXPECT_EQ(rig.warnings, std::vector<std::string>());
}

TEST(livepeerai, a_pipeline_that_nobody_has_is_one_warning) {
    restartable_gateway gateway;
    element_rig rig({{"gateway", gateway.url()}, {"pipeline", "nonesuch"}});
    ASSERT_TRUE(rig.play_until([&] { return !rig.warnings.empty(); }));
    ASSERT_EQ(rig.warnings.size(), 1u);
    EXPECT_NE(rig.warnings[0].find("no orchestrators available"), std::string::npos)
        << rig.warnings[0];
    EXPECT_TRUE(rig.errors.empty());
}

TEST(livepeerai, logs_to_gstreamer_with_the_streams_name_and_without_the_token) {
    struct log_lines {
        std::mutex guard;
        std::vector<std::string> lines;
    } log;

    const GstLogFunction keep = [](GstDebugCategory* category,
                                   GstDebugLevel,
                                   const gchar*,
                                   const gchar*,
                                   gint,
                                   GObject*,
                                   GstDebugMessage* message,
                                   gpointer data) {
        auto& log = *static_cast<log_lines*>(data);
        const std::lock_guard lock(log.guard);
        if (g_str_equal(gst_debug_category_get_name(category), "livepeerai"))
            log.lines.emplace_back(gst_debug_message_get(message));
    };
    gst_debug_remove_log_function(gst_debug_log_default);
    gst_debug_add_log_function(keep, &log, nullptr);
    gst_debug_set_threshold_for_name("livepeerai", GST_LEVEL_DEBUG);
    testing::internal::CaptureStderr();
    {
        element_rig rig({nowhere, {"stream", "cam-7"}, {"token", "a-secret-key-of-cam"}});
        EXPECT_TRUE(rig.wait_until([&] { return rig.count("lost") > 0; }));
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    gst_debug_unset_threshold_for_name("livepeerai");
    gst_debug_remove_log_function(keep);
    gst_debug_add_log_function(gst_debug_log_default, nullptr, nullptr);
    bool session_told = false;
    for (const auto& line : log.lines) {
        EXPECT_NE(line.find("stream cam-7: "), line.npos) << line;
        EXPECT_EQ(line.find("a-secret-key"), line.npos) << line;
        session_told = session_told || line.starts_with("stream cam-7: lost: ");
    }
    EXPECT_TRUE(session_told);
}

// A clock that the test moves.
class by_hand : public testing::Test {
  protected:
    GstClock* clock = gst_test_clock_new();

    GstTestClock* hand() { return GST_TEST_CLOCK(clock); }

    std::unique_ptr<element_rig>
    rig(std::vector<std::pair<std::string, std::string>> more, const char* sink_caps = nullptr) {
        more.push_back(nowhere);
        more.emplace_back("max-latency", "200");
        return std::make_unique<element_rig>(
            more, "video/x-raw,format=I420,width=320,height=180,framerate=30/1", clock, sink_caps
        );
    }

    // Moves to what the element waits for; the time it was.
    GstClockTime crank() {
        gst_test_clock_wait_for_next_pending_id(hand(), nullptr);
        const auto at = gst_test_clock_get_next_entry_time(hand());
        gst_test_clock_crank(hand());
        return at;
    }
};

TEST_F(by_hand, a_gap_leaves_at_the_deadline_of_a_frame_without_a_picture) {
    auto element = rig({{"on-stall", "drop"}});
    ASSERT_EQ(gst_harness_push(element->harness, element->picture(0, 60)), GST_FLOW_OK);
    EXPECT_EQ(crank(), 200 * GST_MSECOND);
    GstClockTime time = 1, length = 0;
    for (;;) {
        auto event = media::adopt(gst_harness_pull_event(element->harness));
        ASSERT_TRUE(event);
        if (GST_EVENT_TYPE(event.get()) != GST_EVENT_GAP)
            continue;
        gst_event_parse_gap(event.get(), &time, &length);
        break;
    }
    EXPECT_EQ(time, 0u);
    EXPECT_EQ(length, GST_SECOND / 30);
    EXPECT_EQ(element->stat("gaps"), 1u);
}

TEST_F(by_hand, the_input_itself_leaves_at_the_deadline_under_passthrough) {
    auto element = rig({{"on-stall", "passthrough"}});
    ASSERT_EQ(gst_harness_push(element->harness, element->picture(0, 77)), GST_FLOW_OK);
    EXPECT_EQ(crank(), 200 * GST_MSECOND);
    ASSERT_TRUE(element->wait_until([&] { return !element->frames.empty(); }));
    EXPECT_EQ(element->frames[0].pts, 0u);
    EXPECT_NEAR(element->frames[0].luma, 77, 1);
    EXPECT_EQ(element->frames[0].width, 320);
}

TEST_F(by_hand, what_leaves_has_the_stream_time_of_its_input_also_in_a_second_segment) {
    std::vector<GstClockTime> times; // of stream, by the segments that came with the buffers
    auto element = rig({{"on-stall", "passthrough"}});
    GstSegment segment;
    const auto play = [&](guint64 start, guint64 time, guint64 base) {
        gst_segment_init(&segment, GST_FORMAT_TIME);
        segment.start = start * GST_MSECOND;
        segment.time = time * GST_MSECOND;
        segment.base = base * GST_MSECOND;
        gst_harness_push_event(element->harness, gst_event_new_segment(&segment));
        auto* buffer = element->picture(segment.start + 20 * GST_MSECOND, 60);
        EXPECT_EQ(gst_harness_push(element->harness, buffer), GST_FLOW_OK);
    };
    gst_pad_add_probe(
        element->harness->sinkpad,
        GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad* pad, GstPadProbeInfo* info, gpointer data) {
            auto event = media::adopt(gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0));
            const GstSegment* now = nullptr;
            gst_event_parse_segment(event.get(), &now);
            const auto pts = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
            static_cast<std::vector<GstClockTime>*>(data)->push_back(
                gst_segment_to_stream_time(now, GST_FORMAT_TIME, pts)
            );
            return GST_PAD_PROBE_OK;
        },
        &times,
        nullptr
    );
    gst_test_clock_set_time(hand(), 40 * GST_MSECOND);
    play(10'000, 4'000, 0);
    play(500, 500, 20); // as a loop: while the first picture is still here
    crank();
    ASSERT_TRUE(element->wait_until([&] { return element->frames.size() == 1; }));
    crank();
    ASSERT_TRUE(element->wait_until([&] { return element->frames.size() == 2; }));
    EXPECT_EQ(element->frames[0].pts, 20 * GST_MSECOND);
    EXPECT_EQ(element->frames[1].pts, 40 * GST_MSECOND);
    EXPECT_EQ(times, (std::vector<GstClockTime>{4'020 * GST_MSECOND, 520 * GST_MSECOND}));
}

TEST_F(by_hand, input_that_is_early_waits_for_its_time_and_a_flush_ends_the_wait) {
    auto element = rig({});
    GstFlowReturn flow = GST_FLOW_OK;
    std::thread pushing([&] {
        flow = gst_harness_push(element->harness, element->picture(3 * GST_SECOND, 60));
    });
    gst_test_clock_wait_for_next_pending_id(hand(), nullptr);
    EXPECT_EQ(gst_test_clock_get_next_entry_time(hand()), 3 * GST_SECOND);
    EXPECT_EQ(element->stat("frames-in"), 0u);
    gst_harness_push_event(element->harness, gst_event_new_flush_start());
    pushing.join();
    EXPECT_EQ(flow, GST_FLOW_FLUSHING);
    gst_harness_push_event(element->harness, gst_event_new_flush_stop(TRUE));
}

TEST_F(by_hand, leaving_playing_ends_every_wait_at_once) {
    auto element = rig({});
    std::thread pushing([&] {
        EXPECT_EQ(
            gst_harness_push(element->harness, element->picture(3 * GST_SECOND, 60)),
            GST_FLOW_FLUSHING
        );
    });
    gst_test_clock_wait_for_next_pending_id(hand(), nullptr);
    const auto begin = steady_clock::now();
    gst_element_set_state(element->element.get(), GST_STATE_READY);
    pushing.join();
    EXPECT_LT(steady_clock::now() - begin, 1s);
}

TEST_F(by_hand, a_sink_pad_that_is_deactivated_ends_its_wait) {
    for (auto state : {GST_STATE_PLAYING, GST_STATE_PAUSED}) {
        if (state == GST_STATE_PAUSED)
            clock = gst_test_clock_new(); // the first one went with its rig
        auto element = rig({});
        gst_element_set_state(element->element.get(), state);
        std::atomic<GstFlowReturn> flow{GST_FLOW_OK};
        std::thread pushing([&] {
            flow = gst_harness_push(element->harness, element->picture(3 * GST_SECOND, 60));
        });
        if (state == GST_STATE_PLAYING)
            gst_test_clock_wait_for_next_pending_id(hand(), nullptr);
        auto pad = media::adopt(gst_element_get_static_pad(element->element.get(), "sink"));
        EXPECT_TRUE(gst_pad_set_active(pad.get(), FALSE));
        pushing.join();
        EXPECT_EQ(flow, GST_FLOW_FLUSHING);
    }
}

TEST_F(by_hand, no_time_passes_while_paused) {
    auto element = rig({{"on-stall", "drop"}});
    ASSERT_EQ(gst_harness_push(element->harness, element->picture(0, 60)), GST_FLOW_OK);
    gst_test_clock_wait_for_next_pending_id(hand(), nullptr);
    gst_element_set_state(element->element.get(), GST_STATE_PAUSED);
    gst_test_clock_set_time(hand(), 10 * GST_SECOND);
    EXPECT_EQ(element->stat("gaps"), 0u);
    // As a pipeline does: running time goes on where it was.
    gst_element_set_base_time(element->element.get(), 10 * GST_SECOND);
    gst_element_set_state(element->element.get(), GST_STATE_PLAYING);
    EXPECT_EQ(crank(), 10 * GST_SECOND + 200 * GST_MSECOND);
    EXPECT_TRUE(element->wait_until([&] { return element->stat("gaps") == 1; }));
}

TEST_F(by_hand, the_end_leaves_behind_the_last_deadline) {
    auto element = rig({{"on-stall", "drop"}});
    ASSERT_EQ(gst_harness_push(element->harness, element->picture(0, 60)), GST_FLOW_OK);
    gst_test_clock_wait_for_next_pending_id(hand(), nullptr);
    gst_harness_push_event(element->harness, gst_event_new_eos());
    crank();
    std::size_t ends = 0;
    EXPECT_TRUE(element->wait_until([&] {
        ends += element->take_events(GST_EVENT_EOS);
        return ends == 1;
    }));
}

TEST_F(by_hand, a_refused_rate_is_an_error_also_when_the_input_is_over) {
    for (const char* policy : {"passthrough", "drop"}) {
        clock = clock ? clock : gst_test_clock_new();
        auto element = rig({{"on-stall", policy}}, "video/x-raw,framerate=10/1");
        ASSERT_EQ(gst_harness_push(element->harness, element->picture(0, 60)), GST_FLOW_OK);
        gst_test_clock_wait_for_next_pending_id(hand(), nullptr);
        gst_harness_push_event(element->harness, gst_event_new_eos());
        crank();
        std::size_t ends = 0;
        EXPECT_TRUE(element->wait_until([&] {
            ends += element->take_events(GST_EVENT_EOS);
            return ends == 1 && !element->errors.empty();
        })) << policy;
        ASSERT_EQ(element->errors.size(), 1u);
        EXPECT_NE(element->errors[0].find("30/1"), std::string::npos) << element->errors[0];
        EXPECT_TRUE(element->frames.empty());
        clock = nullptr; // it goes with the rig
    }
}

TEST_F(by_hand, a_picture_with_strides_of_its_own_leaves_as_the_caps_say) {
    auto element = rig({{"on-stall", "passthrough"}});
    gsize offset[GST_VIDEO_MAX_PLANES] = {0, 384 * 180, 384 * 180 + 192 * 90};
    gint stride[GST_VIDEO_MAX_PLANES] = {384, 192, 192};
    const gsize size = 384 * 180 + 2 * 192 * 90;
    GstBuffer* wide = gst_buffer_new_allocate(nullptr, size, nullptr);
    gst_buffer_memset(wide, 0, 77, size);
    gst_buffer_add_video_meta_full(
        wide, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 320, 180, 3, offset, stride
    );
    GST_BUFFER_PTS(wide) = 0;
    ASSERT_EQ(gst_harness_push(element->harness, wide), GST_FLOW_OK);
    crank();
    ASSERT_TRUE(element->wait_until([&] { return !element->frames.empty(); }));
    EXPECT_EQ(element->frames[0].size, std::size_t(320 * 180 * 3 / 2));
    EXPECT_NEAR(element->frames[0].luma, 77, 1);
}

// The element between live sources and sinks, without a gateway.
class live_line {
  public:
    explicit live_line(const std::string& audio_sink) {
        const std::string line =
            "livepeerai name=ai gateway=http://127.0.0.1:9 max-latency=60 "
            "videotestsrc is-live=true ! video/x-raw,width=160,height=90 ! ai.sink "
            "audiotestsrc name=sound is-live=true ! audio/x-raw,rate=44100,channels=1 ! "
            "ai.audio_sink "
            "ai.src ! fakesink async=false ai.audio_src ! " +
            audio_sink;
        pipeline = media::sink(gst_parse_launch(line.c_str(), nullptr));
        ai = media::adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "ai"));
    }

    ~live_line() { gst_element_set_state(pipeline.get(), GST_STATE_NULL); }

    void release(const char* name) {
        auto pad = media::adopt(gst_element_get_static_pad(ai.get(), name));
        auto peer = media::adopt(gst_pad_get_peer(pad.get()));
        if (gst_pad_get_direction(pad.get()) == GST_PAD_SRC)
            gst_pad_unlink(pad.get(), peer.get());
        else
            gst_pad_unlink(peer.get(), pad.get());
        gst_element_release_request_pad(ai.get(), pad.get());
    }

    media::gst_ptr<GstElement> pipeline, ai;
};

TEST(livepeerai, audio_pads_can_go_while_everything_plays) {
    for (const auto& names :
         {std::pair("audio_sink", "audio_src"), std::pair("audio_src", "audio_sink")}) {
        live_line line("fakesink name=heard async=false");
        gst_element_set_state(line.pipeline.get(), GST_STATE_PLAYING);
        std::this_thread::sleep_for(200ms);
        line.release(names.first);
        std::this_thread::sleep_for(100ms);
        line.release(names.second);
        std::this_thread::sleep_for(50ms);
        gst_element_set_state(line.ai.get(), GST_STATE_READY);
        // And come again when it stands still.
        auto again = media::adopt(gst_element_request_pad_simple(line.ai.get(), "audio_src"));
        EXPECT_TRUE(again);
        gst_element_set_state(line.ai.get(), GST_STATE_PLAYING);
        EXPECT_FALSE(gst_element_request_pad_simple(line.ai.get(), "audio_sink"));
    }
}

TEST(livepeerai, sound_that_did_not_come_back_is_a_gap_in_a_format) {
    live_line line("audio/x-raw,format=S16LE,rate=48000 ! fakesink name=heard async=false");
    auto sink = media::adopt(gst_bin_get_by_name(GST_BIN(line.pipeline.get()), "heard"));
    auto pad = media::adopt(gst_element_get_static_pad(sink.get(), "sink"));

    struct seen {
        std::atomic<int> gaps{0}, before_caps{0}, rate{0};
    } seen;

    gst_pad_add_probe(
        pad.get(),
        GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
        [](GstPad* at, GstPadProbeInfo* info, gpointer data) {
            auto& seen = *static_cast<struct seen*>(data);
            if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) != GST_EVENT_GAP)
                return GST_PAD_PROBE_OK;
            int rate = 0;
            GstCaps* caps = gst_pad_get_current_caps(at);
            seen.before_caps += !caps;
            if (caps) {
                gst_structure_get_int(gst_caps_get_structure(caps, 0), "rate", &rate);
                gst_caps_unref(caps);
            }
            seen.rate = rate;
            ++seen.gaps;
            return GST_PAD_PROBE_OK;
        },
        &seen,
        nullptr
    );
    gst_element_set_state(line.pipeline.get(), GST_STATE_PLAYING);
    for (int i = 0; i < 500 && seen.gaps < 3; ++i)
        std::this_thread::sleep_for(10ms);
    gst_element_set_state(line.pipeline.get(), GST_STATE_NULL);
    EXPECT_GE(seen.gaps, 3);
    EXPECT_EQ(seen.before_caps, 0);
    EXPECT_EQ(seen.rate, 48'000);
}

} // namespace
} // namespace rivulet::test
