// The server's machine against the client's, in memory, and against what encoders really send.
#include "ingest/rtmp_client_fsm.hpp"
#include "ingest/rtmp_session_fsm.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;
using namespace std::chrono_literals;

namespace {

using raw = std::vector<std::uint8_t>;

const time_point start{};

// A client that sends what the test tells it, command by command.
struct scripted_client {
    rtmp_session_fsm server{{}, start};
    rtmp_chunk_reader reader{{}};
    rtmp_chunk_writer writer;
    time_point now = start;
    std::vector<rtmp_message> replies;

    void send(const raw& data) {
        server.receive(data, now);
        collect();
    }

    void collect() {
        const auto out = server.take_output();
        ASSERT_EQ(reader.receive(out, replies), error_code{});
    }

    void shake_hands() {
        raw c(1 + 2 * rtmp_handshake_size, 0);
        c[0] = 3;
        server.receive(c, now);
        const auto s = server.take_output();
        ASSERT_EQ(s.size(), 1 + 2 * rtmp_handshake_size);
    }

    void
    send_message(rtmp_type type, std::uint32_t stream, const raw& payload, std::uint32_t time = 0) {
        rtmp_message m;
        m.type = type;
        m.stream = stream;
        m.timestamp = time;
        m.payload = bytes::copy_of(payload);
        raw wire;
        writer.append(wire, m);
        send(wire);
    }

    void command(std::uint32_t stream, std::initializer_list<amf_value> values) {
        send_message(rtmp_type::command_amf0, stream, to_amf0(values));
    }

    void connect(const char* app = "live") {
        shake_hands();
        command(0, {"connect", 1, amf_object{{"app", app}, {"flashVer", "FMLE/3.0"}}});
    }

    // The commands among the replies with this name.
    std::vector<std::vector<amf_value>> replies_named(std::string_view name) const {
        std::vector<std::vector<amf_value>> found;
        for (const auto& reply : replies)
            if (reply.type == rtmp_type::command_amf0) {
                auto values = parse_amf0(reply.payload.view()).value();
                if (values[0].text() == name)
                    found.push_back(std::move(values));
            }
        return found;
    }

    std::string last_status() const {
        const auto all = replies_named("onStatus");
        return all.empty() ? "" : std::string(all.back()[3]["code"].text());
    }

    template <class Event>
    std::optional<Event> next() {
        auto event = server.next_event();
        if (!event || !std::holds_alternative<Event>(*event))
            return std::nullopt;
        return std::get<Event>(*event);
    }
};

} // namespace

TEST(rtmp_session_fsm, answers_connect_with_windows_chunk_size_and_result) {
    scripted_client client;
    client.connect();
    ASSERT_GE(client.replies.size(), 4u);
    EXPECT_EQ(client.replies[0].type, rtmp_type::window_ack_size);
    EXPECT_EQ(client.replies[1].type, rtmp_type::peer_bandwidth);
    EXPECT_EQ(client.reader.chunk_size(), rtmp_our_chunk_size);
    const auto results = client.replies_named("_result");
    ASSERT_EQ(results.size(), 1u);
    EXPECT_EQ(results[0][1].number(), 1);
    EXPECT_EQ(results[0][3]["code"].text(), "NetConnection.Connect.Success");
}

