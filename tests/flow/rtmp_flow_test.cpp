// RTMP over loopback with our own client: publish, play, take-over, refusals, limits.
#include "egress/rtmp_push.hpp"
#include "http/tls.hpp"
#include "ingest/rtmp_amf0.hpp"
#include "ingest/rtmp_chunk.hpp"
#include "ingest/rtmp_handshake.hpp"
#include "media/flv_write.hpp"
#include "support/media_samples.hpp"
#include "support/rtmp_client.hpp"
#include "support/rtmp_rig.hpp"

#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <set>
#include <thread>

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;
using media::flv_tag;
using media::flv_tag_type;

namespace {

using tag_list = std::shared_ptr<const std::vector<flv_tag>>;

tag_list sample(const std::string& name) {
    return std::make_shared<const std::vector<flv_tag>>(read_flv(name));
}

template <class Condition>
bool soon(Condition holds, std::chrono::milliseconds limit = 8s) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

std::future<outcome<void>> start(rtmp_rig& rig, awaitable<outcome<void>> work) {
    auto done = std::make_shared<std::promise<outcome<void>>>();
    auto future = done->get_future();
    asio::co_spawn(
        rig.executor(),
        std::move(work),
        [done](std::exception_ptr failed, outcome<void> result) {
            failed ? done->set_exception(failed) : done->set_value(std::move(result));
        }
    );
    return future;
}

std::future<outcome<void>>
publish(rtmp_rig& rig, const std::string& path, tag_list tags, rtmp_publish_options options = {}) {
    return start(rig, rtmp_publish(rig.url(path), std::move(tags), std::move(options)));
}

struct heard {
    std::mutex guard;
    std::vector<flv_tag> tags;

    std::vector<flv_tag> copy() {
        std::lock_guard lock(guard);
        return tags;
    }

    std::size_t count(flv_tag_type type) {
        std::lock_guard lock(guard);
        return static_cast<std::size_t>(std::count_if(tags.begin(), tags.end(), [&](auto& t) {
            return t.type == type;
        }));
    }
};

std::future<outcome<void>>
play(rtmp_rig& rig, const std::string& path, std::shared_ptr<heard> into, duration limit = 15s) {
    std::function<bool(const rtmp_played&)> on_tag = [into](const rtmp_played& played) {
        std::lock_guard lock(into->guard);
        into->tags.push_back(played.tag);
        return true;
    };
    return start(rig, rtmp_play(rig.url(path), std::move(on_tag), limit));
}

outcome<void> finished(std::future<outcome<void>>& f, std::chrono::seconds limit = 20s) {
    if (f.wait_for(limit) != std::future_status::ready)
        return failure(errc::timed_out, "the test's client hangs");
    return f.get();
}

// The frames' payloads by time, sequence headers left out.
std::map<std::int64_t, std::vector<std::uint8_t>>
frames(const std::vector<flv_tag>& tags, flv_tag_type type) {
    std::map<std::int64_t, std::vector<std::uint8_t>> out;
    for (const auto& tag : tags) {
        if (tag.type != type)
            continue;
        const auto body = tag.body.view();
        if (type == flv_tag_type::video) {
            const auto header = media::parse_flv_video(body).value();
            if (header.packet != media::flv_packet::frame)
                continue;
            out[tag.timestamp + header.composition_time] = {
                body.begin() + static_cast<long>(header.header_bytes), body.end()};
        } else {
            const auto header = media::parse_flv_audio(body).value();
            if (header.packet == media::flv_packet::frame)
                out[tag.timestamp] = {
                    body.begin() + static_cast<long>(header.header_bytes), body.end()};
        }
    }
    return out;
}

std::set<std::vector<std::uint8_t>>
slices(const std::map<std::int64_t, std::vector<std::uint8_t>>& of) {
    std::set<std::vector<std::uint8_t>> all;
    for (const auto& [time, payload] : of) {
        media::access_unit unit;
        unit.data = bytes::copy_of(media::h264::to_annexb(payload).value());
        const auto body = media::flv_video_body(unit);
        all.insert({body.view().begin() + 5, body.view().end()});
    }
    return all;
}

} // namespace

