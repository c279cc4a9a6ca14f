// The element livepeerai against a gateway in this process: pictures are transformed in their own
// time, and stay so when parameters, caps, the gateway or an orchestrator change.
#include "live/stream_keys.hpp"
#include "livepeerai_rig.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace rivulet::test {
namespace {

using properties = std::vector<std::pair<std::string, std::string>>;

// Limited range: what is bright becomes dark.
constexpr double negated(double luma) {
    return 255 - luma;
}

const std::string negate = R"({"graph":"negate"})";
const std::string nothing_changed = R"({"graph":"null"})";

class livepeerai_gateway : public testing::Test {
  protected:
    properties with(properties more = {}) const {
        properties all{
            {"gateway", gateway.url()},
            {"stream", "cam"},
            {"pipeline", "avfilter"},
            {"params", negate},
            {"max-latency", "1000"}};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }

    restartable_gateway gateway;
};

TEST_F(livepeerai_gateway, shows_the_transformed_picture_in_the_inputs_time) {
    element_rig rig(with());
    ASSERT_TRUE(rig.play_until([&] { return rig.shows(negated(60)); }));
    const auto begin = rig.frames.size();
    rig.play(2s);
    EXPECT_TRUE(rig.errors.empty());
    ASSERT_GT(rig.frames.size(), begin + 50);
    int left_out = 0; // by an encoder that had no time on a busy machine
    for (std::size_t i = begin; i < rig.frames.size(); ++i) {
        const auto& frame = rig.frames[i];
        EXPECT_NEAR(frame.luma, negated(60), 12);
        // The times of its input.
        const auto at = std::find(rig.sent.begin(), rig.sent.end(), frame.pts);
        ASSERT_NE(at, rig.sent.end());
        left_out += *std::prev(at) != rig.frames[i - 1].pts;
        EXPECT_EQ(frame.width, 320);
        EXPECT_EQ(frame.height, 180);
    }
    EXPECT_LE(left_out, 3);
    EXPECT_EQ(rig.count("connected"), 1u);
    EXPECT_EQ(rig.count("started"), 1u);
    EXPECT_EQ(rig.stat("connects"), 1u);
    EXPECT_GT(rig.stat("frames-processed"), 50u);
}

TEST_F(livepeerai_gateway, fits_what_downstream_takes) {
    element_rig rig(
        with(),
        "video/x-raw,format=YUY2,width=320,height=180,framerate=30/1",
        nullptr,
        "video/x-raw,format=RGB,width=160,height=90"
    );
    // In RGB, negated grey is as bright in each channel.
    ASSERT_TRUE(rig.play_until([&] { return rig.stat("frames-processed") > 5; }));
    rig.play(300ms);
    ASSERT_FALSE(rig.frames.empty());
    EXPECT_EQ(rig.frames.back().width, 160);
    EXPECT_EQ(rig.frames.back().height, 90);
    EXPECT_EQ(rig.frames.back().size, std::size_t(160 * 90 * 3));
}

TEST_F(livepeerai_gateway, new_params_change_the_picture_while_playing) {
    element_rig rig(with({{"params", nothing_changed}}));
    ASSERT_TRUE(rig.play_until([&] { return rig.shows(60); }));
    rig.set("params", negate);
    EXPECT_TRUE(rig.play_until([&] { return rig.shows(negated(60)); }, 5s));
    rig.set("params", nothing_changed);
    EXPECT_TRUE(rig.play_until([&] { return rig.shows(60); }, 5s));
    EXPECT_TRUE(rig.errors.empty());
    EXPECT_EQ(rig.stat("connects"), 1u);
}

TEST_F(livepeerai_gateway, new_caps_change_the_output) {
    // A pipeline that keeps the size it gets; avfilter keeps the size it began with.
    element_rig rig(with({{"pipeline", "passthrough"}, {"params", ""}}));
    ASSERT_TRUE(rig.play_until([&] { return rig.shows(60); }));
    rig.set_caps("video/x-raw,format=NV12,width=640,height=360,framerate=30/1");
    EXPECT_TRUE(rig.play_until([&] { return rig.frames.back().width == 640; }, 10s, 200));
    EXPECT_TRUE(rig.play_until([&] { return rig.shows(200); }, 2s, 200));
    EXPECT_EQ(rig.frames.back().height, 360);
    EXPECT_TRUE(rig.errors.empty());
    EXPECT_EQ(rig.stat("connects"), 1u);
}

TEST_F(livepeerai_gateway, a_flush_empties_it_and_pictures_go_on) {
    element_rig rig(with());
    ASSERT_TRUE(rig.play_until([&] { return rig.shows(negated(60)); }));
    EXPECT_TRUE(gst_harness_push_event(rig.harness, gst_event_new_flush_start()));
    EXPECT_TRUE(gst_harness_push_event(rig.harness, gst_event_new_flush_stop(TRUE)));
    rig.collect();
    rig.frames.clear();
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(rig.harness, gst_event_new_segment(&segment));
    // As after a seek in a pipeline, running time begins at zero.
    gst_element_set_base_time(
        rig.element.get(), gst_element_get_base_time(rig.element.get()) + rig.now()
    );
    EXPECT_TRUE(rig.play_until([&] { return rig.shows(negated(200)); }, 5s, 200));
    for (const auto& frame : rig.frames)
        EXPECT_NEAR(frame.luma, negated(200), 12); // none of before
    EXPECT_LT(rig.frames.front().pts, 3 * GST_SECOND);
    EXPECT_TRUE(rig.errors.empty());
}

TEST_F(livepeerai_gateway, the_end_lets_every_picture_out_first) {
    element_rig rig(with());
    ASSERT_TRUE(rig.play_until([&] { return rig.shows(negated(60)); }));
    rig.play(500ms);
    const auto begin = steady_clock::now();
    gst_harness_push_event(rig.harness, gst_event_new_eos());
    std::size_t ends = 0;
    EXPECT_TRUE(rig.wait_until([&] {
        ends += rig.take_events(GST_EVENT_EOS);
        return ends == 1;
    }));
    EXPECT_LT(steady_clock::now() - begin, 3s);
    rig.collect();
    // The encoder, the gateway and the decoder gave back what they had.
    EXPECT_GE(rig.frames.back().pts + 2 * GST_SECOND / 30, rig.sent.back());
    EXPECT_NEAR(rig.frames.back().luma, negated(60), 12);
}

// The gateway's decoder holds the last pictures until the input ends.
TEST_F(livepeerai_gateway, the_end_lets_every_picture_out_of_an_input_with_b_frames) {
    const std::string line =
        "videotestsrc is-live=true num-buffers=30 pattern=ball ! "
        "video/x-raw,format=I420,width=320,height=180,framerate=30/1 ! "
        "x264enc bframes=3 b-adapt=false key-int-max=15 rc-lookahead=1 sync-lookahead=0 "
        "threads=1 ! video/x-h264,stream-format=byte-stream,alignment=au ! "
        "livepeerai name=ai gateway=" +
        gateway.url() +
        " pipeline=avfilter max-latency=5000 ! video/x-raw ! fakesink name=out sync=false";
    GError* trouble = nullptr;
    auto pipeline = media::sink(gst_parse_launch(line.c_str(), &trouble));
    ASSERT_EQ(trouble, nullptr) << trouble->message;
    auto ai = media::adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "ai"));
    g_object_set(ai.get(), "params", negate.c_str(), nullptr);
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    auto bus = media::adopt(gst_element_get_bus(pipeline.get()));
    int stalls = 0;
    auto type = GST_MESSAGE_UNKNOWN;
    while (type != GST_MESSAGE_EOS && type != GST_MESSAGE_ERROR) {
        auto message = media::adopt(gst_bus_timed_pop_filtered(
            bus.get(),
            15 * GST_SECOND,
            GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT)
        ));
        if (!message) {
            gst_element_set_state(pipeline.get(), GST_STATE_NULL);
            FAIL() << "neither an end nor an error";
        }
        type = GST_MESSAGE_TYPE(message.get());
        const GstStructure* said = gst_message_get_structure(message.get());
        const char* word = said ? gst_structure_get_string(said, "type") : nullptr;
        stalls += word && std::string_view(word) == "stall";
    }
    GstStructure* stats = nullptr;
    g_object_get(ai.get(), "stats", &stats, nullptr);
    guint64 in = 0, processed = 0;
    gst_structure_get_uint64(stats, "frames-in", &in);
    gst_structure_get_uint64(stats, "frames-processed", &processed);
    gst_structure_free(stats);
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    EXPECT_EQ(type, GST_MESSAGE_EOS);
    EXPECT_EQ(in, 30u);
    EXPECT_GE(processed + 1, in); // one may be left out anywhere on a busy machine
    if (processed == in) {
        EXPECT_EQ(stalls, 0);
    }
}