// OBS 29 with librtmp: chunk size 4096 before connect, releaseStream and FCPublish answered or not,
// publish on stream 1, metadata, then media, then FCUnpublish and deleteStream.
TEST(rtmp_session_fsm, follows_the_order_of_commands_of_obs) {
    scripted_client client;
    client.shake_hands();
    client.send_message(rtmp_type::set_chunk_size, 0, {0, 0, 0x10, 0});
    client.writer.set_chunk_size(4096);
    client.command(
        0,
        {"connect",
         1,
         amf_object{
             {"app", "live"},
             {"type", "nonprivate"},
             {"flashVer", "FMLE/3.0 (compatible; FMSc/1.0)"},
             {"swfUrl", "rtmp://127.0.0.1/live"},
             {"tcUrl", "rtmp://127.0.0.1/live"}}}
    );
    client.send_message(rtmp_type::window_ack_size, 0, {0, 0x26, 0x25, 0xa0});
    client.command(0, {"releaseStream", 2, amf_null{}, "cam?pipeline=noop"});
    client.command(0, {"FCPublish", 3, amf_null{}, "cam?pipeline=noop"});
    client.command(0, {"createStream", 4, amf_null{}});
    client.command(1, {"publish", 5, amf_null{}, "cam?pipeline=noop", "live"});
    const auto asked = client.next<rtmp_publish_asked>();
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->target.stream, "cam");
    EXPECT_EQ(asked->target.query.at(0).first, "pipeline");
    const auto results = client.replies_named("_result");
    ASSERT_EQ(results.size(), 4u);
    EXPECT_EQ(results[3][1].number(), 4);
    EXPECT_EQ(results[3][3].number(), 1);
    EXPECT_EQ(client.replies_named("onFCPublish").size(), 1u);

    client.server.accept_publish(client.now);
    client.collect();
    EXPECT_EQ(client.last_status(), "NetStream.Publish.Start");

    client.send_message(
        rtmp_type::data_amf0,
        1,
        to_amf0({"@setDataFrame", "onMetaData", amf_object{{"width", 1280}}})
    );
    client.send_message(rtmp_type::audio, 1, {0xaf, 0, 0x12, 0x10});
    client.send_message(rtmp_type::video, 1, {0x17, 0, 0, 0, 0, 1}, 33);
    const auto script = client.next<rtmp_media>();
    ASSERT_TRUE(script);
    EXPECT_EQ(script->type, media::flv_tag_type::script);
    EXPECT_EQ(parse_amf0(script->body.view()).value()[0].text(), "onMetaData");
    EXPECT_EQ(client.next<rtmp_media>()->type, media::flv_tag_type::audio);
    const auto video = client.next<rtmp_media>();
    EXPECT_EQ(video->type, media::flv_tag_type::video);
    EXPECT_EQ(video->timestamp, 33u);

    client.command(0, {"FCUnpublish", 6, amf_null{}, "cam?pipeline=noop"});
    EXPECT_FALSE(client.server.next_event());
    client.command(0, {"deleteStream", 7, amf_null{}, 1});
    EXPECT_EQ(client.next<rtmp_ended>()->how, rtmp_end::by_client);
    EXPECT_EQ(client.last_status(), "NetStream.Unpublish.Success");
}

TEST(rtmp_session_fsm, accepts_commands_and_data_in_the_amf3_wrapper) {
    scripted_client client;
    client.shake_hands();
    auto wrapped = [&](std::uint32_t stream, std::initializer_list<amf_value> values) {
        auto payload = to_amf0(values);
        payload.insert(payload.begin(), 0);
        client.send_message(rtmp_type::command_amf3, stream, payload);
    };
    wrapped(0, {"connect", 1, amf_object{{"app", "live"}, {"objectEncoding", 3}}});
    wrapped(0, {"createStream", 2, amf_null{}});
    wrapped(1, {"publish", 3, amf_null{}, "cam", "live"});
    ASSERT_TRUE(client.next<rtmp_publish_asked>());
    client.server.accept_publish(client.now);
    auto data = to_amf0({"@setDataFrame", "onMetaData", amf_object{}});
    data.insert(data.begin(), 0);
    client.send_message(rtmp_type::data_amf3, 1, data);
    EXPECT_EQ(parse_amf0(client.next<rtmp_media>()->body.view()).value()[0].text(), "onMetaData");
}