TEST(rtmp_flow, a_player_gets_every_frame_that_was_published_after_it_came) {
    rtmp_rig rig;
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam", into); // before the stream exists: it waits
    std::this_thread::sleep_for(50ms);
    const auto tags = sample("av.flv");
    auto publisher = publish(rig, "live/cam?pipeline=noop", tags);
    ASSERT_TRUE(finished(publisher));
    const auto end = finished(player);
    ASSERT_TRUE(end) << end.error().detail;

    const auto sent = frames(*tags, flv_tag_type::video);
    const auto got = frames(into->copy(), flv_tag_type::video);
    EXPECT_EQ(got.size(), sent.size());
    EXPECT_EQ(slices(got), slices(sent));
    // One constant offset between the clocks at most.
    ASSERT_FALSE(got.empty());
    const auto offset = got.begin()->first - sent.begin()->first;
    for (auto a = sent.begin(), b = got.begin(); a != sent.end() && b != got.end(); ++a, ++b)
        EXPECT_NEAR(b->first - a->first, offset, 1);
    const auto audio_sent = frames(*tags, flv_tag_type::audio);
    const auto audio_got = frames(into->copy(), flv_tag_type::audio);
    EXPECT_GE(audio_got.size() + 5, audio_sent.size());
    ASSERT_FALSE(audio_got.empty());
    EXPECT_NEAR(audio_got.rbegin()->first - audio_sent.rbegin()->first, offset, 2);

    const auto seen = rig.publishers();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].request.protocol, "rtmp");
    EXPECT_EQ(seen[0].request.query.at(0).second, "noop");
    EXPECT_TRUE(soon([&] { return rig.publishers()[0].ended; }));
}

TEST(rtmp_flow, carries_b_frames_and_streams_without_audio) {
    for (const auto* name : {"bframes.flv", "video_only.flv"}) {
        rtmp_rig rig;
        auto into = std::make_shared<heard>();
        auto player = play(rig, "live/cam", into);
        const auto tags = sample(name);
        auto publisher = publish(rig, "live/cam", tags);
        ASSERT_TRUE(finished(publisher));
        ASSERT_TRUE(finished(player)) << name;
        const auto sent = frames(*tags, flv_tag_type::video);
        const auto got = frames(into->copy(), flv_tag_type::video);
        EXPECT_EQ(slices(got), slices(sent)) << name;
        std::vector<std::int64_t> a, b;
        for (const auto& [time, payload] : sent)
            a.push_back(time - sent.begin()->first);
        for (const auto& [time, payload] : got)
            b.push_back(time - got.begin()->first);
        ASSERT_EQ(a.size(), b.size()) << name;
        for (std::size_t i = 0; i < a.size(); ++i)
            EXPECT_NEAR(a[i], b[i], 1) << name;
    }
}

TEST(rtmp_flow, a_late_player_begins_at_once_with_a_keyframe) {
    rtmp_rig rig;
    rtmp_publish_options forever;
    forever.loop = true;
    forever.limit = 4s;
    auto publisher = publish(rig, "live/cam", sample("av.flv"), forever);
    std::this_thread::sleep_for(1500ms);
    auto into = std::make_shared<heard>();
    const auto came = steady_clock::now();
    auto player = play(rig, "live/cam", into);
    ASSERT_TRUE(soon([&] { return into->count(flv_tag_type::video) >= 2; }));
    EXPECT_LT(steady_clock::now() - came, 400ms);
    const auto tags = into->copy();
    std::vector<flv_tag> video;
    for (const auto& tag : tags)
        if (tag.type == flv_tag_type::video)
            video.push_back(tag);
    EXPECT_EQ(
        media::parse_flv_video(video[0].body.view())->packet, media::flv_packet::sequence_header
    );
    EXPECT_TRUE(media::parse_flv_video(video[1].body.view())->keyframe);
    ASSERT_TRUE(finished(publisher));
    ASSERT_TRUE(finished(player));
}

TEST(rtmp_flow, the_newer_publisher_of_a_name_takes_over_and_the_older_is_told) {
    rtmp_rig rig;
    rtmp_publish_options forever;
    forever.loop = true;
    forever.limit = 3s;
    auto first = publish(rig, "live/cam", sample("av.flv"), forever);
    ASSERT_TRUE(soon([&] { return rig.publishers().size() == 1; }));
    std::this_thread::sleep_for(300ms);
    auto second = publish(rig, "live/cam", sample("av.flv"), forever);
    const auto end = finished(first, 4s);
    ASSERT_FALSE(end);
    EXPECT_NE(end.error().detail.find("replaced by a newer publisher"), std::string::npos)
        << end.error().detail;
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam", into, 1s);
    EXPECT_TRUE(soon([&] { return into->count(flv_tag_type::video) > 5; }));
    EXPECT_FALSE(rig.publishers()[1].ended);
    ASSERT_TRUE(finished(second));
    finished(player);
}

