// The element's network side over real sockets: against a door whose answers are written here, and
// against a whole gateway.
#include "gateway_session.hpp"
#include "http/tls.hpp"
#include "media/ts_demuxer.hpp"
#include "support/media_samples.hpp"
#include "support/scripted_door.hpp"
#include "support/trickle_rig.hpp"
#include "support/ts_decode.hpp"
#include "support/whole_gateway.hpp"

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

namespace rivulet::element {
namespace {

using namespace std::chrono_literals;
using media::track_kind;
using test::eventually;
using test::scripted_door;
using testing::HasSubstr;
using testing::Not;

// What a session tells, from its thread.
class witness : public session_listener {
  public:
    struct told {
        std::vector<session_place> connected;
        std::vector<std::string> lost;
        std::vector<duration> retries;
        std::vector<std::pair<int, std::string>> refused;
        std::vector<media::stream_format> formats;
        std::vector<media::access_unit> units;
        std::vector<std::pair<std::string, std::string>> events;
        int keyframes_wanted = 0, drained = 0;
    };

    void connected(const session_place& place) override {
        edit([&](told& t) { t.connected.push_back(place); });
    }

    void lost(const std::string& reason, duration retry) override {
        edit([&](told& t) {
            t.lost.push_back(reason);
            t.retries.push_back(retry);
        });
    }

    void refused(int status, const std::string& reason) override {
        edit([&](told& t) { t.refused.emplace_back(status, reason); });
    }

    void output_format(const media::stream_format& format) override {
        edit([&](told& t) { t.formats.push_back(format); });
    }

    void output_unit(media::access_unit unit) override {
        edit([&](told& t) { t.units.push_back(std::move(unit)); });
    }

    void event(const std::string& type, const boost::json::object& data) override {
        edit([&](told& t) { t.events.emplace_back(type, boost::json::serialize(data)); });
    }

    void keyframe_wanted() override {
        edit([](told& t) { ++t.keyframes_wanted; });
    }

    void drained() override {
        edit([](told& t) { ++t.drained; });
    }

    told heard() const {
        const std::lock_guard lock(guard_);
        return told_;
    }

    // Waits for something to be so.
    template <class Condition>
    bool until(Condition holds, std::chrono::milliseconds limit = 5s) const {
        return eventually(
            [&] {
                const std::lock_guard lock(guard_);
                return holds(told_);
            },
            limit
        );
    }

  private:
    template <class Edit>
    void edit(Edit change) {
        const std::lock_guard lock(guard_);
        change(told_);
    }

    mutable std::mutex guard_;
    told told_;
};

using told = witness::told;

const test::recording& clip() {
    static const auto units = test::units_of("av.flv");
    return units;
}

// One turn of the MPEG-TS clock further.
media::access_unit later(media::access_unit unit, std::int64_t ticks) {
    unit.pts += ticks;
    unit.dts += ticks;
    return unit;
}

std::size_t pictures(const std::vector<media::access_unit>& units) {
    return std::size_t(std::ranges::count(units, track_kind::video, &media::access_unit::kind));
}

class element_session_test : public testing::Test {
  protected:
    element_session_test() { set_log_level(log_level::off); }

    session_settings settings_for(const std::string& gateway) {
        session_settings made;
        made.gateway = gateway;
        made.stream = "cam";
        made.first_retry = 20ms;
        made.last_retry = 200ms;
        return made;
    }

    gateway_session& start(session_settings settings) {
        session_ = std::make_unique<gateway_session>(std::move(settings), witness_);
        session_->input_format(clip().format);
        session_->start();
        return *session_;
    }

    gateway_session& connect(const scripted_door& door) {
        auto& session = start(settings_for(door.url()));
        EXPECT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 1; }));
        return session;
    }

    void send_all(std::int64_t offset = 0) {
        for (const auto& unit : clip().units)
            session_->input_unit(later(unit, offset));
    }

    witness witness_;
    std::unique_ptr<gateway_session> session_;
};

http::response refusal(http::status status, const std::string& message) {
    return http::error_response(status, message);
}