TEST(rtmp_session_fsm, answers_getstreamlength_and_ignores_pause) {
    scripted_client client;
    client.connect();
    client.command(0, {"createStream", 2, amf_null{}});
    client.command(0, {"getStreamLength", 3, amf_null{}, "cam"});
    client.command(1, {"play", 4, amf_null{}, "cam", -2000});
    ASSERT_TRUE(client.next<rtmp_play_asked>());
    client.server.begin_play();
    client.collect();
    EXPECT_EQ(client.last_status(), "NetStream.Play.Start");
    client.command(1, {"pause", 5, amf_null{}, true, 0});
    EXPECT_FALSE(client.server.next_event());
    EXPECT_EQ(client.replies_named("_result").back()[3].number(), 0);
    client.command(0, {"deleteStream", 6, amf_null{}, 1});
    EXPECT_EQ(client.next<rtmp_ended>()->how, rtmp_end::by_client);
}

TEST(rtmp_session_fsm, answers_a_ping_with_its_own_number) {
    scripted_client client;
    client.connect();
    client.replies.clear();
    client.send_message(rtmp_type::user_control, 0, {0, 6, 1, 2, 3, 4});
    ASSERT_EQ(client.replies.size(), 1u);
    EXPECT_EQ(client.replies[0].payload.view()[1], 7);
    EXPECT_EQ(client.replies[0].payload.view()[5], 4);
}