TEST(rtmp_flow, a_publisher_that_is_cut_gets_the_code_of_the_cause) {
    const std::vector<std::pair<ingest::kick_cause, std::string>> rows{
        {ingest::kick_cause::replaced, "NetStream.Publish.BadName: why"},
        {ingest::kick_cause::stopped, "NetConnection.Connect.Closed: why"},
        {ingest::kick_cause::bad_media, "NetStream.Failed: why"}};
    rtmp_rig rig;
    rtmp_publish_options forever;
    forever.loop = true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto publisher = publish(rig, "live/cam", sample("av.flv"), forever);
        ASSERT_TRUE(soon([&] {
            const auto all = rig.publishers();
            return all.size() == i + 1 && !all.back().units.empty();
        }));
        rig.kick("cam", "why", rows[i].first);
        const auto end = finished(publisher, 4s);
        ASSERT_FALSE(end);
        EXPECT_EQ(end.error().detail, rows[i].second);
        ASSERT_TRUE(soon([&] { return rig.publishers().back().ended; }));
    }
}

TEST(rtmp_flow, takes_h264_and_aac_in_their_enhanced_form) {
    const auto tags = sample("bframes.flv");
    auto modern = *tags;
    for (auto& tag : modern) {
        const auto body = tag.body.view();
        std::vector<std::uint8_t> made;
        std::string fourcc;
        std::size_t skip = 0;
        if (tag.type == flv_tag_type::video) {
            const auto header = media::parse_flv_video(body).value();
            const bool config = header.packet == media::flv_packet::sequence_header;
            made = {static_cast<std::uint8_t>(0x80 | (body[0] & 0x70) | (config ? 0 : 1))};
            fourcc = "avc1";
            skip = config ? 5 : 2; // coded frames keep their composition time
        } else if (tag.type == flv_tag_type::audio) {
            made = {static_cast<std::uint8_t>(0x90 | body[1])};
            fourcc = "mp4a";
            skip = 2;
        } else {
            continue;
        }
        made.insert(made.end(), fourcc.begin(), fourcc.end());
        made.insert(made.end(), body.begin() + static_cast<long>(skip), body.end());
        tag.body = bytes::copy_of(made);
    }
    rtmp_rig rig;
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam", into);
    auto publisher = publish(rig, "live/cam", std::make_shared<const std::vector<flv_tag>>(modern));
    ASSERT_TRUE(finished(publisher));
    ASSERT_TRUE(finished(player));
    EXPECT_EQ(
        slices(frames(into->copy(), flv_tag_type::video)),
        slices(frames(*tags, flv_tag_type::video))
    );
}

TEST(rtmp_flow, a_refusal_reaches_the_client_as_text) {
    rtmp_rig rig;
    auto full = publish(rig, "live/full", sample("av.flv"));
    auto end = finished(full);
    ASSERT_FALSE(end);
    EXPECT_NE(end.error().detail.find("NetStream.Publish.Rejected: no capacity"), std::string::npos)
        << end.error().detail;
    auto bad = publish(rig, "live/%2e%2e", sample("av.flv"));
    end = finished(bad);
    ASSERT_FALSE(end);
    EXPECT_NE(end.error().detail.find("NetStream.Publish.BadName"), std::string::npos);
}

TEST(rtmp_flow, audio_only_and_foreign_codecs_are_refused_by_name) {
    auto options = rtmp_rig::fast_options();
    options.audio_only_limit = 300ms;
    options.no_media_limit = 600ms;
    rtmp_rig rig(options);
    std::vector<flv_tag> audio;
    for (const auto& tag : read_flv("av.flv"))
        if (tag.type == flv_tag_type::audio)
            audio.push_back(tag);
    auto only_audio =
        publish(rig, "live/radio", std::make_shared<const std::vector<flv_tag>>(audio));
    auto end = finished(only_audio);
    ASSERT_FALSE(end);
    EXPECT_NE(end.error().detail.find("audio without video"), std::string::npos)
        << end.error().detail;

    flv_tag hevc;
    hevc.type = flv_tag_type::video;
    hevc.body = bytes::copy_of(std::vector<std::uint8_t>{0x90, 'h', 'v', 'c', '1', 1, 2, 3});
    std::vector<flv_tag> list(200, hevc);
    for (std::size_t i = 0; i < list.size(); ++i)
        list[i].timestamp = static_cast<std::int64_t>(i * 33);
    auto modern = publish(rig, "live/modern", std::make_shared<const std::vector<flv_tag>>(list));
    end = finished(modern);
    ASSERT_FALSE(end);
    EXPECT_NE(end.error().detail.find("HEVC"), std::string::npos) << end.error().detail;

    flv_tag late;
    late.timestamp = 0;
    late.body = bytes::copy_of(std::vector<std::uint8_t>{2, 0, 1, 'x'});
    auto later = late;
    later.timestamp = 5000;
    auto silent = publish(
        rig,
        "live/silent",
        std::make_shared<const std::vector<flv_tag>>(std::vector<flv_tag>{late, later})
    );
    end = finished(silent);
    ASSERT_FALSE(end);
    EXPECT_NE(end.error().detail.find("no media"), std::string::npos) << end.error().detail;
}