TEST_F(element_session_test, what_is_sent_comes_back_with_its_times) {
    scripted_door door;
    connect(door);
    const auto place = witness_.heard().connected.at(0);
    EXPECT_EQ(place.stream, "cam");
    EXPECT_EQ(place.stream_id, "stream-1");
    EXPECT_EQ(place.request_id, "request-1");
    EXPECT_EQ(place.gateway, "127.0.0.1:" + std::to_string(door.port()));

    // Beyond the turn of the transport stream's clock, where the output has to be brought back to.
    const std::int64_t offset = (std::int64_t{5} << 33) - media::clock_rate;
    // What comes before the first keyframe can't be decoded and is not sent.
    const auto& units = clip().units;
    const auto first = std::ranges::find_if(units, [](const media::access_unit& unit) {
        return unit.kind == track_kind::video && unit.keyframe;
    });
    const std::vector<media::access_unit> expected(first, units.end());
    send_all(offset);
    ASSERT_TRUE(witness_.until([&](const told& t) { return t.units.size() == expected.size(); }));
    const auto heard = witness_.heard();
    for (const auto kind : {track_kind::video, track_kind::audio}) {
        std::vector<media::access_unit> in, out;
        std::ranges::copy_if(expected, std::back_inserter(in), [&](auto& u) {
            return u.kind == kind;
        });
        std::ranges::copy_if(heard.units, std::back_inserter(out), [&](auto& u) {
            return u.kind == kind;
        });
        ASSERT_EQ(in.size(), out.size());
        for (std::size_t i = 0; i < in.size(); ++i) {
            EXPECT_EQ(out[i].pts, in[i].pts + offset);
            EXPECT_EQ(out[i].dts, in[i].dts + offset);
            EXPECT_EQ(out[i].keyframe, in[i].keyframe);
            EXPECT_EQ(out[i].data.text(), in[i].data.text()) << i;
        }
    }
    ASSERT_FALSE(heard.formats.empty());
    EXPECT_EQ(heard.formats.back().video->width, clip().format.video->width);
    EXPECT_EQ(heard.formats.back().audio->sample_rate, clip().format.audio->sample_rate);
    EXPECT_EQ(heard.formats.back().audio->channels, clip().format.audio->channels);
    const auto numbers = session_->stats();
    EXPECT_EQ(numbers.units_in, units.size());
    EXPECT_EQ(numbers.units_out, expected.size());
    EXPECT_EQ(numbers.connects, 1u);
    EXPECT_EQ(numbers.reconnects, 0u);
    EXPECT_TRUE(numbers.connected);
    EXPECT_EQ(numbers.queued_bytes, 0u);
    EXPECT_EQ(heard.keyframes_wanted, 0);
}

TEST_F(element_session_test, a_unit_comes_back_before_the_next_one_is_sent) {
    scripted_door door;
    auto& session = connect(door);
    std::size_t sent = 0;
    for (const auto& unit : clip().units) {
        if (unit.kind != track_kind::video)
            continue;
        session.input_unit(unit);
        ++sent;
        ASSERT_TRUE(witness_.until([&](const told& t) { return t.units.size() == sent; })) << sent;
        if (sent == 20)
            break;
    }
}

TEST_F(element_session_test, segments_are_cut_at_keyframes_and_decode_alone) {
    scripted_door door;
    auto& session = connect(door);
    int keyframes = 0;
    for (const auto& unit : clip().units) {
        // The second keyframe comes a second later, as in life.
        if (unit.kind == track_kind::video && unit.keyframe && ++keyframes == 2)
            std::this_thread::sleep_for(950ms);
        session.input_unit(unit);
    }
    session.finish(5s);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.drained == 1; }));
    const auto segments = door.segments(1, "in");
    ASSERT_EQ(segments.size(), 2u); // the third keyframe came too soon for another cut
    int frames = 0;
    for (const auto& segment : segments) {
        const auto decoded =
            test::decode_ts({reinterpret_cast<const std::uint8_t*>(segment.data()), segment.size()}
            );
        EXPECT_EQ(decoded.errors, 0);
        frames += decoded.video_frames;
    }
    EXPECT_EQ(frames, 90);
}