TEST(rtmp_session_fsm, acknowledges_within_the_window_that_the_client_set) {
    scripted_client client;
    client.connect();
    client.send_message(rtmp_type::window_ack_size, 0, {0, 0, 0x20, 0});
    client.command(0, {"createStream", 2, amf_null{}});
    client.command(1, {"publish", 3, amf_null{}, "cam", "live"});
    client.server.accept_publish(client.now);
    client.replies.clear();
    for (int i = 0; i < 20; ++i)
        client.send_message(rtmp_type::video, 1, raw(1000, 0x17));
    int acknowledgements = 0;
    for (const auto& reply : client.replies)
        acknowledgements += reply.type == rtmp_type::acknowledgement;
    EXPECT_GE(acknowledgements, 20'000 / 0x2000);
}

TEST(rtmp_session_fsm, splits_an_aggregate_message) {
    scripted_client client;
    client.connect();
    client.command(0, {"createStream", 2, amf_null{}});
    client.command(1, {"publish", 3, amf_null{}, "cam", "live"});
    client.server.accept_publish(client.now);
    client.next<rtmp_publish_asked>();
    const raw aggregate{8, 0, 0, 1, 0, 0, 100, 0, 0, 0, 0, 0xaa, 0, 0, 0, 12,
                        9, 0, 0, 1, 0, 0, 110, 0, 0, 0, 0, 0xbb, 0, 0, 0, 12};
    client.send_message(rtmp_type::aggregate, 1, aggregate, 5000);
    const auto audio = client.next<rtmp_media>(), video = client.next<rtmp_media>();
    ASSERT_TRUE(audio && video);
    EXPECT_EQ(audio->timestamp, 5000u);
    EXPECT_EQ(video->timestamp, 5010u);
    EXPECT_EQ(video->body.view()[0], 0xbb);
}

TEST(rtmp_session_fsm, refuses_a_bad_name_with_a_text) {
    scripted_client client;
    client.connect();
    client.command(0, {"createStream", 2, amf_null{}});
    client.command(1, {"publish", 3, amf_null{}, "../etc/passwd", "live"});
    EXPECT_EQ(client.next<rtmp_ended>()->how, rtmp_end::refused);
    EXPECT_EQ(client.last_status(), "NetStream.Publish.BadName");
}

TEST(rtmp_session_fsm, refuses_a_second_publish_on_one_connection) {
    scripted_client client;
    client.connect();
    client.command(0, {"createStream", 2, amf_null{}});
    client.command(1, {"publish", 3, amf_null{}, "cam", "live"});
    client.server.accept_publish(client.now);
    client.next<rtmp_publish_asked>();
    client.command(1, {"publish", 4, amf_null{}, "other", "live"});
    EXPECT_EQ(client.next<rtmp_ended>()->how, rtmp_end::violation);
}

TEST(rtmp_session_fsm, tells_a_refused_publisher_why_and_ignores_the_rest) {
    scripted_client client;
    client.connect();
    client.command(0, {"createStream", 2, amf_null{}});
    client.command(1, {"publish", 3, amf_null{}, "cam", "live"});
    client.next<rtmp_publish_asked>();
    client.server.refuse("NetStream.Publish.Rejected", "no capacity");
    client.collect();
    const auto status = client.replies_named("onStatus").back();
    EXPECT_EQ(status[3]["level"].text(), "error");
    EXPECT_EQ(status[3]["description"].text(), "no capacity");
    client.send_message(rtmp_type::video, 1, {0x17});
    EXPECT_FALSE(client.server.next_event());
}

TEST(rtmp_session_fsm, ends_without_a_handshake_at_the_deadline_and_not_before) {
    rtmp_session_fsm server({}, start);
    EXPECT_EQ(server.deadline(), start + 10s);
    server.tick(start + 10s - 1ms);
    EXPECT_FALSE(server.next_event());
    server.tick(start + 10s);
    const auto event = server.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(std::get<rtmp_ended>(*event).how, rtmp_end::too_slow);
}

TEST(rtmp_session_fsm, ends_a_silent_publisher_but_never_a_silent_player) {
    scripted_client publisher;
    publisher.connect();
    publisher.command(0, {"createStream", 2, amf_null{}});
    publisher.command(1, {"publish", 3, amf_null{}, "cam", "live"});
    publisher.next<rtmp_publish_asked>();
    publisher.server.accept_publish(start + 5s);
    publisher.now = start + 20s;
    publisher.send_message(rtmp_type::video, 1, {0x17});
    publisher.next<rtmp_media>();
    publisher.server.tick(start + 49s);
    EXPECT_FALSE(publisher.server.next_event());
    publisher.server.tick(start + 50s);
    EXPECT_EQ(publisher.next<rtmp_ended>()->how, rtmp_end::too_slow);

    scripted_client player;
    player.connect();
    player.command(0, {"createStream", 2, amf_null{}});
    player.command(1, {"play", 3, amf_null{}, "cam"});
    player.next<rtmp_play_asked>();
    player.server.begin_play();
    EXPECT_EQ(player.server.deadline(), time_point::max());
}

TEST(rtmp_session_fsm, ends_on_garbage_after_the_handshake) {
    scripted_client client;
    client.shake_hands();
    client.server.receive(raw(4000, 0xff), start);
    EXPECT_EQ(client.next<rtmp_ended>()->how, rtmp_end::violation);
}

TEST(rtmp_session_fsm, ends_on_a_command_before_connect) {
    scripted_client client;
    client.shake_hands();
    client.command(0, {"createStream", 2, amf_null{}});
    EXPECT_EQ(client.next<rtmp_ended>()->how, rtmp_end::violation);
}

TEST(rtmp_session_fsm, ends_on_a_flood_of_commands_whose_answers_nobody_reads) {
    scripted_client client;
    client.connect();
    rtmp_message m;
    m.payload = bytes::copy_of(to_amf0({"getStreamLength", 2, amf_null{}, "x"}));
    raw wire;
    for (int i = 0; i < 10'000; ++i)
        client.writer.append(wire, m);
    client.server.receive(wire, start);
    EXPECT_EQ(client.next<rtmp_ended>()->how, rtmp_end::violation);
    EXPECT_LT(client.server.take_output().size(), 2u << 20);
}

namespace {

raw wire_of(std::uint32_t chunk_stream, std::size_t size, rtmp_type type = rtmp_type::video) {
    rtmp_message m;
    m.type = type;
    m.chunk_stream = chunk_stream;
    m.stream = 1;
    m.payload = bytes::copy_of(raw(size, 0x17));
    raw wire;
    rtmp_chunk_writer().append(wire, m);
    return wire;
}

// 140 bytes are the header and the first chunk.
raw beginning(raw wire, std::size_t size) {
    wire.resize(size);
    return wire;
}

} // namespace

TEST(rtmp_session_fsm, holds_little_for_strangers_and_whole_frames_for_publishers) {
    const auto frame = wire_of(6, 500'000);
    scripted_client stranger;
    stranger.connect();
    stranger.server.receive(frame, start);
    EXPECT_EQ(stranger.next<rtmp_ended>().value().how, rtmp_end::violation);

    scripted_client crowd;
    crowd.connect();
    for (std::uint32_t id = 4; id < 30; ++id)
        crowd.server.receive(beginning(wire_of(id, 300), 140), start);
    EXPECT_TRUE(crowd.next<rtmp_ended>());

    scripted_client publisher;
    publisher.connect();
    publisher.command(0, {"createStream", 2, amf_null{}});
    publisher.command(1, {"publish", 3, amf_null{}, "cam", "live"});
    ASSERT_TRUE(publisher.next<rtmp_publish_asked>());
    publisher.server.accept_publish(start);
    publisher.server.receive(frame, start);
    EXPECT_EQ(publisher.next<rtmp_media>().value().body.size(), 500'000u);
}

TEST(rtmp_session_fsm, a_message_without_an_end_is_awaited_for_a_minute) {
    scripted_client client;
    client.connect();
    client.command(0, {"createStream", 2, amf_null{}});
    client.command(1, {"publish", 3, amf_null{}, "cam", "live"});
    ASSERT_TRUE(client.next<rtmp_publish_asked>());
    client.server.accept_publish(start);
    client.server.receive(beginning(wire_of(6, 1000), 140), start + 1s);
    // Others on another chunk stream do not help it.
    const auto sound = wire_of(4, 100, rtmp_type::audio);
    for (int s = 2; s < 61; ++s) {
        client.server.receive(sound, start + std::chrono::seconds(s));
        EXPECT_TRUE(client.next<rtmp_media>());
    }
    EXPECT_EQ(client.server.deadline(), start + 61s);
    client.server.tick(start + 61s - 1ms);
    EXPECT_FALSE(client.server.next_event());
    client.server.tick(start + 61s);
    EXPECT_EQ(client.next<rtmp_ended>().value().reason, "a message was not finished in time");
}

namespace {

// Runs both machines against each other until neither has anything to say.
void exchange(rtmp_client_fsm& client, rtmp_session_fsm& server) {
    while (client.has_output() || server.has_output()) {
        server.receive(client.take_output(), start);
        client.receive(server.take_output());
    }
}

} // namespace

TEST(rtmp_client_fsm, publishes_to_our_own_server) {
    rtmp_client_fsm client(rtmp_role::publish, parse_rtmp_url("rtmp://h/live/cam?x=y").value());
    rtmp_session_fsm server({}, start);
    client.start();
    exchange(client, server);
    const auto asked = server.next_event();
    ASSERT_TRUE(asked);
    const auto& target = std::get<rtmp_publish_asked>(*asked).target;
    EXPECT_EQ(target.app, "live");
    EXPECT_EQ(target.stream, "cam");
    EXPECT_EQ(target.query.at(0).second, "y");
    server.accept_publish(start);
    exchange(client, server);
    EXPECT_TRUE(std::holds_alternative<rtmp_client_ready>(client.next_event().value()));
    client.finish();
    exchange(client, server);
    EXPECT_TRUE(std::holds_alternative<rtmp_ended>(server.next_event().value()));
}

TEST(rtmp_client_fsm, reports_the_servers_words_when_refused) {
    rtmp_client_fsm client(rtmp_role::publish, parse_rtmp_url("rtmp://h/live/cam").value());
    rtmp_session_fsm server({}, start);
    client.start();
    exchange(client, server);
    server.refuse("NetStream.Publish.BadName", "the name is taken");
    exchange(client, server);
    const auto ended = std::get<rtmp_client_ended>(client.next_event().value());
    EXPECT_FALSE(ended.regular);
    EXPECT_EQ(ended.reason, "NetStream.Publish.BadName: the name is taken");
}

TEST(rtmp_client_fsm, plays_and_ends_regularly_with_the_stream) {
    rtmp_client_fsm client(rtmp_role::play, parse_rtmp_url("rtmp://h/live/cam-out").value());
    rtmp_session_fsm server({}, start);
    client.start();
    exchange(client, server);
    EXPECT_EQ(std::get<rtmp_play_asked>(server.next_event().value()).target.stream, "cam-out");
    server.begin_play();
    exchange(client, server);
    while (auto event = client.next_event())
        EXPECT_FALSE(std::holds_alternative<rtmp_client_ended>(*event));
    rtmp_message m;
    m.type = rtmp_type::video;
    m.stream = server.stream();
    m.chunk_stream = 6;
    m.payload = bytes::copy_of(raw(100'000, 0x17));
    raw wire;
    rtmp_chunk_writer(rtmp_our_chunk_size).append(wire, m);
    client.receive(wire);
    EXPECT_EQ(
        std::get<rtmp_client_media>(client.next_event().value()).message.payload.size(), 100'000u
    );
    server.status("status", "NetStream.Play.UnpublishNotify", "the stream ended");
    exchange(client, server);
    EXPECT_TRUE(std::get<rtmp_client_ended>(client.next_event().value()).regular);
}

TEST(rtmp_client_fsm, shows_no_key_and_nothing_but_text_of_a_hostile_server) {
    rtmp_client_fsm client(
        rtmp_role::publish, parse_rtmp_url("rtmp://h/live/s3cr3t?token=abc%2Fdef").value()
    );
    rtmp_session_fsm server({}, start);
    client.start();
    exchange(client, server);
    server.refuse(
        "NetStream.Publish.Denied",
        "s3cr3t?token=abc%2Fdef s3cr3t abc/def \n\xff" + std::string(10'000, 'x')
    );
    exchange(client, server);
    const auto reason = std::get<rtmp_client_ended>(client.next_event().value()).reason;
    EXPECT_EQ(reason.find("s3cr3t"), std::string::npos) << reason;
    EXPECT_EQ(reason.find("abc"), std::string::npos) << reason;
    EXPECT_EQ(reason.find('\n'), std::string::npos);
    EXPECT_EQ(reason.find('\xff'), std::string::npos);
    EXPECT_LT(reason.size(), 300u);
    EXPECT_NE(reason.find("NetStream.Publish.Denied: … … "), std::string::npos) << reason;
}

TEST(rtmp_client_fsm, ends_with_a_server_that_asks_and_takes_no_reply) {
    rtmp_client_fsm client(rtmp_role::publish, parse_rtmp_url("rtmp://h/live/cam").value());
    rtmp_session_fsm server({}, start);
    client.start();
    exchange(client, server);
    server.accept_publish(start);
    exchange(client, server);
    ASSERT_TRUE(client.next_event());
    rtmp_message ping;
    ping.type = rtmp_type::user_control;
    ping.chunk_stream = 2;
    ping.payload = bytes::copy_of(raw{0, 6, 0, 0, 0, 1});
    raw wire;
    for (int i = 0; i < 1000; ++i)
        rtmp_chunk_writer(rtmp_our_chunk_size).append(wire, ping);
    bool ended = false;
    for (int i = 0; i < 1000 && !ended; ++i) {
        client.receive(wire);
        if (auto event = client.next_event())
            ended = std::holds_alternative<rtmp_client_ended>(*event);
    }
    EXPECT_TRUE(ended);
    EXPECT_LT(client.take_output().size(), 1u << 21);
}