TEST(rtmp_flow, a_publisher_that_dies_in_mid_group_ends_its_stream) {
    rtmp_rig rig;
    auto tags = read_flv("av.flv");
    tags.resize(tags.size() / 3);
    rtmp_publish_options rude;
    rude.unpublish = false;
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam", into);
    auto publisher =
        publish(rig, "live/cam", std::make_shared<const std::vector<flv_tag>>(tags), rude);
    ASSERT_TRUE(finished(publisher));
    EXPECT_TRUE(finished(player));
    EXPECT_EQ(
        frames(into->copy(), flv_tag_type::video).size(), frames(tags, flv_tag_type::video).size()
    );
    ASSERT_TRUE(soon([&] { return rig.publishers()[0].ended; }));
    EXPECT_NE(rig.publishers()[0].end_reason.find("without unpublish"), std::string::npos);
}

TEST(rtmp_flow, a_change_of_codec_parameters_reaches_the_player) {
    rtmp_rig rig;
    auto tags = read_flv("av.flv");
    const auto shift = tags.back().timestamp + 40;
    for (auto tag : read_flv("bframes.flv")) {
        tag.timestamp += shift;
        tags.push_back(tag);
    }
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam", into);
    auto publisher = publish(rig, "live/cam", std::make_shared<const std::vector<flv_tag>>(tags));
    ASSERT_TRUE(finished(publisher));
    ASSERT_TRUE(finished(player));
    std::set<std::vector<std::uint8_t>> headers;
    for (const auto& tag : into->copy())
        if (tag.type == flv_tag_type::video &&
            media::parse_flv_video(tag.body.view())->packet == media::flv_packet::sequence_header)
            headers.insert({tag.body.view().begin(), tag.body.view().end()});
    EXPECT_EQ(headers.size(), 2u);
    std::set<std::vector<std::uint8_t>> sps;
    const auto seen = rig.publishers();
    for (const auto& format : seen[0].formats)
        if (format.video)
            sps.insert(format.video->sps);
    EXPECT_EQ(sps.size(), 2u);
}

TEST(rtmp_flow, time_that_wraps_at_32_bits_goes_on_rising) {
    rtmp_rig rig;
    auto tags = read_flv("av.flv");
    for (auto& tag : tags)
        tag.timestamp += (std::int64_t{1} << 32) - 1000;
    auto publisher = publish(rig, "live/cam", std::make_shared<const std::vector<flv_tag>>(tags));
    ASSERT_TRUE(finished(publisher));
    ASSERT_TRUE(soon([&] { return rig.publishers()[0].ended; }));
    std::int64_t last = -1;
    std::size_t video = 0;
    const auto seen = rig.publishers();
    for (const auto& unit : seen[0].units)
        if (unit.kind == media::track_kind::video) {
            EXPECT_GT(unit.dts, last);
            if (last >= 0) {
                EXPECT_LT(unit.dts - last, media::clock_rate);
            }
            last = unit.dts;
            ++video;
        }
    EXPECT_EQ(video, frames(tags, flv_tag_type::video).size());
}

TEST(rtmp_flow, a_player_of_a_name_that_never_appears_is_told) {
    egress::rtmp_play_options impatient;
    impatient.wait_for_stream = 200ms;
    rtmp_rig rig(rtmp_rig::fast_options(), impatient);
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/nobody", into);
    const auto end = finished(player);
    ASSERT_FALSE(end);
    EXPECT_NE(end.error().detail.find("NetStream.Play.StreamNotFound"), std::string::npos);
}