TEST_F(element_session_test, the_request_says_who_asks_and_for_what) {
    scripted_door door;
    auto settings = settings_for(door.url());
    settings.pipeline = "avfilter";
    settings.params = R"({"graph":"negate"})";
    settings.token = "hunter2";
    start(settings);
    ASSERT_TRUE(eventually([&] { return door.requests().size() == 1; }));
    const auto asked = door.requests().at(0);
    EXPECT_EQ(asked.path, "/live/video-to-video/cam/trickle");
    EXPECT_EQ(asked.authorization, "Bearer hunter2");
    EXPECT_EQ(asked.body, R"({"pipeline":"avfilter","params":{"graph":"negate"}})");
}

TEST_F(element_session_test, a_stream_without_a_name_gets_one_that_it_keeps) {
    scripted_door door;
    auto settings = settings_for(door.url());
    settings.stream.clear();
    start(settings);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 1; }));
    door.remove(1, "in");
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 2; }));
    const auto heard = witness_.heard();
    EXPECT_FALSE(heard.connected[0].stream.empty());
    EXPECT_EQ(heard.connected[0].stream, heard.connected[1].stream);
}

TEST_F(element_session_test, parameters_go_over_the_control_channel) {
    scripted_door door;
    auto& session = connect(door);
    session.update(R"({"graph":"hflip"})");
    ASSERT_TRUE(eventually([&] { return door.segments(1, "control").size() == 1; }));
    EXPECT_EQ(door.segments(1, "control").at(0), R"({"graph":"hflip"})");
    session.update(R"({"graph":"vflip"})");
    ASSERT_TRUE(eventually([&] { return door.segments(1, "control").size() == 2; }));
    EXPECT_EQ(door.segments(1, "control").at(1), R"({"graph":"vflip"})");
    // The next connection begins with the newest.
    door.remove(1, "in");
    ASSERT_TRUE(eventually([&] { return door.requests().size() == 2; }));
    EXPECT_EQ(door.requests().at(1).body, R"({"params":{"graph":"vflip"}})");
    EXPECT_TRUE(door.updates().empty());
}

TEST_F(element_session_test, of_many_parameters_only_the_newest_must_arrive) {
    scripted_door door;
    auto& session = connect(door);
    for (int i = 0; i <= 200; ++i)
        session.update(R"({"n":)" + std::to_string(i) + "}");
    ASSERT_TRUE(eventually([&] {
        const auto all = door.segments(1, "control");
        return !all.empty() && all.back() == R"({"n":200})";
    }));
    EXPECT_LE(door.segments(1, "control").size(), 201u);
}

TEST_F(element_session_test, parameters_set_before_the_door_opens_are_in_the_request) {
    scripted_door door;
    session_ = std::make_unique<gateway_session>(settings_for(door.url()), witness_);
    session_->update(R"({"a":1})");
    session_->start();
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 1; }));
    EXPECT_EQ(door.requests().at(0).body, R"({"params":{"a":1}})");
}

TEST_F(element_session_test, without_a_control_channel_parameters_are_posted) {
    scripted_door door;
    door.no_control();
    auto& session = connect(door);
    session.update(R"({"graph":"hflip"})");
    ASSERT_TRUE(eventually([&] { return door.updates().size() == 1; }));
    EXPECT_EQ(door.updates().at(0), R"({"graph":"hflip"})");
}

TEST_F(element_session_test, parameters_for_a_stream_that_is_gone_do_not_reach_its_namesake) {
    scripted_door door;
    auto& session = connect(door);
    door.remove(1, "control");
    session.update(R"({"graph":"hflip"})");
    // They begin the next connection.
    ASSERT_TRUE(eventually([&] { return door.requests().size() == 2; }));
    EXPECT_EQ(door.requests().at(1).body, R"({"params":{"graph":"hflip"}})");
    EXPECT_TRUE(door.updates().empty());
}

