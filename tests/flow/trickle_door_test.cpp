// The trickle door of a whole gateway: programs publish MPEG-TS by POSTs and read the processed
// stream, its events, and their own refusals.
#include "support/closed_doors.hpp"
#include "support/fake_webhook.hpp"
#include "support/trickle_visit.hpp"
#include "support/ts_clip.hpp"

#include <gmock/gmock.h>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

gateway_options roomy() {
    gateway_options options;
    options.worker_capacity = 16;
    options.min_segment = 10ms; // clips come faster than they play
    return options;
}

std::string text_of(const bytes& data) {
    return std::string(data.text());
}

std::span<const std::uint8_t> span_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

const clip& short_clip() {
    static const clip made = make_clip();
    return made;
}

std::vector<std::string> types_of(const read_channel& events) {
    std::vector<std::string> types;
    for (const auto& each : events.segments)
        types.emplace_back(boost::json::parse(each).at("type").as_string());
    return types;
}

std::string joined(const std::vector<std::string>& words) {
    std::string all;
    for (const auto& word : words)
        all += word + " ";
    return all;
}

class trickle_door : public testing::Test {
  protected:
    raw_reply status(const std::string& name) const {
        return gateway.http("GET", base + "/" + name + "/status");
    }

    trickle_visit open(const std::string& name, std::string_view body = {}) const {
        auto door = open_trickle(gateway.ports.http, name, body);
        EXPECT_EQ(door.reply.status, 201) << door.reply.body;
        return door;
    }

    // Publishes the clip's segments from `first` on; the next one when the one before it has come
    // out.
    void publish(const trickle_visit& door, const clip& media, std::int64_t first = 0) const {
        for (std::size_t i = 0; i < media.segments.size(); ++i) {
            const auto seq = first + static_cast<std::int64_t>(i);
            EXPECT_EQ(
                door.write("publish_url", seq, text_of(media.segments[i].whole())).status, 200
            );
            if (i + 1 < media.segments.size()) {
                EXPECT_TRUE(came_out(door, i + 1)) << "segment " << i;
            }
        }
    }

    static bool came_out(const trickle_visit& door, std::size_t segments) {
        return eventually(
            [&] {
                const auto reply = door.get("subscribe_url", "next");
                return reply.status == 200 && std::stoul(reply.body) >= segments;
            },
            20'000ms
        );
    }

    whole_gateway gateway{roomy()};
};