TEST(rtmp_flow, garbage_and_silence_on_the_port_end_and_leave_others_alone) {
    auto options = rtmp_rig::fast_options();
    options.handshake_limit = 400ms;
    rtmp_rig rig(options);
    asio::io_context io;
    const tcp::endpoint where(asio::ip::address_v4::loopback(), rig.port());
    for (const auto& garbage :
         {std::string("GET / HTTP/1.1\r\n\r\n"),
          std::string(5000, '\xff'),
          std::string("\x03") + std::string(1536 * 2, 'x') + std::string(4000, '\xee')}) {
        tcp::socket peer(io);
        peer.connect(where);
        asio::write(peer, asio::buffer(garbage));
        error_code ec;
        std::array<char, 8192> sink;
        while (!ec)
            peer.read_some(asio::buffer(sink), ec);
    }
    tcp::socket silent(io);
    silent.connect(where);
    const auto begun = steady_clock::now();
    error_code ec;
    std::array<char, 16> sink;
    silent.read_some(asio::buffer(sink), ec);
    EXPECT_EQ(ec, asio::error::eof);
    EXPECT_GE(steady_clock::now() - begun, 350ms);
    EXPECT_EQ(rig.server().stats().protocol_errors, 3u);

    auto publisher = publish(rig, "live/cam", sample("video_only.flv"));
    EXPECT_TRUE(finished(publisher));
    EXPECT_TRUE(soon([&] { return rig.server().stats().connections == 0; }));
}

TEST(rtmp_flow, one_address_cannot_take_all_connections) {
    auto options = rtmp_rig::fast_options();
    options.connections_per_address = 3;
    rtmp_rig rig(options);
    asio::io_context io;
    const tcp::endpoint where(asio::ip::address_v4::loopback(), rig.port());
    std::vector<tcp::socket> peers;
    for (int i = 0; i < 4; ++i) {
        peers.emplace_back(io);
        peers.back().connect(where);
        ASSERT_TRUE(soon([&] {
            const auto s = rig.server().stats();
            return s.accepted + s.refused == static_cast<std::uint64_t>(i + 1);
        }));
    }
    EXPECT_EQ(rig.server().stats().connections, 3u);
    error_code ec;
    std::array<char, 16> sink;
    peers.back().read_some(asio::buffer(sink), ec);
    EXPECT_TRUE(ec);
    peers.erase(peers.begin());
    EXPECT_TRUE(soon([&] { return rig.server().stats().connections == 2; }));
    tcp::socket again(io);
    again.connect(where);
    EXPECT_TRUE(soon([&] { return rig.server().stats().connections == 3; }));
}

namespace {

// A player with a small window that reads nothing by itself.
void start_slow_player(tcp::socket& socket, std::uint16_t port, const std::string& name) {
    ingest::rtmp_chunk_writer writer;
    socket.open(tcp::v4());
    socket.set_option(asio::socket_base::receive_buffer_size(4096));
    socket.connect({asio::ip::address_v4::loopback(), port});
    std::vector<std::uint8_t> c(1 + 2 * ingest::rtmp_handshake_size, 0);
    c[0] = 3;
    asio::write(socket, asio::buffer(c));
    std::vector<std::uint8_t> wire;
    auto command = [&](std::uint32_t stream, std::vector<std::uint8_t> values) {
        ingest::rtmp_message m;
        m.stream = stream;
        m.payload = bytes::copy_of(values);
        writer.append(wire, m);
    };
    using ingest::amf_null;
    command(0, ingest::to_amf0({"connect", 1, ingest::amf_object{{"app", "live"}}}));
    command(0, ingest::to_amf0({"createStream", 2, amf_null{}}));
    command(1, ingest::to_amf0({"play", 3, amf_null{}, name}));
    asio::write(socket, asio::buffer(wire));
}

// A unit made big by a data unit that decoders skip.
media::access_unit padded(media::access_unit unit, std::size_t size) {
    std::vector<std::uint8_t> data{0, 0, 0, 1, 6};
    data.resize(5 + size, 0xaa);
    data.insert(data.end(), unit.data.view().begin(), unit.data.view().end());
    unit.data = bytes::copy_of(data);
    return unit;
}

} // namespace

TEST(rtmp_flow, a_player_that_takes_nothing_is_cut_and_slows_nobody) {
    auto options = rtmp_rig::fast_options();
    options.stall_limit = 700ms;
    rtmp_rig rig(options);
    const auto recording = units_of("video_only.flv");
    auto injected = rig.inject("cam-out", recording.format);
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam-out", into);
    asio::io_context io;
    tcp::socket deaf(io);
    start_slow_player(deaf, rig.port(), "cam-out");
    ASSERT_TRUE(soon([&] { return rig.server().stats().players == 2; }));
    const auto begun = steady_clock::now();
    std::size_t written = 0;
    std::int64_t shift = 0;
    while (steady_clock::now() - begun < 3s) {
        for (auto unit : recording.units) {
            unit.dts += shift;
            unit.pts += shift;
            injected->write(padded(unit, unit.keyframe ? 200'000 : 20'000));
            ++written;
            std::this_thread::sleep_for(3ms);
        }
        shift += 10 * media::clock_rate;
    }
    EXPECT_TRUE(soon([&] { return rig.play_stats().cut_slow == 1; }));
    EXPECT_EQ(rig.server().stats().players, 1u);
    EXPECT_TRUE(soon([&] { return frames(into->copy(), flv_tag_type::video).size() + 2 >= written; }
    )) << written;
    injected->close();
    EXPECT_TRUE(finished(player));
}

