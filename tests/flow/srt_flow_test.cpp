// SRT over loopback: callers publish, read and are refused.
#include "support/media_samples.hpp"
#include "support/run_on.hpp"
#include "support/srt_caller.hpp"
#include "support/srt_rig.hpp"
#include "support/ts_decode.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <filesystem>
#include <fstream>
#include <malloc.h>
#include <random>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace rivulet;
using namespace rivulet::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* secret = "a long passphrase";

template <class Condition>
bool soon(Condition holds, std::chrono::milliseconds limit = 10s) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

// What the newest publisher of the rig did.
published newest(const srt_rig& rig) {
    auto all = rig.behind.publishers();
    return all.empty() ? published{} : all.back();
}

std::size_t video_units(const published& of) {
    std::size_t n = 0;
    for (const auto& unit : of.units)
        n += unit.kind == media::track_kind::video;
    return n;
}

bool has_published(const srt_rig& rig, std::size_t units) {
    return soon([&] { return video_units(newest(rig)) >= units; });
}

std::size_t open_files() {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        ++n;
    return n;
}

auto with_passphrase() {
    return
        [](ingest::srt_options& options, ingest::srt_callbacks&) { options.passphrase = secret; };
}

// Without what the allocator keeps for later: every thread of libsrt has memory of its own.
std::size_t resident_bytes() {
    ::malloc_trim(0);
    std::ifstream statm("/proc/self/statm");
    std::size_t all = 0, resident = 0;
    statm >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

awaitable<outcome<void>> check_key(std::string key) {
    if (key != "right")
        co_return failure(errc::unauthorized, "the key is not right");
    co_return outcome<void>();
}

auto with_keys() {
    return [](ingest::srt_options&, ingest::srt_callbacks& callbacks) {
        callbacks.check_publish = [](ingest::srt_caller caller) {
            return check_key(caller.target.key);
        };
        callbacks.access = [](ingest::access_request request) { return check_key(request.key); };
    };
}

} // namespace