TEST_F(livepeerai_gateway, claims_the_rate_that_its_pictures_have) {
    element_rig rig(
        with(),
        "video/x-raw,format=I420,width=320,height=180,framerate=30/1",
        nullptr,
        "video/x-raw,format=RGB,width=64,height=48,framerate=10/1;"
        "video/x-raw,format=RGB,width=64,height=48"
    );
    ASSERT_TRUE(rig.play_until([&] { return !rig.frames.empty(); }));
    auto caps = media::adopt(gst_pad_get_current_caps(rig.harness->sinkpad));
    int rate = 0, per = 0;
    gst_structure_get_fraction(gst_caps_get_structure(caps.get(), 0), "framerate", &rate, &per);
    EXPECT_EQ(rate, 30);
    EXPECT_EQ(per, 1);
    EXPECT_EQ(rig.frames.back().width, 64);
}

TEST_F(livepeerai_gateway, a_rate_that_its_pictures_do_not_have_is_refused) {
    element_rig rig(
        with(),
        "video/x-raw,format=I420,width=320,height=180,framerate=30/1",
        nullptr,
        "video/x-raw,framerate=10/1"
    );
    EXPECT_TRUE(rig.play_until([&] { return rig.flow != GST_FLOW_OK; }));
    EXPECT_EQ(rig.flow, GST_FLOW_NOT_NEGOTIATED);
    rig.collect();
    EXPECT_TRUE(rig.frames.empty());
    EXPECT_EQ(rig.errors.size(), 1u);
}