TEST_F(element_session_test, parameters_that_are_no_object_are_warned_about_and_not_sent) {
    scripted_door door;
    auto& session = connect(door);
    session.update("[1,2]");
    ASSERT_TRUE(witness_.until([](const told& t) { return !t.events.empty(); }));
    EXPECT_EQ(witness_.heard().events.at(0).first, "warning");
    EXPECT_TRUE(door.segments(1, "control").empty());
}

TEST_F(element_session_test, events_of_the_stream_are_told) {
    scripted_door door;
    connect(door);
    door.publish(
        1, "events", R"({"seq":1,"time":2,"stream":"cam","type":"state","data":{"state":"live"}})"
    );
    door.publish(1, "events", "no JSON at all");
    door.publish(1, "events", R"({"type":7})");
    door.publish(
        1, "events", R"({"seq":2,"time":2,"stream":"cam","type":"swap","data":{"gap_ms":5}})"
    );
    ASSERT_TRUE(witness_.until([](const told& t) { return t.events.size() == 2; }));
    const auto heard = witness_.heard();
    EXPECT_EQ(
        heard.events[0], (std::pair<std::string, std::string>("state", R"({"state":"live"})"))
    );
    EXPECT_EQ(heard.events[1].first, "swap");
    EXPECT_EQ(session_->stats().swaps, 1u);
    EXPECT_TRUE(heard.lost.empty());
}

TEST_F(element_session_test, a_refusal_is_told_once_and_nothing_follows) {
    for (const auto status :
         {http::status::unauthorized,
          http::status::forbidden,
          http::status::bad_request,
          http::status::not_found}) {
        witness heard;
        scripted_door door;
        door.answer_next(refusal(status, "not you"));
        auto settings = settings_for(door.url());
        settings.token = "hunter2";
        gateway_session session(settings, heard);
        session.start();
        ASSERT_TRUE(heard.until([](const told& t) { return t.refused.size() == 1; }));
        EXPECT_EQ(heard.heard().refused[0].first, int(status));
        EXPECT_THAT(heard.heard().refused[0].second, HasSubstr("not you"));
        EXPECT_THAT(heard.heard().refused[0].second, Not(HasSubstr("hunter2")));
        session.finish(1s);
        session.stop();
        EXPECT_EQ(door.requests().size(), 1u);
        EXPECT_EQ(heard.heard().lost.size(), 0u);
        EXPECT_EQ(heard.heard().drained, 0);
    }
}

TEST_F(element_session_test, something_that_is_no_gateway_is_refused) {
    scripted_door door;
    http::response page;
    page.body = "<html>It works!</html>";
    page.content_type = "text/html";
    door.answer_next(page);
    start(settings_for(door.url()));
    ASSERT_TRUE(witness_.until([](const told& t) { return t.refused.size() == 1; }));
    EXPECT_EQ(witness_.heard().refused[0].first, 200);
    EXPECT_THAT(witness_.heard().refused[0].second, HasSubstr("not of a gateway's trickle door"));
}

TEST_F(element_session_test, settings_that_cannot_work_are_refused_without_a_connection) {
    auto settings = settings_for("localhost:8935");
    start(settings);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.refused.size() == 1; }));
    EXPECT_EQ(witness_.heard().refused[0].first, 0);
    EXPECT_THAT(witness_.heard().refused[0].second, HasSubstr("gateway: "));
}

TEST_F(element_session_test, a_full_gateway_is_asked_again_when_it_says) {
    scripted_door door;
    auto full = refusal(http::status::service_unavailable, "full");
    full.headers.emplace_back("Retry-After", "1");
    door.answer_next(full);
    auto settings = settings_for(door.url());
    settings.last_retry = 10s;
    start(settings);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 1; }));
    const auto heard = witness_.heard();
    ASSERT_EQ(heard.lost.size(), 1u);
    EXPECT_THAT(heard.lost[0], HasSubstr("full"));
    EXPECT_EQ(heard.retries[0], 1s);
}