TEST_F(trickle_door, answers_with_addresses_as_the_client_wrote_them) {
    const auto reply =
        ask(gateway.ports.http,
            "POST /live/video-to-video/cam/trickle HTTP/1.1\r\nHost: gw.example:99\r\n"
            "X-Forwarded-Proto: https\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(reply.status, 201) << reply.body;
    EXPECT_EQ(reply["location"], "/live/video-to-video/cam");
    const auto body = boost::json::parse(reply.body).as_object();
    const auto text = [&body](const char* name) { return std::string(body.at(name).as_string()); };
    const std::string secret = "https://gw.example:99/ai/trickle/cam-[0-9a-f]+";
    EXPECT_EQ(text("stream"), "cam");
    EXPECT_THAT(text("stream_id"), MatchesRegex("[0-9a-f]{16}"));
    EXPECT_THAT(text("publish_url"), MatchesRegex(secret + "-in"));
    EXPECT_THAT(text("subscribe_url"), MatchesRegex(secret + "-out"));
    EXPECT_THAT(text("control_url"), MatchesRegex(secret + "-control"));
    EXPECT_THAT(text("events_url"), MatchesRegex(secret + "-events"));
    EXPECT_EQ(
        text("publish_url").size(),
        std::string("https://gw.example:99/ai/trickle/").size() + 4 + 32 + 3
    );
    EXPECT_EQ(text("status_url"), "https://gw.example:99/live/video-to-video/cam/status");
    EXPECT_EQ(
        text("whep_url"),
        "https://gw.example:99/live/video-to-video/cam-" + text("request_id") + "-out/whep"
    );
    const auto seen = boost::json::parse(status("cam").body);
    EXPECT_EQ(seen.at("gateway_status").at("stream_id").as_string(), text("stream_id"));
    EXPECT_EQ(seen.at("gateway_status").at("ingest").at("protocol").as_string(), "trickle");
}

TEST_F(trickle_door, returns_the_stream_with_the_publishers_own_times) {
    clip_options late;
    late.start =
        (std::int64_t{1} << 33) - 90'000; // the clock of 33 bits wraps in the second second
    const auto media = make_clip(late);
    const auto door = open("cam", R"({"pipeline":"passthrough","stream_id":"mine"})");
    EXPECT_EQ(door.body.at("stream_id").as_string(), "mine");
    EXPECT_THAT(door.get("events_url", "0").body, HasSubstr("stream_started"));
    auto output = reading(door, "subscribe_url");
    auto events = reading(door, "events_url");
    publish(door, media);
    // The publisher is much faster than real time, and may be gone before the output begins.
    EXPECT_TRUE(eventually([&] {
        return status("cam").body.find(R"("state": "live")") != std::string::npos;
    })) << status("cam").body;
    EXPECT_EQ(door.remove("publish_url").status, 200);

    const auto got = output.get();
    EXPECT_TRUE(got.ended) << got.last_status;
    std::set<std::int64_t> times;
    for (const auto pts : look_at(span_of(got.whole())).video_pts())
        times.insert(pts & ((std::int64_t{1} << 33) - 1));
    std::set<std::int64_t> wanted;
    for (const auto pts : media.video_pts)
        wanted.insert(pts & ((std::int64_t{1} << 33) - 1));
    EXPECT_EQ(times, wanted);

    const auto told = events.get();
    EXPECT_TRUE(told.ended);
    const auto types = types_of(told);
    ASSERT_FALSE(types.empty());
    EXPECT_EQ(types.back(), "stream_ended") << joined(types);
    EXPECT_THAT(told.whole(), HasSubstr(R"("state":"live")"));
    EXPECT_THAT(told.segments.back(), HasSubstr("the publisher closed its channel"));
    EXPECT_EQ(door.write("publish_url", 9, "x").status, 404);
    EXPECT_EQ(door.get("events_url", "0").status, 404);
    EXPECT_EQ(gateway.streams(), 0u);
}

TEST_F(trickle_door, takes_parameters_from_the_control_channel) {
    const auto door = open("cam");
    auto events = reading(door, "events_url");
    EXPECT_EQ(door.write("control_url", 0, R"({"keep":"alive"})").status, 200);
    EXPECT_EQ(door.write("control_url", 1, R"({"strength":)").status, 200);
    EXPECT_EQ(door.write("control_url", 2, R"({"strength":7})").status, 200);
    ASSERT_TRUE(eventually([&] {
        const auto text = status("cam").body;
        return boost::json::parse(text)
                   .at("gateway_status")
                   .at("ingest_metrics")
                   .at("stats")
                   .at("updates")
                   .to_number<int>() == 1;
    })) << status("cam").body;
    EXPECT_EQ(door.write("control_url", 3, std::string(1024 * 1024 + 1, 'x')).status, 200);
    ASSERT_TRUE(eventually([&] { return door.get("events_url", "next").body >= "5"; }));
    EXPECT_EQ(gateway.http("DELETE", base + "/cam").status, 200);
    const auto told = events.get();
    EXPECT_TRUE(told.ended);
    const auto all = joined(told.segments);
    EXPECT_THAT(all, HasSubstr(R"("type":"params","data":{"params":{"strength":7}}})"));
    EXPECT_THAT(all, HasSubstr("parameters were refused: not JSON"));
    EXPECT_THAT(all, HasSubstr("parameters were refused: the JSON is longer than 1048576 bytes"));
    EXPECT_THAT(all, Not(HasSubstr("keep")));
    EXPECT_THAT(told.segments.back(), HasSubstr("stopped through the API"));
}

TEST_F(trickle_door, opens_channels_in_their_direction_only) {
    const auto door = open("cam");
    EXPECT_EQ(door.write("subscribe_url", 0, "x").status, 403);
    EXPECT_EQ(door.write("events_url", 0, "{}").status, 403);
    EXPECT_EQ(door.get("publish_url", "0").status, 403);
    EXPECT_EQ(door.get("control_url", "-1").status, 403);
    EXPECT_EQ(door.remove("subscribe_url").status, 403);
    EXPECT_EQ(door.remove("events_url").status, 403);
    EXPECT_EQ(door.remove("control_url").status, 403);
    // Publishers that come back ask where they were.
    EXPECT_EQ(door.get("publish_url", "next").body, "0");
    // Others' channels stay what they were.
    const auto port = gateway.ports.http;
    EXPECT_EQ(ask(port, request_with_body("POST", "/ai/trickle/cam/0", "x")).status, 403);
    EXPECT_EQ(ask(port, request_text("DELETE", "/ai/trickle/cam-out")).status, 403);
    const auto guessed = "/ai/trickle/cam-" + std::string(32, 'a');
    EXPECT_EQ(ask(port, request_with_body("POST", guessed + "-in/0", "x")).status, 404);
    EXPECT_EQ(ask(port, request_text("GET", guessed + "-out/0")).status, 404);
    EXPECT_EQ(gateway.streams(), 1u);
}

TEST_F(trickle_door, an_address_tells_nothing_about_the_others) {
    const auto door = open("cam");
    const std::vector<std::pair<std::string, std::string>> channels{
        {"publish_url", "-in"},
        {"subscribe_url", "-out"},
        {"control_url", "-control"},
        {"events_url", "-events"}};
    std::set<std::string> secrets;
    for (const auto& [url, suffix] : channels) {
        const auto path = door.path(url);
        ASSERT_TRUE(path.ends_with(suffix)) << path;
        const auto begin = path.substr(0, path.size() - suffix.size());
        secrets.insert(begin.substr(begin.size() - 32));
        for (const auto& [other, ending] : channels) {
            if (other == url)
                continue;
            EXPECT_NE(begin + ending, door.path(other));
            const auto guessed =
                ask(gateway.ports.http, request_text("GET", begin + ending + "/next"));
            EXPECT_EQ(guessed.status, 404) << begin + ending;
        }
        EXPECT_EQ(door.get(url, "next").status, 200) << url;
    }
    EXPECT_EQ(secrets.size(), 4u);
}

// Whoever names a stream must not write lines of the log.
TEST_F(trickle_door, a_name_that_is_refused_is_one_line_of_the_log) {
    const auto level = current_log_level();
    set_log_level(log_level::info);
    testing::internal::CaptureStderr();
    const auto reply = open_trickle(gateway.ports.http, "cam%0aforged%1b%5b2J").reply;
    // Still one that is let through, so that the line is out.
    open("cam");
    const auto lines = testing::internal::GetCapturedStderr();
    set_log_level(level);
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_THAT(lines, HasSubstr("cam?forged?[2J from 127.0.0.1:"));
    EXPECT_THAT(lines, Not(HasSubstr("\nforged")));
    EXPECT_THAT(lines, Not(HasSubstr("\x1b")));
}

TEST_F(trickle_door, gives_the_name_to_who_comes_later) {
    const auto first = open("cam", R"({"pipeline":"passthrough"})");
    auto events = reading(first, "events_url");
    auto output = reading(first, "subscribe_url");
    // A POST that waits for its first byte is told at once.
    raw_client idle(gateway.ports.http);
    idle.send(open_request("POST", first.path("publish_url") + "/3"));
    publish(first, short_clip());
    const auto second = open("cam", R"({"pipeline":"passthrough"})");
    EXPECT_NE(first.path("publish_url"), second.path("publish_url"));
    EXPECT_EQ(idle.read_reply()["lp-trickle-closed"], "terminated");
    EXPECT_TRUE(output.get().ended);
    const auto told = events.get();
    EXPECT_TRUE(told.ended);
    EXPECT_THAT(told.segments.back(), AllOf(HasSubstr("stream_ended"), HasSubstr("replaced")));
    EXPECT_EQ(first.write("publish_url", 5, "x").status, 404);

    auto later_events = reading(second, "events_url");
    auto later_output = reading(second, "subscribe_url");
    publish(second, short_clip());
    EXPECT_EQ(second.remove("publish_url").status, 200);
    EXPECT_EQ(look_at(span_of(later_output.get().whole())).video_pts(), short_clip().video_pts);
    const auto later = later_events.get();
    EXPECT_THAT(
        later.segments.front(),
        AllOf(
            HasSubstr("stream_started"),
            HasSubstr(std::string(second.body.at("request_id").as_string()))
        )
    );
    EXPECT_THAT(later.whole(), Not(HasSubstr("replaced")));
}

TEST_F(trickle_door, ends_a_stream_that_is_not_mpeg_ts) {
    const auto door = open("cam");
    auto events = reading(door, "events_url");
    const std::string noise(300 * 1024, 'x');
    door.write("publish_url", 0, noise);
    const auto told = events.get();
    EXPECT_TRUE(told.ended);
    EXPECT_THAT(told.segments.back(), HasSubstr("this is not MPEG-TS"));
    EXPECT_EQ(door.write("publish_url", 1, noise).status, 404);
}

TEST_F(trickle_door, goes_on_after_a_client_that_died_in_a_segment) {
    const auto door = open("cam", R"({"pipeline":"passthrough"})");
    auto output = reading(door, "subscribe_url");
    const auto& media = short_clip();
    const auto whole = text_of(media.segments[0].whole());
    {
        raw_client dying(gateway.ports.http);
        dying.send(open_request("POST", door.path("publish_url") + "/0"));
        dying.send_chunk(whole);
        ASSERT_TRUE(came_out(door, 1));
        dying.send_chunk(std::string_view(whole).substr(0, 1000)); // ends within a packet
        dying.reset();
    }
    EXPECT_EQ(door.write("publish_url", 1, text_of(media.segments[1].whole())).status, 200);
    EXPECT_TRUE(came_out(door, 2));
    EXPECT_EQ(door.write("publish_url", 2, text_of(media.segments[2].whole())).status, 200);
    EXPECT_EQ(door.remove("publish_url").status, 200);
    const auto got = output.get();
    EXPECT_TRUE(got.ended);
    const auto times = look_at(span_of(got.whole())).video_pts();
    for (const auto pts : media.video_pts)
        EXPECT_TRUE(times.contains(pts)) << pts;
}

TEST_F(trickle_door, refuses_bodies_that_it_does_not_understand) {
    const auto said = [this](std::string_view body) {
        const auto reply = open_trickle(gateway.ports.http, "cam", body).reply;
        return std::to_string(reply.status) + " " + reply.body;
    };
    EXPECT_THAT(said("[]"), ContainsRegex("400 .*a JSON object is wanted"));
    EXPECT_THAT(said("{"), ContainsRegex("400 .*not JSON"));
    EXPECT_THAT(said(R"({"pipeline":7})"), ContainsRegex("400 .*pipeline: a string is wanted"));
    EXPECT_THAT(said(R"({"params":"x"})"), ContainsRegex("400 .*params: an object is wanted"));
    EXPECT_THAT(said(R"({"rtmp_output":"http://x"})"), ContainsRegex("400 .*rtmpOutput"));
    EXPECT_THAT(said(std::string(1024 * 1024 + 1, ' ')), StartsWith("413"));
    EXPECT_EQ(gateway.streams(), 0u);
    EXPECT_THAT(said(R"({"pipeline":null,"colour":"red"})"), StartsWith("201"));
    EXPECT_THAT(
        open_trickle(gateway.ports.http, "a-out").reply.body, HasSubstr("can't end in '-out'")
    );
    // A page's form.
    const std::string page = "Origin: http://evil.example\r\nContent-Type: text/plain\r\n";
    EXPECT_EQ(open_trickle(gateway.ports.http, "cam", "{}", page).reply.status, 415);
}

TEST_F(trickle_door, does_not_hold_up_a_gateway_that_stops) {
    const auto door = open("cam", R"({"pipeline":"passthrough"})");
    auto output = reading(door, "subscribe_url");
    auto events = reading(door, "events_url");
    EXPECT_EQ(door.write("publish_url", 0, text_of(short_clip().segments[0].whole())).status, 200);
    ASSERT_TRUE(came_out(door, 1));
    const auto before = std::chrono::steady_clock::now();
    gateway.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 8s);
    output.get();
    EXPECT_THAT(events.get().whole(), HasSubstr("the gateway is stopping"));
}

TEST(trickle_door_limits, a_segment_at_the_limit_passes_and_the_stream_survives_a_longer_one) {
    auto options = roomy();
    options.max_segment_bytes = 256 * 1024;
    whole_gateway gateway(options);
    const auto door = open_trickle(gateway.ports.http, "cam", R"({"pipeline":"passthrough"})");
    ASSERT_EQ(door.reply.status, 201);
    // Null packets fill it up.
    std::string null_packet(188, '\xff');
    null_packet.replace(0, 4, "\x47\x1f\xff\x10", 4);
    const auto filled = [&](std::size_t size) {
        auto text = text_of(short_clip().segments[0].whole());
        while (text.size() + 188 <= size)
            text += null_packet;
        return text;
    };
    auto most = filled(256 * 1024);
    most.resize(256 * 1024, '\xff');
    EXPECT_EQ(door.write("publish_url", 0, most).status, 200);
    EXPECT_EQ(door.write("publish_url", 1, most + "\xff").status, 413);
    EXPECT_EQ(door.write("publish_url", 2, filled(0)).status, 200);
    EXPECT_EQ(gateway.streams(), 1u);
}

TEST_F(closed_doors, let_trickle_publishers_in_with_the_key_only) {
    const auto extra = [](const std::string& key) {
        return key.empty() ? std::string() : "Authorization: Bearer " + key + "\r\n";
    };
    const auto port = gateway.ports.http;
    const auto none = open_trickle(port, "cam").reply;
    EXPECT_EQ(none.status, 401);
    EXPECT_THAT(none["www-authenticate"], StartsWith("Bearer"));
    for (const auto& wrong : {watch_key, other_key})
        EXPECT_EQ(open_trickle(port, "cam", {}, extra(wrong)).reply.status, 403);
    EXPECT_EQ(gateway.streams(), 0u);
    EXPECT_EQ(open_trickle(port, "cam", {}, extra(publish_key)).reply.status, 201);
    EXPECT_EQ(
        ask(port, request_text("POST", base + "/cam/trickle?key=" + publish_key)).status, 201
    );
    // The channels need no key; everybody else's do.
    const auto door = open_trickle(port, "cam", {}, extra(publish_key));
    auto events = reading(door, "events_url");
    auto output = reading(door, "subscribe_url");
    EXPECT_EQ(door.write("publish_url", 0, text_of(short_clip().segments[0].whole())).status, 200);
    EXPECT_TRUE(eventually([&] { return frames_in("cam") > 0; }));
    EXPECT_EQ(door.get("subscribe_url", "next").status, 200);
    EXPECT_EQ(door.get("publish_url", "0").status, 403);
    EXPECT_EQ(ask(port, request_text("GET", "/ai/trickle/cam-out/next")).status, 401);
    EXPECT_EQ(ask(port, request_text("GET", "/ai/trickle/cam/next")).status, 401);
    EXPECT_EQ(door.remove("publish_url").status, 200);
    EXPECT_TRUE(events.get().ended);
    EXPECT_TRUE(output.get().ended);
    EXPECT_EQ(door.get("subscribe_url", "next").status, 404) << "no key is asked for what is gone";
}

TEST(trickle_door_webhook, decides_over_publishers) {
    fake_webhook webhook;
    webhook.answers([](const asked_of_webhook& asked) {
        fake_webhook::answer yes;
        if (asked.body.find("\"stream\":\"cam\"") == std::string::npos)
            yes.status = 403;
        yes.body = R"({"stream_id":"theirs","pipeline":"passthrough"})";
        return yes;
    });
    auto options = roomy();
    options.auth_webhook_url = webhook.url();
    whole_gateway gateway(options);
    const auto refused = open_trickle(gateway.ports.http, "other");
    EXPECT_EQ(refused.reply.status, 401) << refused.reply.body;
    const auto door = open_trickle(gateway.ports.http, "cam", R"({"stream_id":"mine"})");
    ASSERT_EQ(door.reply.status, 201) << door.reply.body;
    EXPECT_EQ(door.body.at("stream_id").as_string(), "theirs");
    EXPECT_THAT(webhook.asked().front().body, HasSubstr(R"("type":"trickle")"));
    EXPECT_EQ(door.remove("publish_url").status, 200);
    EXPECT_EQ(door.remove("publish_url").status, 400) << "gone";
}

} // namespace
} // namespace rivulet::test