// As WebM says it: the unit of its clock.
TEST_F(livepeerai_gateway, a_rate_that_no_camera_has_is_none) {
    element_rig rig(with(), "video/x-raw,format=I420,width=320,height=180,framerate=1000/1");
    EXPECT_TRUE(rig.play_until([&] { return rig.shows(negated(60)); }));
    auto caps = media::adopt(gst_pad_get_current_caps(rig.harness->sinkpad));
    ASSERT_TRUE(caps);
    int rate = 1, per = 0;
    gst_structure_get_fraction(gst_caps_get_structure(caps.get(), 0), "framerate", &rate, &per);
    EXPECT_EQ(rate, 0);
    EXPECT_TRUE(rig.errors.empty());
}

TEST_F(livepeerai_gateway, goes_on_by_itself_when_the_gateway_was_away) {
    element_rig rig(with({{"on-stall", "passthrough"}}));
    ASSERT_TRUE(rig.play_until([&] { return rig.shows(negated(60)); }));
    gateway.stop();
    EXPECT_TRUE(rig.play_until([&] { return rig.count("lost") > 0 && rig.shows(60); }));
    EXPECT_EQ(rig.flow, GST_FLOW_OK);
    gateway.start();
    EXPECT_TRUE(rig.play_until([&] { return rig.shows(negated(60)); }, 20s));
    EXPECT_EQ(rig.count("connected"), 2u);
    EXPECT_GE(rig.count("stall"), 1u);
    // Not in the second of the stall's own message.
    EXPECT_TRUE(rig.play_until([&] { return rig.count("resumed") > 0; }, 5s));
    EXPECT_TRUE(rig.errors.empty());
    for (std::size_t i = 1; i < rig.frames.size(); ++i)
        EXPECT_GT(rig.frames[i].pts, rig.frames[i - 1].pts);
}

TEST_F(livepeerai_gateway, sends_on_after_being_stopped_and_played_again) {
    element_rig rig(with());
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(rig.play_until([&] { return rig.shows(negated(60)); })) << round;
        gst_element_set_state(rig.element.get(), GST_STATE_READY);
        rig.frames.clear();
        gst_element_set_base_time(
            rig.element.get(), gst_element_get_base_time(rig.element.get()) + rig.now()
        );
        gst_element_set_state(rig.element.get(), GST_STATE_PLAYING);
        rig.set_caps("video/x-raw,format=I420,width=320,height=180,framerate=30/1");
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(rig.harness, gst_event_new_segment(&segment));
    }
    EXPECT_TRUE(rig.errors.empty());
}