TEST_F(element_session_test, a_gateway_that_comes_back_goes_on_with_a_keyframe) {
    auto door = std::make_unique<scripted_door>();
    const auto port = door->port();
    connect(*door);
    send_all();
    ASSERT_TRUE(witness_.until([](const told& t) { return pictures(t.units) == 90; }));
    door.reset();
    ASSERT_TRUE(witness_.until([](const told& t) { return t.lost.size() >= 2; }));
    EXPECT_FALSE(session_->stats().connected);
    const auto before = witness_.heard().units.size();
    // Pictures that nobody can decode without those that were lost.
    for (const auto& unit : clip().units)
        if (!unit.keyframe)
            session_->input_unit(unit);
    door = std::make_unique<scripted_door>(port);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 2; }));
    ASSERT_TRUE(witness_.until([](const told& t) { return t.keyframes_wanted == 1; }));
    send_all(10 * media::clock_rate);
    ASSERT_TRUE(witness_.until([&](const told& t) { return pictures(t.units) == 180; }));
    const auto heard = witness_.heard();
    EXPECT_TRUE(heard.units.at(before).keyframe);
    EXPECT_TRUE(heard.refused.empty());
    const auto numbers = session_->stats();
    EXPECT_EQ(numbers.connects, 2u);
    EXPECT_EQ(numbers.reconnects, 1u);
    EXPECT_EQ(numbers.units_dropped, 87u);
    EXPECT_EQ(door->requests().size(), 1u);
}

TEST_F(element_session_test, the_end_that_a_gateway_makes_is_told_with_its_reason) {
    scripted_door door;
    connect(door);
    send_all();
    ASSERT_TRUE(witness_.until([](const told& t) { return pictures(t.units) == 90; }));
    door.publish(
        1,
        "events",
        R"({"type":"stream_ended","data":{"cause":"stopped","reason":"somebody stopped it"}})"
    );
    for (const auto* channel : {"in", "out", "control", "events"})
        door.remove(1, channel);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 2; }));
    EXPECT_EQ(witness_.heard().lost.at(0), "the gateway ended the stream: somebody stopped it");
}

TEST_F(element_session_test, the_end_of_the_input_ends_the_stream_when_all_is_back) {
    scripted_door door;
    auto& session = connect(door);
    send_all();
    const auto begun = steady_clock::now();
    session.finish(10s);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.drained == 1; }));
    EXPECT_LT(steady_clock::now() - begun, 900ms); // the last picture is there: nothing to wait for
    EXPECT_EQ(pictures(witness_.heard().units), 90u);
    EXPECT_TRUE(eventually([&] { return !door.exists(1, "in"); }));
    EXPECT_TRUE(witness_.heard().lost.empty());
    EXPECT_EQ(door.requests().size(), 1u);
}

TEST_F(element_session_test, draining_takes_no_longer_than_its_limit) {
    scripted_door door;
    door.separate_output(); // from which nothing ever comes
    auto& session = connect(door);
    send_all();
    session.finish(300ms);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.drained == 1; }, 2s));
    EXPECT_TRUE(eventually([&] { return !door.exists(1, "in"); }));
    session.stop();
    EXPECT_EQ(witness_.heard().drained, 1);
}

TEST_F(element_session_test, stopping_deletes_the_channel) {
    scripted_door door;
    auto& session = connect(door);
    send_all();
    session.stop();
    EXPECT_FALSE(door.exists(1, "in"));
    const auto units = witness_.heard().units.size();
    session.input_unit(clip().units.at(0));
    session.update("{}");
    session.finish(1s);
    session.stop();
    EXPECT_EQ(witness_.heard().units.size(), units);
    EXPECT_EQ(witness_.heard().drained, 0);
}

TEST_F(element_session_test, a_session_that_never_started_is_stopped_and_destroyed) {
    gateway_session session(settings_for("http://127.0.0.1:1"), witness_);
    session.input_unit(clip().units.at(0));
    session.update("{}");
    session.finish(1s);
    session.stop();
}

// Accepts connections and never says a word, like a gateway whose process stands still.
class mute_listener {
  public:
    mute_listener() : acceptor_(context_, {asio::ip::address_v4::loopback(), 0}) {}