TEST(srt_flow, publishes_a_stream_that_others_read) {
    srt_rig rig;
    const auto sample = read_sample("aac.ts");
    srt_caller publisher(rig.port, {"publish:cam:pipeline=noop&key=k"});
    ASSERT_TRUE(publisher.connected());
    ASSERT_TRUE(publisher.send_for(sample, 500ms));
    ASSERT_TRUE(has_published(rig, 10));
    const auto first = newest(rig);
    EXPECT_EQ(first.request.protocol, "srt");
    EXPECT_EQ(first.request.stream, "cam");
    EXPECT_EQ(first.request.key, "k");
    EXPECT_EQ(first.request.query.front(), std::pair(std::string("pipeline"), std::string("noop")));
    ASSERT_FALSE(first.formats.empty());
    EXPECT_EQ(first.formats[0].audio->type, media::codec::aac);

    srt_caller reader(rig.port, {"read:cam"});
    ASSERT_TRUE(reader.connected());
    std::thread sending([&] { publisher.send_for(sample, 1s); });
    const auto got = reader.receive(120'000, 3s);
    sending.join();
    EXPECT_EQ(rig.server->readers("cam").size(), 1u);
    EXPECT_TRUE(rig.server->readers("cam-out").empty());
    ASSERT_GE(got.size(), 60'000u);
    EXPECT_EQ(got.size() % 188, 0u);
    const auto seen = decode_ts(got);
    EXPECT_GT(seen.video_frames, 10);
    EXPECT_GT(seen.audio_frames, 10);

    publisher.close();
    EXPECT_TRUE(soon([&] { return newest(rig).ended; }));
    EXPECT_TRUE(reader.closed_within(4s));
    EXPECT_TRUE(soon([&] { return rig.server->stats().connections == 0; }));
}

TEST(srt_flow, takes_messages_that_are_not_whole_packets) {
    srt_rig rig;
    const auto sample = read_sample("aac.ts");
    srt_caller publisher(rig.port, {"#!::r=cam,m=publish"});
    ASSERT_TRUE(publisher.connected());
    for (std::size_t at = 0; at < sample.size(); at += 1000) {
        ASSERT_TRUE(publisher.send(
            std::span(sample).subspan(at, std::min<std::size_t>(1000, sample.size() - at))
        ));
        std::this_thread::sleep_for(1ms);
    }
    EXPECT_TRUE(has_published(rig, 20));
}

TEST(srt_flow, tells_a_caller_during_the_handshake_why_it_is_refused) {
    srt_rig rig(with_keys());
    EXPECT_EQ(srt_caller(rig.port, {"publish:cam"}).refusal(), 2401);
    EXPECT_EQ(srt_caller(rig.port, {"publish:cam:ann:wrong"}).refusal(), 2403);
    EXPECT_EQ(srt_caller(rig.port, {"read:cam"}).refusal(), 2401);
    EXPECT_EQ(srt_caller(rig.port, {"read:cam:ann:right"}).refusal(), 2404);
    EXPECT_EQ(srt_caller(rig.port, {"publish:a b"}).refusal(), 2400);
    EXPECT_EQ(srt_caller(rig.port, {""}).refusal(), 2400);
    EXPECT_EQ(srt_caller(rig.port, {"#!::r=cam,m=bidirectional"}).refusal(), 2405);
    EXPECT_TRUE(rig.behind.publishers().empty());
    EXPECT_EQ(rig.server->stats().refused, 7u);
    srt_caller allowed(rig.port, {"publish:cam:ann:right"});
    EXPECT_TRUE(allowed.connected());
}

TEST(srt_flow, refuses_reading_and_publishing_where_nobody_serves_them) {
    srt_rig rig([](ingest::srt_options&, ingest::srt_callbacks& callbacks) {
        callbacks.publish = nullptr;
        callbacks.find = nullptr;
    });
    EXPECT_EQ(srt_caller(rig.port, {"publish:cam"}).refusal(), 2405);
    EXPECT_EQ(srt_caller(rig.port, {"read:cam"}).refusal(), 2405);
}

TEST(srt_flow, lets_in_only_callers_with_the_passphrase) {
    srt_rig rig(with_passphrase());
    for (int key_bytes : {16, 32}) {
        srt_caller publisher(rig.port, {"publish:cam", secret, key_bytes});
        ASSERT_TRUE(publisher.connected()) << key_bytes;
        ASSERT_TRUE(publisher.send_for(read_sample("aac.ts"), 300ms));
        ASSERT_TRUE(has_published(rig, 5));
    }
    ASSERT_TRUE(soon([&] { return rig.server->stats().connections == 0; }));
    const auto before = rig.behind.publishers().size();
    EXPECT_EQ(srt_caller(rig.port, {"publish:cam", "another passphrase"}).refusal(), 10);
    EXPECT_EQ(srt_caller(rig.port, {"publish:cam"}).refusal(), 11);
    EXPECT_EQ(rig.behind.publishers().size(), before);
    EXPECT_TRUE(soon([&] { return rig.server->stats().connections == 0; }));
}

TEST(srt_flow, refuses_encryption_where_no_passphrase_is_set) {
    srt_rig rig;
    srt_caller publisher(rig.port, {"publish:cam", secret});
    EXPECT_FALSE(publisher.connected());
}

TEST(srt_flow, leaves_a_publisher_alone_when_a_stranger_without_the_passphrase_takes_its_name) {
    srt_rig rig(with_passphrase());
    srt_caller publisher(rig.port, {"publish:cam", secret});
    ASSERT_TRUE(publisher.connected());
    ASSERT_TRUE(publisher.send_for(read_sample("aac.ts"), 300ms));
    ASSERT_TRUE(has_published(rig, 5));
    EXPECT_FALSE(srt_caller(rig.port, {"publish:cam", "another passphrase"}).connected());
    EXPECT_TRUE(publisher.send_for(read_sample("aac.ts"), 200ms));
    EXPECT_FALSE(newest(rig).ended);
    EXPECT_EQ(rig.behind.publishers().size(), 1u);
}

TEST(srt_flow, asks_for_the_passphrase_of_each_stream) {
    srt_rig rig([](ingest::srt_options& options, ingest::srt_callbacks& callbacks) {
        options.passphrase = secret;
        callbacks.passphrase = [](ingest::srt_caller caller
                               ) -> awaitable<std::optional<std::string>> {
            if (caller.target.stream == "own")
                co_return "its own passphrase";
            if (caller.target.stream == "open")
                co_return std::string();
            co_return std::nullopt;
        };
    });
    EXPECT_TRUE(srt_caller(rig.port, {"publish:own", "its own passphrase"}).connected());
    EXPECT_FALSE(srt_caller(rig.port, {"publish:own", secret}).connected());
    EXPECT_TRUE(srt_caller(rig.port, {"publish:open"}).connected());
    EXPECT_TRUE(srt_caller(rig.port, {"publish:other", secret}).connected());
}

TEST(srt_flow, ends_the_connection_after_a_late_refusal_and_tells_the_next_attempt) {
    srt_rig rig([](ingest::srt_options& options, ingest::srt_callbacks& callbacks) {
        options.decision_wait = 20ms;
        callbacks.check_publish = [](ingest::srt_caller) -> awaitable<outcome<void>> {
            co_await sleep_for(300ms);
            co_return failure(errc::unauthorized, "the webhook says no");
        };
    });
    srt_caller first(rig.port, {"publish:cam:ann:wrong"});
    ASSERT_TRUE(first.connected());
    EXPECT_TRUE(first.closed_within(3s));
    EXPECT_EQ(srt_caller(rig.port, {"publish:cam:ann:wrong"}).refusal(), 2403);
    EXPECT_TRUE(rig.behind.publishers().empty());
}

TEST(
    srt_flow, lets_nobody_in_whose_passphrase_was_known_too_late_and_asks_the_next_attempt_for_it
) {
    srt_rig rig([](ingest::srt_options& options, ingest::srt_callbacks& callbacks) {
        options.decision_wait = 20ms;
        callbacks.passphrase = [](ingest::srt_caller) -> awaitable<std::optional<std::string>> {
            co_await sleep_for(300ms);
            co_return "its own passphrase";
        };
    });
    srt_caller open(rig.port, {"publish:cam"});
    ASSERT_TRUE(open.connected());
    EXPECT_TRUE(open.closed_within(3s));
    EXPECT_TRUE(rig.behind.publishers().empty());
    EXPECT_EQ(srt_caller(rig.port, {"publish:cam"}).refusal(), 11);
    srt_caller publisher(rig.port, {"publish:cam", "its own passphrase"});
    ASSERT_TRUE(publisher.connected());
    ASSERT_TRUE(publisher.send_for(read_sample("aac.ts"), 600ms));
    EXPECT_TRUE(has_published(rig, 5));
}

TEST(srt_flow, refuses_a_publisher_that_admission_refuses) {
    srt_rig rig;
    srt_caller first(rig.port, {"publish:full"});
    EXPECT_TRUE(first.closed_within(3s));
    EXPECT_EQ(srt_caller(rig.port, {"publish:full"}).refusal(), 2402);
}

TEST(srt_flow, gives_a_name_to_its_newest_publisher) {
    srt_rig rig;
    srt_caller first(rig.port, {"publish:cam"});
    ASSERT_TRUE(first.send_for(read_sample("aac.ts"), 200ms));
    ASSERT_TRUE(has_published(rig, 1));
    srt_caller second(rig.port, {"publish:cam"});
    ASSERT_TRUE(second.connected());
    EXPECT_TRUE(first.closed_within(3s));
    EXPECT_TRUE(second.send_for(read_sample("aac.ts"), 200ms));
    ASSERT_TRUE(soon([&] { return rig.behind.publishers().size() == 2; }));
    EXPECT_TRUE(has_published(rig, 1));
}

TEST(srt_flow, counts_connections_of_an_address) {
    srt_rig rig([](ingest::srt_options& options, ingest::srt_callbacks&) {
        options.connections_per_address = 2;
    });
    srt_caller first(rig.port, {"publish:a"});
    {
        srt_caller second(rig.port, {"publish:b"});
        ASSERT_TRUE(second.connected());
        EXPECT_EQ(srt_caller(rig.port, {"publish:c"}).refusal(), 2402);
    }
    EXPECT_TRUE(soon([&] { return srt_caller(rig.port, {"publish:c"}).connected(); }));
}

TEST(srt_flow, carries_many_streams_on_one_port) {
    srt_rig rig;
    const auto sample = read_sample("aac.ts");
    std::vector<std::unique_ptr<srt_caller>> publishers, readers;
    for (int i = 0; i < 8; ++i)
        publishers.push_back(std::make_unique<srt_caller>(
            rig.port, srt_wish{"publish:cam" + std::to_string(i), {}, 0}
        ));
    for (std::size_t at = 0; at < sample.size(); at += 1316) {
        for (auto& publisher : publishers)
            ASSERT_TRUE(publisher->send(
                std::span(sample).subspan(at, std::min<std::size_t>(1316, sample.size() - at))
            ));
        std::this_thread::sleep_for(2ms);
    }
    ASSERT_TRUE(soon([&] {
        const auto all = rig.behind.publishers();
        return all.size() == 8 && std::all_of(all.begin(), all.end(), [](const auto& p) {
                   return video_units(p) > 20;
               });
    }));
    for (int i = 0; i < 8; ++i)
        readers.push_back(
            std::make_unique<srt_caller>(rig.port, srt_wish{"read:cam" + std::to_string(i), {}, 0})
        );
    for (auto& reader : readers)
        EXPECT_GT(decode_ts(reader->receive(60'000, 1s)).video_frames, 5);
    EXPECT_EQ(rig.server->sessions().size(), 16u);
}

TEST(srt_flow, transcodes_h265_to_h264) {
    srt_rig rig;
    srt_caller publisher(rig.port, {"publish:cam"});
    ASSERT_TRUE(publisher.connected());
    ASSERT_TRUE(publisher.send_for(read_sample("h265.ts"), 1500ms));
    ASSERT_TRUE(has_published(rig, 5));
    const auto got = newest(rig);
    EXPECT_EQ(got.formats.back().video->type, media::codec::h264);
    const auto sessions = rig.server->sessions();
    ASSERT_EQ(sessions.size(), 1u);
    EXPECT_TRUE(soon([&] { return rig.server->sessions().at(0).transcoding; }));
}

TEST(srt_flow, says_how_the_sessions_are) {
    srt_rig rig(with_passphrase());
    srt_caller publisher(rig.port, {"publish:cam", secret});
    ASSERT_TRUE(publisher.send_for(read_sample("aac.ts"), 1500ms));
    ASSERT_TRUE(soon([&] {
        const auto sessions = rig.server->sessions();
        return !sessions.empty() && sessions[0].packets > 100;
    }));
    const auto session = rig.server->sessions().at(0);
    EXPECT_EQ(session.stream, "cam");
    EXPECT_EQ(session.mode, ingest::srt_mode::publish);
    EXPECT_TRUE(session.encrypted);
    EXPECT_EQ(session.latency_ms, 120);
    EXPECT_GT(session.bytes, 100'000u);
    EXPECT_TRUE(session.remote.starts_with("127.0.0.1:"));
    const auto stats = rig.server->stats();
    EXPECT_EQ(stats.publishers, 1u);
    EXPECT_GE(stats.bytes_in, session.bytes);
    publisher.close();
    EXPECT_TRUE(soon([&] { return rig.server->sessions().empty(); }));
}

TEST(srt_flow, ends_a_publisher_that_sends_nothing_or_no_mpeg_ts) {
    srt_rig rig([](ingest::srt_options& options, ingest::srt_callbacks&) {
        options.idle_limit = 1s;
        options.publisher.no_media_limit = 3s;
    });
    srt_caller silent(rig.port, {"publish:silent"});
    ASSERT_TRUE(silent.connected());
    EXPECT_TRUE(silent.closed_within(4s));
    srt_caller noise(rig.port, {"publish:noise"});
    ASSERT_TRUE(noise.connected());
    const std::vector<std::uint8_t> blanks(1316 * 100, ' ');
    noise.send_for(blanks, 800ms);
    EXPECT_TRUE(noise.closed_within(4s));
    ASSERT_TRUE(soon([&] { return newest(rig).ended; }));
    EXPECT_EQ(newest(rig).end_reason, "this is not MPEG-TS");
}

TEST(srt_flow, survives_garbage_on_its_port) {
    srt_rig rig;
    const int udp = ::socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT_GE(udp, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(rig.port);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    std::mt19937 random(7);
    std::vector<std::uint8_t> datagram(1500);
    for (int i = 0; i < 5000; ++i) {
        for (auto& byte : datagram)
            byte = static_cast<std::uint8_t>(random());
        if (i % 2) { // a handshake's first word
            datagram[0] = 0x80;
            datagram[1] = datagram[2] = datagram[3] = 0;
        }
        const auto size = i % 3 == 0 ? 64 : random() % datagram.size();
        ::sendto(udp, datagram.data(), size, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }
    ::close(udp);
    srt_caller publisher(rig.port, {"publish:cam"});
    ASSERT_TRUE(publisher.connected());
    ASSERT_TRUE(publisher.send_for(read_sample("aac.ts"), 300ms));
    EXPECT_TRUE(has_published(rig, 5));
}

TEST(srt_flow, keeps_nothing_of_two_hundred_callers) {
    srt_rig rig;
    const auto call = [&](int times) {
        for (int i = 0; i < times; ++i) {
            const bool publishes = i % 4 != 0;
            srt_wish wish;
            wish.stream_id = publishes ? "publish:cam" + std::to_string(i % 7) : "read:nowhere";
            srt_caller caller(rig.port, wish);
            EXPECT_EQ(caller.connected(), publishes);
            if (i % 10 == 1)
                caller.send(read_sample("aac.ts"));
        }
        return soon([&] { return rig.server->stats().connections == 0; });
    };
    ASSERT_TRUE(call(40)); // what is made once
    const auto files = open_files();
    const auto memory = resident_bytes();
    ASSERT_TRUE(call(200));
#ifndef __SANITIZE_ADDRESS__ // it keeps what was freed
    EXPECT_TRUE(soon([&] { return resident_bytes() < memory + (8u << 20); }))
        << memory << " became " << resident_bytes();
#else
    static_cast<void>(memory);
#endif
    EXPECT_TRUE(rig.server->sessions().empty());
    EXPECT_EQ(rig.server->stats().publishers, 0u);
    EXPECT_TRUE(soon([&] { return open_files() <= files + 2; }));
}

TEST(srt_flow, stops_with_callers_connected) {
    auto rig = std::make_unique<srt_rig>();
    srt_caller publisher(rig->port, {"publish:cam"});
    ASSERT_TRUE(publisher.send_for(read_sample("aac.ts"), 300ms));
    ASSERT_TRUE(has_published(*rig, 5));
    srt_caller reader(rig->port, {"read:cam"});
    ASSERT_TRUE(soon([&] { return rig->server->stats().readers == 1; }));
    const auto began = steady_clock::now();
    rig->server->stop(2s);
    EXPECT_LT(steady_clock::now() - began, 2s);
    EXPECT_TRUE(newest(*rig).ended);
    EXPECT_TRUE(publisher.closed_within(3s));
    EXPECT_TRUE(reader.closed_within(3s));
    EXPECT_FALSE(srt_caller(rig->port, {"publish:cam"}).connected());
}

TEST(srt_flow, says_what_is_wrong_with_its_options) {
    shards shards{1};
    auto problem = [&](ingest::srt_options options) {
        ingest::srt_server server(shards, std::move(options), {}, logger("srt"));
        auto listening = server.listen();
        return listening ? std::string() : listening.error().detail;
    };
    ingest::srt_options short_phrase;
    short_phrase.passphrase = "short";
    EXPECT_NE(problem(short_phrase).find("10 to 79"), std::string::npos);
    ingest::srt_options nowhere;
    nowhere.host = "192.0.2.1";
    nowhere.port = 0;
    EXPECT_NE(problem(nowhere).find("192.0.2.1:0"), std::string::npos);
}