TEST_F(livepeerai_gateway, h264_passes_without_being_encoded_again) {
    element_rig rig(
        with({{"pipeline", "passthrough"}, {"params", ""}}),
        "video/x-h264,stream-format=byte-stream,alignment=au,width=320,height=180,framerate=30/1"
    );
    // What an encoder makes of the pictures, unit by unit.
    GstHarness* encoder =
        gst_harness_new_parse("x264enc tune=zerolatency key-int-max=30 ! capsfilter "
                              "caps=\"video/x-h264,stream-format=byte-stream,alignment=au\"");
    gst_harness_set_src_caps_str(
        encoder, "video/x-raw,format=I420,width=320,height=180,framerate=30/1"
    );
    gst_video_info_set_format(&rig.info, GST_VIDEO_FORMAT_I420, 320, 180);
    const auto play_until_out = [&](std::size_t wanted) {
        const auto until = steady_clock::now() + 10s;
        for (GstClockTime next = rig.now(); steady_clock::now() < until;) {
            if (rig.now() >= next) {
                gst_harness_push(encoder, rig.picture(next, 60));
                GstBuffer* unit = gst_harness_pull(encoder);
                GST_BUFFER_PTS(unit) = next;
                GST_BUFFER_DTS(unit) = next;
                rig.sent.push_back(next);
                rig.flow = gst_harness_push(rig.harness, unit);
                ASSERT_EQ(rig.flow, GST_FLOW_OK);
                next += GST_SECOND / 30;
            }
            rig.collect();
            if (rig.frames.size() > wanted)
                break;
            std::this_thread::sleep_for(2ms);
        }
        ASSERT_GT(rig.frames.size(), wanted);
    };
    play_until_out(60);
    auto caps = media::adopt(gst_pad_get_current_caps(rig.harness->sinkpad));
    EXPECT_TRUE(gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), "video/x-h264"));
    // The end, and a flush behind it: the stream goes on, and nobody says its caps again.
    gst_harness_push_event(rig.harness, gst_event_new_eos());
    EXPECT_TRUE(rig.wait_until([&] { return rig.take_events(GST_EVENT_EOS) > 0; }));
    gst_harness_push_event(rig.harness, gst_event_new_flush_start());
    gst_harness_push_event(rig.harness, gst_event_new_flush_stop(FALSE));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    GstEvent* begin = gst_event_new_segment(&segment);
    const auto number = gst_event_get_seqnum(begin);
    gst_harness_push_event(rig.harness, begin);
    play_until_out(rig.frames.size() + 30);
    gst_harness_teardown(encoder);
    bool flushed = false, numbered = false;
    while (GstEvent* raw = gst_harness_try_pull_event(rig.harness)) {
        auto event = media::adopt(raw);
        gboolean reset = TRUE;
        if (GST_EVENT_TYPE(raw) == GST_EVENT_FLUSH_STOP) {
            gst_event_parse_flush_stop(raw, &reset);
            flushed = !reset;
        }
        if (GST_EVENT_TYPE(raw) == GST_EVENT_SEGMENT)
            numbered = gst_event_get_seqnum(raw) == number;
    }
    EXPECT_TRUE(flushed);
    EXPECT_TRUE(numbered);
    for (const auto& frame : rig.frames)
        EXPECT_TRUE(std::binary_search(rig.sent.begin(), rig.sent.end(), frame.pts));
    EXPECT_TRUE(rig.errors.empty());
}