    std::string url() const {
        return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    }

  private:
    asio::io_context context_;
    tcp::acceptor acceptor_;
};

TEST_F(element_session_test, a_gateway_that_stands_still_does_not_hold_up_the_stop) {
    mute_listener mute;
    auto& session = start(settings_for(mute.url()));
    std::this_thread::sleep_for(50ms); // its request is on its way
    const auto begun = steady_clock::now();
    session.stop();
    EXPECT_LT(steady_clock::now() - begun, 2s);
}

TEST_F(element_session_test, input_that_is_not_taken_is_dropped_and_never_waits) {
    scripted_door door;
    mute_listener mute;
    http::response reply;
    reply.status = http::status::created;
    reply.body =
        R"({"publish_url":")" + mute.url() + R"(/in","subscribe_url":")" + mute.url() + R"(/out"})";
    door.answer_next(reply);
    auto settings = settings_for(door.url());
    settings.queue_bytes = 1u << 20;
    auto& session = start(settings);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 1; }));
    auto large = clip().units.at(0);
    for (const auto& unit : clip().units)
        if (unit.kind == track_kind::video && unit.keyframe) {
            large = unit;
            break;
        }
    // More than the sockets hold.
    std::string filler(large.data.text());
    filler += std::string("\0\0\0\1\x0c", 5) + std::string(200'000, '\xff');
    large.data = bytes::copy_of(filler);
    auto small = large;
    small.keyframe = false;
    duration longest{};
    for (int i = 0; i < 200; ++i) {
        const auto begun = steady_clock::now();
        session.input_unit(later(i == 0 ? large : small, i * 3'000));
        longest = std::max(longest, steady_clock::now() - begun);
        std::this_thread::sleep_for(1ms);
        EXPECT_LE(session.stats().queued_bytes, settings.queue_bytes);
    }
    EXPECT_LT(longest, 1s); // the network would be waited for five
    EXPECT_GT(session.stats().units_dropped, 0u);
    EXPECT_TRUE(witness_.until([](const told& t) { return t.keyframes_wanted > 0; }));
    const auto begun = steady_clock::now();
    session.stop();
    EXPECT_LT(steady_clock::now() - begun, 2s);
}

TEST_F(element_session_test, a_certificate_is_checked_unless_told_otherwise) {
    auto tls = http::self_signed_tls("127.0.0.1");
    ASSERT_TRUE(tls);
    scripted_door door(0, *tls);
    auto settings = settings_for(door.url());
    start(settings);
    ASSERT_TRUE(witness_.until([](const told& t) { return !t.lost.empty(); }));
    EXPECT_THAT(witness_.heard().lost[0], HasSubstr("certificate"));
    EXPECT_TRUE(door.requests().empty());

    witness trusting;
    settings.tls_verify = false;
    gateway_session session(settings, trusting);
    session.input_format(clip().format);
    session.start();
    ASSERT_TRUE(trusting.until([](const told& t) { return t.connected.size() == 1; }));
    for (const auto& unit : clip().units)
        session.input_unit(unit);
    EXPECT_TRUE(trusting.until([](const told& t) { return pictures(t.units) == 90; }));
}

// ---- a whole gateway ---------------------------------------------------------------------------

TEST_F(element_session_test, a_gateway_sends_the_transformed_pictures_at_their_times) {
    test::whole_gateway gateway;
    auto settings = settings_for(gateway.url(""));
    settings.pipeline = "avfilter";
    settings.params = R"({"graph":"negate"})";
    auto& session = start(settings);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 1; }));
    std::vector<std::int64_t> sent;
    const auto begun = steady_clock::now();
    for (const auto& unit : clip().units) {
        const auto due = begun + std::chrono::microseconds(unit.dts * 100 / 9);
        std::this_thread::sleep_until(due);
        session.input_unit(later(unit, 1'000'000));
        if (unit.kind == track_kind::video)
            sent.push_back(unit.pts + 1'000'000);
    }
    session.finish(5s);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.drained == 1; }, 10s));
    const auto heard = witness_.heard();
    EXPECT_TRUE(heard.lost.empty());
    std::vector<std::int64_t> came;
    for (const auto& unit : heard.units)
        if (unit.kind == track_kind::video)
            came.push_back(unit.pts);
    EXPECT_GE(came.size(), sent.size() * 95 / 100);
    for (const auto pts : came)
        EXPECT_TRUE(std::ranges::any_of(sent, [&](std::int64_t in) {
            return std::abs(in - pts) <= 100;
        })) << pts;
    EXPECT_TRUE(std::ranges::any_of(heard.events, [](const auto& event) {
        return event.first == "state" && event.second.find("live") != std::string::npos;
    }));
    EXPECT_TRUE(eventually([&] { return gateway.streams() == 0; }));
}