TEST(rtmp_flow, a_player_on_a_slow_line_that_goes_on_taking_data_is_not_cut) {
    auto options = rtmp_rig::fast_options();
    options.stall_limit = 2s; // long against what a busy machine adds to a pause
    rtmp_rig rig(options);
    const auto recording = units_of("video_only.flv");
    auto injected = rig.inject("cam-out", recording.format);
    asio::io_context io;
    tcp::socket slow(io);
    start_slow_player(slow, rig.port(), "cam-out");
    ASSERT_TRUE(soon([&] { return rig.play_stats().served == 1; }));
    ASSERT_TRUE(recording.units.front().keyframe);
    for (std::size_t i = 0; i < 3; ++i)
        injected->write(padded(recording.units[i], 1'000'000));
    // About half a megabyte per second: the frames take twice the limit.
    std::vector<char> sink(10'000);
    std::size_t taken = 0;
    slow.non_blocking(true);
    const auto until = steady_clock::now() + 40s;
    while (taken < 2'000'000 && steady_clock::now() < until) {
        error_code ec;
        taken += slow.read_some(asio::buffer(sink), ec);
        if (ec && ec != asio::error::would_block)
            break;
        std::this_thread::sleep_for(20ms);
    }
    EXPECT_GE(taken, 2'000'000u);
    EXPECT_EQ(rig.play_stats().cut_slow, 0u);
}

TEST(rtmp_flow, players_of_a_channel_with_opus_hear_aac) {
    rtmp_rig rig;
    auto injected = rig.inject("cam-out", {});
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam-out", into);
    ASSERT_TRUE(soon([&] { return rig.play_stats().served == 1; }));
    std::this_thread::sleep_for(50ms);
    injected->write_segment(bytes::copy_of(read_sample("opus.ts")));
    ASSERT_TRUE(soon([&] { return into->count(flv_tag_type::audio) > 20; }));
    const auto tags = into->copy();
    const auto first = std::find_if(tags.begin(), tags.end(), [](auto& t) {
        return t.type == flv_tag_type::audio;
    });
    const auto header = media::parse_flv_audio(first->body.view()).value();
    EXPECT_EQ(header.type, media::codec::aac);
    EXPECT_EQ(header.packet, media::flv_packet::sequence_header);
    injected->close();
    EXPECT_TRUE(finished(player));
}

TEST(rtmp_flow, a_push_reaches_another_server_and_comes_back_after_its_restart) {
    rtmp_rig rig;
    auto away = std::make_unique<rtmp_rig>();
    const auto port = away->port();
    egress::rtmp_push_options options;
    options.backoff_first = 200ms;
    options.backoff_last = 400ms;
    const auto target = away->url("app/copy?key=secret");
    std::unique_ptr<egress::rtmp_push> push;
    auto& home = rig.all_shards().of("cam");
    auto at_home = [&](std::function<void()> work) {
        std::packaged_task<void()> task(std::move(work));
        auto done = task.get_future();
        asio::post(home, [&task] { task(); });
        done.get();
    };
    at_home([&] {
        push = std::make_unique<egress::rtmp_push>(
            home.get_executor(), target, "cam", rig.feeds().finder(), options, logger("push")
        );
    });
    rtmp_publish_options forever;
    forever.loop = true;
    forever.limit = 5s;
    auto publisher = publish(rig, "live/cam", sample("av.flv"), forever);
    ASSERT_TRUE(soon([&] {
        const auto there = away->publishers();
        return there.size() == 1 && there[0].units.size() > 30;
    }));
    EXPECT_EQ(away->publishers()[0].request.stream, "copy");
    EXPECT_EQ(away->publishers()[0].request.query.at(0).second, "secret");
    egress::rtmp_push_status status;
    at_home([&] { status = push->status(); });
    EXPECT_EQ(status.state, egress::push_state::publishing);
    EXPECT_EQ(status.target.find("secret"), std::string::npos);
    EXPECT_GT(status.video_units, 0u);

    away.reset();
    auto options_again = rtmp_rig::fast_options();
    options_again.port = port;
    away = std::make_unique<rtmp_rig>(options_again);
    EXPECT_TRUE(soon([&] {
        const auto there = away->publishers();
        return !there.empty() && there.back().units.size() > 30;
    }));
    at_home([&] { status = push->status(); });
    EXPECT_GE(status.reconnects, 1u);
    EXPECT_FALSE(status.last_error.empty());
    at_home([&] { push.reset(); });
    finished(publisher);
}

TEST(rtmp_flow, a_push_goes_over_tls_and_checks_the_certificate) {
    rtmp_rig rig;
    auto secure = rtmp_rig::fast_options();
    secure.tls = http::self_signed_tls("127.0.0.1").value();
    rtmp_rig away(secure);
    const auto target = "rtmps://127.0.0.1:" + std::to_string(away.port()) + "/app/copy";
    auto& home = rig.all_shards().of("cam");
    auto at_home = [&](std::function<void()> work) {
        std::packaged_task<void()> task(std::move(work));
        auto done = task.get_future();
        asio::post(home, [&task] { task(); });
        done.get();
    };
    std::unique_ptr<egress::rtmp_push> strict, trusting;
    at_home([&] {
        egress::rtmp_push_options options;
        options.tls = http::client_tls(http::tls_verify::full).value();
        strict = std::make_unique<egress::rtmp_push>(
            home.get_executor(), target, "cam", rig.feeds().finder(), options, logger("strict")
        );
        options.tls = http::client_tls(http::tls_verify::none).value();
        trusting = std::make_unique<egress::rtmp_push>(
            home.get_executor(), target, "cam", rig.feeds().finder(), options, logger("trusting")
        );
    });
    auto publisher = publish(rig, "live/cam", sample("av.flv"));
    EXPECT_TRUE(soon([&] {
        const auto there = away.publishers();
        return there.size() == 1 && there[0].units.size() > 30;
    }));
    EXPECT_EQ(away.publishers()[0].request.protocol, "rtmps");
    egress::rtmp_push_status status;
    at_home([&] { status = strict->status(); });
    EXPECT_EQ(status.video_units, 0u);
    EXPECT_FALSE(status.last_error.empty());
    EXPECT_TRUE(finished(publisher));
    at_home([&] {
        strict.reset();
        trusting.reset();
    });
}

namespace {

// A push on the home shard of its name.
class pushing {
  public:
    pushing(rtmp_rig& rig, std::string target, std::string name, egress::rtmp_push_options options)
        : home_(rig.all_shards().of(name)) {
        at_home([&] {
            push_ = std::make_unique<egress::rtmp_push>(
                home_.get_executor(), target, name, rig.feeds().finder(), options, logger("push")
            );
        });
    }

    ~pushing() {
        at_home([&] { push_.reset(); });
    }

    egress::rtmp_push_status status() {
        egress::rtmp_push_status now;
        at_home([&] { now = push_->status(); });
        return now;
    }

    std::future<void> finish(duration limit) {
        auto done = std::make_shared<std::promise<void>>();
        auto work = push_->finish(limit);
        asio::co_spawn(home_, std::move(work), [done](std::exception_ptr) { done->set_value(); });
        return done->get_future();
    }

  private:
    void at_home(std::function<void()> work) {
        std::packaged_task<void()> task(std::move(work));
        auto done = task.get_future();
        asio::post(home_, [&task] { task(); });
        done.get();
    }

    asio::io_context& home_;
    std::unique_ptr<egress::rtmp_push> push_;
};

trickle::channel_ptr channel_of(rtmp_rig& rig, const std::string& name) {
    std::promise<trickle::channel_ptr> found;
    asio::post(rig.all_shards().of(name), [&] {
        found.set_value(rig.feeds().find(name)->source());
    });
    return found.get_future().get();
}

} // namespace

TEST(rtmp_flow, a_push_connects_when_it_has_a_keyframe_to_send) {
    rtmp_rig rig, away;
    const auto recording = units_of("video_only.flv");
    auto injected = rig.inject("cam-out", recording.format);
    pushing push(rig, away.url("app/copy"), "cam-out", {});
    std::this_thread::sleep_for(600ms);
    EXPECT_EQ(away.server().stats().accepted, 0u);
    EXPECT_EQ(push.status().state, egress::push_state::waiting_for_feed);
    for (std::size_t i = 0; i < 10; ++i)
        injected->write(recording.units[i]);
    EXPECT_TRUE(soon([&] { return away.server().stats().publishers == 1; }));
    EXPECT_EQ(push.status().reconnects, 0u);
}

TEST(rtmp_flow, a_push_of_one_channel_sends_the_rest_says_goodbye_and_leaves_the_name_to_others) {
    rtmp_rig rig, away;
    const auto recording = units_of("video_only.flv");
    auto injected = rig.inject("cam-out", recording.format);
    egress::rtmp_push_options options;
    options.backoff_first = 50ms;
    options.source = channel_of(rig, "cam-out");
    pushing push(rig, away.url("app/copy"), "cam-out", options);
    injected->write(recording.units[0]);
    ASSERT_TRUE(soon([&] { return push.status().state == egress::push_state::publishing; }));
    for (std::size_t i = 1; i < 20; ++i)
        injected->write(recording.units[i]);
    injected->close();
    auto again = rig.inject("cam-out", recording.format);
    for (std::size_t i = 0; i < 20; ++i)
        again->write(recording.units[i]);
    auto done = push.finish(3s);
    ASSERT_EQ(done.wait_for(2500ms), std::future_status::ready);
    EXPECT_EQ(push.status().state, egress::push_state::ended);
    EXPECT_EQ(push.status().video_units, 20u);
    ASSERT_TRUE(soon([&] { return away.publishers().size() == 1 && away.publishers()[0].ended; }));
    EXPECT_EQ(away.publishers()[0].end_reason.find("without unpublish"), std::string::npos)
        << away.publishers()[0].end_reason;
    std::this_thread::sleep_for(400ms);
    EXPECT_EQ(away.publishers().size(), 1u);
}

TEST(rtmp_flow, a_push_asks_about_the_address_that_it_connects_to) {
    rtmp_rig rig, away;
    const auto recording = units_of("video_only.flv");
    auto injected = rig.inject("cam-out", recording.format);
    egress::rtmp_push_options options;
    options.backoff_first = 50ms;
    options.backoff_last = 50ms;
    options.allowed = [](const asio::ip::address& address) { return !address.is_loopback(); };
    const auto target = "rtmp://localhost:" + std::to_string(away.port()) + "/app/copy";
    pushing push(rig, target, "cam-out", options);
    for (std::size_t i = 0; i < 10; ++i)
        injected->write(recording.units[i]);
    // At every attempt, not only at the first.
    ASSERT_TRUE(soon([&] { return push.status().reconnects >= 3; }));
    EXPECT_NE(push.status().last_error.find("not allowed"), std::string::npos);
    EXPECT_EQ(away.server().stats().accepted, 0u);
}

TEST(rtmp_flow, two_thousand_silent_connections_disturb_no_stream) {
    auto options = rtmp_rig::fast_options();
    options.handshake_limit = 20s;
    rtmp_rig rig(options);
    asio::io_context io;
    const tcp::endpoint where(asio::ip::address_v4::loopback(), rig.port());
    std::vector<tcp::socket> peers;
    // As many as the system lets a test open; each one costs two descriptors here.
    for (int i = 0; i < 2000; ++i) {
        error_code ec;
        peers.emplace_back(io);
        peers.back().connect(where, ec);
        if (ec) {
            peers.erase(
                peers.end() - static_cast<long>(std::min<std::size_t>(peers.size(), 100)),
                peers.end()
            );
            break;
        }
    }
    ASSERT_GT(peers.size(), 300u);
    const auto tags = sample("video_only.flv");
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam", into);
    auto publisher = publish(rig, "live/cam", tags);
    EXPECT_TRUE(finished(publisher));
    EXPECT_TRUE(finished(player));
    EXPECT_EQ(
        frames(into->copy(), flv_tag_type::video).size(), frames(*tags, flv_tag_type::video).size()
    );
    peers.clear();
    EXPECT_TRUE(soon([&] { return rig.server().stats().connections == 0; }));
}

TEST(rtmp_flow, a_stopping_server_tells_its_peers_and_leaves_nothing) {
    rtmp_rig rig;
    rtmp_publish_options forever;
    forever.loop = true;
    auto publisher = publish(rig, "live/cam", sample("av.flv"), forever);
    auto into = std::make_shared<heard>();
    auto player = play(rig, "live/cam", into);
    ASSERT_TRUE(soon([&] { return into->count(flv_tag_type::video) > 3; }));
    rig.server().stop(3s);
    const auto end = finished(publisher);
    ASSERT_FALSE(end);
    EXPECT_NE(end.error().detail.find("stopping"), std::string::npos) << end.error().detail;
    finished(player);
    EXPECT_TRUE(soon([&] { return rig.server().stats().connections == 0; }));
    EXPECT_TRUE(rig.publishers()[0].ended);
}