TEST_F(livepeerai_gateway, all_leaves_under_its_own_caps_when_the_input_is_coded_for_a_while) {
    const std::string size = "width=320,height=180,framerate=30/1";

    struct seen {
        std::atomic<int> raw{0}, coded{0}, wrong{0};
    } seen; // longer there than the rig, whose threads count in it

    element_rig rig(with({{"pipeline", "passthrough"}, {"params", ""}}));
    GstHarness* encoder =
        gst_harness_new_parse("x264enc tune=zerolatency key-int-max=10 ! capsfilter "
                              "caps=\"video/x-h264,stream-format=byte-stream,alignment=au\"");
    gst_harness_set_src_caps_str(encoder, ("video/x-raw,format=I420," + size).c_str());

    gst_pad_add_probe(
        rig.harness->sinkpad,
        GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad* pad, GstPadProbeInfo* info, gpointer data) {
            auto& seen = *static_cast<struct seen*>(data);
            auto caps = media::adopt(gst_pad_get_current_caps(pad));
            const bool raw =
                gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), "video/x-raw");
            const auto size = gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
            ++(raw ? seen.raw : seen.coded);
            seen.wrong += raw != (size == 320 * 180 * 3 / 2);
            return GST_PAD_PROBE_OK;
        },
        &seen,
        nullptr
    );
    ASSERT_TRUE(rig.play_until([&] { return rig.shows(60); }));
    rig.set_caps(("video/x-h264,stream-format=byte-stream,alignment=au," + size).c_str());
    gst_video_info_set_format(&rig.info, GST_VIDEO_FORMAT_I420, 320, 180);
    const auto until = steady_clock::now() + 10s;
    for (auto next = rig.now(); seen.coded < 15 && steady_clock::now() < until;) {
        if (rig.now() < next) {
            std::this_thread::sleep_for(2ms);
            continue;
        }
        gst_harness_push(encoder, rig.picture(next, 60));
        GstBuffer* unit = gst_harness_pull(encoder);
        GST_BUFFER_PTS(unit) = GST_BUFFER_DTS(unit) = next;
        ASSERT_EQ(gst_harness_push(rig.harness, unit), GST_FLOW_OK);
        next += GST_SECOND / 30;
    }
    gst_harness_teardown(encoder);
    EXPECT_GE(seen.coded, 15);
    const int raw_before = seen.raw;
    rig.set_caps(("video/x-raw,format=I420," + size).c_str());
    EXPECT_TRUE(rig.play_until([&] { return seen.raw > raw_before + 15; }));
    EXPECT_EQ(seen.wrong, 0);
    EXPECT_TRUE(rig.errors.empty());
}

TEST(livepeerai_refused, a_wrong_token_is_a_clear_error_without_the_token) {
    char name[] = "/tmp/rivulet-keys-XXXXXX";
    ::close(::mkstemp(name));
    std::ofstream(name) << live::make_key_line("cam", "publish", "the-right-key-of-cam").value()
                        << "\n";
    gateway_options options;
    options.stream_keys = name;
    restartable_gateway gateway(std::move(options));
    const std::string wrong = "a-wrong-key-of-cam-0";
    for (const auto& token : {wrong, std::string()}) {
        element_rig rig({{"gateway", gateway.url()}, {"stream", "cam"}, {"token", token}});
        EXPECT_TRUE(rig.wait_until([&] { return !rig.errors.empty(); }));
        ASSERT_EQ(rig.errors.size(), 1u);
        EXPECT_NE(rig.errors[0].find("refuses"), std::string::npos) << rig.errors[0];
        EXPECT_EQ(rig.errors[0].find(wrong), std::string::npos);
        rig.play(100ms);
        EXPECT_EQ(rig.flow, GST_FLOW_ERROR);
    }
    element_rig rig(
        {{"gateway", gateway.url()}, {"stream", "cam"}, {"token", "the-right-key-of-cam"}}
    );
    EXPECT_TRUE(rig.play_until([&] { return rig.count("connected") == 1; }));
    EXPECT_TRUE(rig.errors.empty());
    std::filesystem::remove(name);
}

// `rivulet worker` as a process, which a signal can make fall silent.
class stoppable_worker {
  public:
    stoppable_worker() {
        for (int i = 0; i < 600 && url.empty(); ++i) {
            std::this_thread::sleep_for(50ms);
            std::ifstream said(log_.name);
            for (std::string line; std::getline(said, line);)
                if (const auto at = line.find("worker 127.0.0.1:");
                    line.starts_with("rivulet") && at != line.npos)
                    url = "http://" + line.substr(at + 7);
        }
        url = url.substr(0, url.find_first_of(", ", 7));
    }

    void fall_silent() { process_.kill(SIGSTOP); }

    std::string url;

  private:
    struct log_file {
        char name[32] = "/tmp/rivulet-worker-XXXXXX";

        log_file() { ::close(::mkstemp(name)); }

        ~log_file() { std::filesystem::remove(name); }
    } log_;

    program process_{{std::getenv("RIVULET"), "worker", "-serviceAddr", "127.0.0.1:0"}, log_.name};
};

class livepeerai_stall : public testing::Test {
  protected:
    void SetUp() override {
        if (!std::getenv("RIVULET"))
            GTEST_SKIP() << "RIVULET names the program";
    }