TEST_F(element_session_test, a_name_that_another_session_took_is_left_to_it_for_a_while) {
    test::whole_gateway gateway;
    auto settings = settings_for(gateway.url(""));
    settings.pipeline = "passthrough";
    settings.last_retry = 30s;
    start(settings);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 1; }));
    witness other;
    gateway_session second(settings, other);
    second.start();
    ASSERT_TRUE(witness_.until([](const told& t) { return !t.lost.empty(); }));
    EXPECT_THAT(witness_.heard().lost[0], HasSubstr("another publisher took the stream's name"));
    EXPECT_THAT(witness_.heard().lost[0], HasSubstr("property stream"));
    EXPECT_GE(witness_.heard().retries[0], 30s);
    EXPECT_TRUE(other.until([](const told& t) { return t.connected.size() == 1; }));
    EXPECT_TRUE(other.heard().lost.empty());
}

class throwing_witness : public witness {
  public:
    void connected(const session_place& place) override {
        witness::connected(place);
        throw std::runtime_error("no memory");
    }
};

TEST_F(element_session_test, an_exception_ends_neither_the_program_nor_the_session) {
    scripted_door door;
    throwing_witness throwing;
    gateway_session session(settings_for(door.url()), throwing);
    session.start();
    ASSERT_TRUE(throwing.until([](const told& t) { return t.connected.size() == 2; }));
    EXPECT_THAT(throwing.heard().lost.at(0), HasSubstr("internal error: no memory"));
    session.stop();
}

class throwing_event : public witness {
  public:
    void event(const std::string&, const boost::json::object&) override {
        throw std::runtime_error("no bus");
    }
};

TEST_F(element_session_test, an_exception_of_the_network_thread_is_a_refusal) {
    scripted_door door;
    throwing_event throwing;
    gateway_session session(settings_for(door.url()), throwing);
    session.start();
    session.update("[1]"); // warned about
    ASSERT_TRUE(throwing.until([](const told& t) { return t.refused.size() == 1; }));
    EXPECT_EQ(throwing.heard().refused[0].second, "internal error: no bus");
    session.stop();
}

TEST_F(element_session_test, a_gateway_started_again_takes_the_stream_up) {
    gateway_options options;
    auto first = std::make_unique<test::whole_gateway>(options);
    options.http_addr = "127.0.0.1:" + std::to_string(first->ports.http);
    auto settings = settings_for(first->url(""));
    settings.pipeline = "passthrough";
    start(settings);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 1; }));
    send_all();
    ASSERT_TRUE(witness_.until([](const told& t) { return pictures(t.units) > 0; }));
    first.reset();
    ASSERT_TRUE(witness_.until([](const told& t) { return !t.lost.empty(); }));
    const auto before = pictures(witness_.heard().units);
    const test::whole_gateway second(options);
    ASSERT_TRUE(witness_.until([](const told& t) { return t.connected.size() == 2; }, 10s));
    send_all(20 * media::clock_rate);
    ASSERT_TRUE(witness_.until([&](const told& t) { return pictures(t.units) > before + 30; }, 10s)
    );
    EXPECT_TRUE(witness_.heard().refused.empty());
}

} // namespace
} // namespace rivulet::element