    void stall(const char* policy, const std::function<void(element_rig&)>& look) {
        stoppable_worker silent;
        ASSERT_FALSE(silent.url.empty());
        gateway_options options;
        options.orch_addrs = {silent.url};
        options.swap_filler = "none";
        restartable_gateway gateway(std::move(options));
        element_rig rig(
            {{"gateway", gateway.url()},
             {"stream", "cam"},
             {"pipeline", "avfilter"},
             {"params", negate},
             {"max-latency", "400"},
             {"on-stall", policy}}
        );
        ASSERT_TRUE(rig.play_until([&] { return rig.stat("frames-processed") > 20; }));
        rig.take_events(GST_EVENT_GAP);
        const auto stalls = rig.count("stall");
        silent.fall_silent();
        ASSERT_TRUE(rig.play_until([&] { return rig.count("stall") > stalls; }, 5s));
        rig.collect();
        rig.frames.clear();
        rig.play(1s, 200);
        rig.collect();
        look(rig);
        EXPECT_TRUE(rig.errors.empty());
    }
};

TEST_F(livepeerai_stall, drop_lets_gaps_out) {
    stall("drop", [](element_rig& rig) {
        EXPECT_TRUE(rig.frames.empty());
        EXPECT_GT(rig.take_events(GST_EVENT_GAP), 20u);
    });
}

TEST_F(livepeerai_stall, freeze_shows_the_last_picture_again) {
    stall("freeze", [](element_rig& rig) {
        EXPECT_GT(rig.frames.size(), 20u);
        for (const auto& frame : rig.frames)
            EXPECT_NEAR(frame.luma, negated(60), 12);
    });
}

TEST_F(livepeerai_stall, passthrough_shows_the_input) {
    stall("passthrough", [](element_rig& rig) {
        ASSERT_GT(rig.frames.size(), 20u);
        EXPECT_NEAR(rig.frames.back().luma, 200, 2);
    });
}

TEST_F(livepeerai_gateway, sound_goes_with_the_picture) {
    // Real elements around it: two sources, two sinks, one clock.
    const std::string line =
        "livepeerai name=ai gateway=" + gateway.url() +
        " stream=cam pipeline=avfilter max-latency=1000 "
        "videotestsrc is-live=true pattern=white num-buffers=120 ! "
        "video/x-raw,width=320,height=180,framerate=30/1 ! ai.sink "
        "audiotestsrc is-live=true freq=440 num-buffers=180 ! audio/x-raw,rate=44100 ! "
        "ai.audio_sink "
        "ai.src ! fakesink name=video sync=true "
        "ai.audio_src ! audio/x-raw,format=F32LE ! fakesink name=audio sync=true";
    GError* trouble = nullptr;
    auto pipeline = media::sink(gst_parse_launch(line.c_str(), &trouble));
    ASSERT_TRUE(pipeline) << trouble->message;
    ASSERT_EQ(trouble, nullptr) << trouble->message;

    struct heard {
        std::atomic<std::uint64_t> buffers{0};
        std::atomic<double> loudest{0};
        std::atomic<std::uint64_t> last{0};
    } sound, video;

    const auto listen = [&](const char* name, heard& into, GstPadProbeCallback callback) {
        auto sink = media::adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), name));
        auto pad = media::adopt(gst_element_get_static_pad(sink.get(), "sink"));
        gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, callback, &into, nullptr);
    };
    listen("audio", sound, [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        auto& into = *static_cast<heard*>(data);
        const auto bytes = media::map_buffer(GST_PAD_PROBE_INFO_BUFFER(info));
        for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
            float sample = 0;
            std::memcpy(&sample, bytes.data() + i, 4);
            into.loudest = std::max(into.loudest.load(), double(std::abs(sample)));
        }
        ++into.buffers;
        into.last = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
        return GST_PAD_PROBE_OK;
    });
    listen("video", video, [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        auto& into = *static_cast<heard*>(data);
        ++into.buffers;
        into.last = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
        return GST_PAD_PROBE_OK;
    });
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    auto bus = media::adopt(gst_element_get_bus(pipeline.get()));
    auto end = media::adopt(gst_bus_timed_pop_filtered(
        bus.get(), 20 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)
    ));
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    ASSERT_TRUE(end);
    EXPECT_EQ(GST_MESSAGE_TYPE(end.get()), GST_MESSAGE_EOS) << media::describe_error(end.get());
    EXPECT_GT(sound.buffers, 60u);
    EXPECT_GT(sound.loudest, 0.3);
    EXPECT_GT(video.buffers, 60u);
    // Both end where their input ended: four seconds.
    EXPECT_NEAR(double(video.last) / GST_SECOND, 4.0, 0.3);
    EXPECT_NEAR(double(sound.last) / GST_SECOND, 4.1, 0.4);
}

} // namespace
} // namespace rivulet::test
