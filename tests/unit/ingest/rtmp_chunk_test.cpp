#include "ingest/rtmp_chunk.hpp"

#include <gtest/gtest.h>

#include <numeric>

using namespace rivulet;
using namespace rivulet::ingest;

namespace {

using raw = std::vector<std::uint8_t>;

raw counted(std::size_t size) {
    raw data(size);
    std::iota(data.begin(), data.end(), std::uint8_t{0});
    return data;
}

raw operator+(raw a, const raw& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

rtmp_message
message(rtmp_type type, std::uint32_t time, const raw& payload, std::uint32_t csid = 4) {
    rtmp_message m;
    m.type = type;
    m.chunk_stream = csid;
    m.stream = 1;
    m.timestamp = time;
    m.payload = bytes::copy_of(payload);
    return m;
}

raw payload_of(const rtmp_message& m) {
    return {m.payload.view().begin(), m.payload.view().end()};
}

std::vector<rtmp_message> read_all(rtmp_chunk_reader& reader, const raw& in) {
    std::vector<rtmp_message> out;
    EXPECT_EQ(reader.receive(in, out), error_code{});
    return out;
}

// A full header: csid, time, length, type, stream 1.
raw full(std::uint8_t csid, std::uint32_t time, std::uint32_t length, std::uint8_t type) {
    return {
        csid,
        static_cast<std::uint8_t>(time >> 16),
        static_cast<std::uint8_t>(time >> 8),
        static_cast<std::uint8_t>(time),
        static_cast<std::uint8_t>(length >> 16),
        static_cast<std::uint8_t>(length >> 8),
        static_cast<std::uint8_t>(length),
        type,
        1,
        0,
        0,
        0};
}

} // namespace

TEST(rtmp_chunk, reads_back_what_it_writes_for_all_sizes_and_times) {
    for (std::uint32_t size : {0u, 1u, 127u, 128u, 129u, 256u, 5000u})
        for (std::uint32_t time : {0u, 1u, 0xfffffeu, 0xffffffu, 0x1000000u, 0xffffffffu}) {
            rtmp_chunk_writer writer;
            raw wire;
            writer.append(wire, message(rtmp_type::video, time, counted(size)));
            writer.append(wire, message(rtmp_type::audio, time, counted(size), 5));
            rtmp_chunk_reader reader({});
            const auto got = read_all(reader, wire);
            ASSERT_EQ(got.size(), 2u) << size << " " << time;
            EXPECT_EQ(got[0].timestamp, time);
            EXPECT_EQ(got[0].stream, 1u);
            EXPECT_EQ(payload_of(got[0]), counted(size));
            EXPECT_EQ(got[1].type, rtmp_type::audio);
        }
}

TEST(rtmp_chunk, reads_the_same_from_single_bytes) {
    rtmp_chunk_writer writer;
    raw wire;
    writer.append(wire, message(rtmp_type::video, 0x1234567, counted(300)));
    writer.append(wire, message(rtmp_type::audio, 5, counted(10)));
    rtmp_chunk_reader reader({});
    std::vector<rtmp_message> out;
    for (auto octet : wire)
        ASSERT_EQ(reader.receive({&octet, 1}, out), error_code{});
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(payload_of(out[0]), counted(300));
    EXPECT_EQ(out[0].timestamp, 0x1234567u);
}

TEST(rtmp_chunk, gathers_the_same_bytes_as_it_appends) {
    rtmp_chunk_writer writer(100);
    const auto m = message(rtmp_type::video, 0x2000000, counted(250));
    raw flat, gathered;
    writer.append(flat, m);
    rtmp_gather gather;
    writer.append(gather, m);
    for (auto part : gather.parts())
        gathered.insert(gathered.end(), part.begin(), part.end());
    EXPECT_EQ(gathered, flat);
    EXPECT_EQ(gather.size(), flat.size());
}

TEST(rtmp_chunk, a_type_1_header_adds_its_delta_and_keeps_the_stream) {
    rtmp_chunk_reader reader({});
    const raw wire = full(4, 1000, 1, 8) + raw{7} + raw{0x44, 0, 0, 40, 0, 0, 2, 9, 1, 2};
    const auto got = read_all(reader, wire);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[1].timestamp, 1040u);
    EXPECT_EQ(got[1].type, rtmp_type::video);
    EXPECT_EQ(got[1].stream, 1u);
    EXPECT_EQ(payload_of(got[1]), (raw{1, 2}));
}

TEST(rtmp_chunk, type_2_and_3_headers_repeat_length_and_delta) {
    rtmp_chunk_reader reader({});
    const raw wire =
        full(4, 1000, 1, 8) + raw{1} + raw{0x84, 0, 0, 21, 2} + raw{0xc4, 3} + raw{0xc4, 4};
    const auto got = read_all(reader, wire);
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(got[1].timestamp, 1021u);
    EXPECT_EQ(got[2].timestamp, 1042u);
    EXPECT_EQ(got[3].timestamp, 1063u);
    EXPECT_EQ(payload_of(got[3]), raw{4});
}

TEST(rtmp_chunk, a_type_3_after_a_type_0_adds_the_absolute_time) {
    rtmp_chunk_reader reader({});
    const auto got = read_all(reader, full(4, 10, 1, 8) + raw{1} + raw{0xc4, 2});
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[1].timestamp, 20u);
}

TEST(rtmp_chunk, time_wraps_at_32_bits) {
    rtmp_chunk_reader reader({});
    auto head = full(4, 0xffffff, 1, 8) + raw{0xff, 0xff, 0xff, 0xf0, 1};
    const auto got = read_all(reader, head + raw{0x84, 0, 0, 0x20, 2});
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0].timestamp, 0xfffffff0u);
    EXPECT_EQ(got[1].timestamp, 0x10u);
}

TEST(rtmp_chunk, reads_an_extended_timestamp_on_every_fragment) {
    const auto payload = counted(200);
    const raw extended{1, 2, 3, 4};
    raw wire = full(4, 0xffffff, 200, 9) + extended;
    wire.insert(wire.end(), payload.begin(), payload.begin() + 128);
    wire = wire + raw{0xc4} + extended;
    wire.insert(wire.end(), payload.begin() + 128, payload.end());
    rtmp_chunk_reader reader({});
    const auto got = read_all(reader, wire);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].timestamp, 0x01020304u);
    EXPECT_EQ(payload_of(got[0]), payload);
}

TEST(rtmp_chunk, reads_fragments_of_encoders_that_leave_the_extended_timestamp_out) {
    const auto payload = counted(200);
    raw wire = full(4, 0xffffff, 200, 9) + raw{1, 2, 3, 4};
    wire.insert(wire.end(), payload.begin(), payload.begin() + 128);
    wire = wire + raw{0xc4};
    wire.insert(wire.end(), payload.begin() + 128, payload.end());
    wire = wire + full(5, 1, 1, 8) + raw{9};
    rtmp_chunk_reader reader({});
    const auto got = read_all(reader, wire);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(payload_of(got[0]), payload);
    EXPECT_EQ(payload_of(got[1]), raw{9});
}

TEST(rtmp_chunk, reads_chunk_stream_ids_of_two_and_three_octets) {
    rtmp_chunk_reader reader({});
    const raw rest{0, 0, 1, 0, 0, 1, 8, 1, 0, 0, 0, 42};
    const auto got = read_all(
        reader,
        raw{0x00, 10} + raw(rest.begin(), rest.end() - 1) + raw{42} + raw{0x01, 2, 1} +
            raw(rest.begin(), rest.end() - 1) + raw{43} + raw{0xc0, 10, 44}
    );
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got[0].chunk_stream, 74u);
    EXPECT_EQ(got[1].chunk_stream, 64u + 2 + 256);
    EXPECT_EQ(got[2].chunk_stream, 74u);
}

TEST(rtmp_chunk, puts_interleaved_chunks_of_two_streams_together) {
    const auto video = counted(256);
    raw wire = full(6, 0, 256, 9);
    wire.insert(wire.end(), video.begin(), video.begin() + 128);
    wire = wire + full(4, 0, 2, 8) + raw{1, 2} + raw{0xc6};
    wire.insert(wire.end(), video.begin() + 128, video.end());
    rtmp_chunk_reader reader({});
    const auto got = read_all(reader, wire);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0].type, rtmp_type::audio);
    EXPECT_EQ(payload_of(got[1]), video);
}

TEST(rtmp_chunk, obeys_set_chunk_size_and_does_not_hand_it_on) {
    rtmp_chunk_reader reader({});
    const auto payload = counted(500);
    raw wire = full(2, 0, 4, 1) + raw{0, 0, 0x10, 0} + full(4, 0, 500, 9);
    const auto got = read_all(reader, wire + payload);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(reader.chunk_size(), 4096u);
    EXPECT_EQ(payload_of(got[0]), payload);
}

TEST(rtmp_chunk, refuses_a_chunk_size_of_zero) {
    rtmp_chunk_reader reader({});
    std::vector<rtmp_message> out;
    EXPECT_EQ(
        reader.receive(full(2, 0, 4, 1) + raw{0, 0, 0, 0}, out),
        make_error_code(errc::protocol_violation)
    );
}

TEST(rtmp_chunk, abort_discards_the_unfinished_message) {
    rtmp_chunk_reader reader({});
    raw wire = full(4, 0, 200, 9) + counted(128);
    wire = wire + full(2, 0, 4, 2) + raw{0, 0, 0, 4};
    wire = wire + full(4, 7, 1, 8) + raw{5};
    const auto got = read_all(reader, wire);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].timestamp, 7u);
    EXPECT_EQ(payload_of(got[0]), raw{5});
}

TEST(rtmp_chunk, takes_a_message_at_the_limit_and_refuses_one_byte_more) {
    rtmp_chunk_limits limits;
    limits.message_bytes = 100;
    std::vector<rtmp_message> out;
    rtmp_chunk_reader at(limits);
    EXPECT_EQ(at.receive(full(4, 0, 100, 9) + counted(100), out), error_code{});
    EXPECT_EQ(out.size(), 1u);
    rtmp_chunk_reader past(limits);
    EXPECT_EQ(past.receive(full(4, 0, 101, 9), out), make_error_code(errc::too_large));
}

TEST(rtmp_chunk, bounds_all_unfinished_messages_together) {
    rtmp_chunk_limits limits;
    limits.message_bytes = 1000;
    rtmp_chunk_reader reader(limits);
    std::vector<rtmp_message> out;
    error_code failed;
    for (std::uint8_t csid = 3; csid < 60 && !failed; ++csid)
        failed = reader.receive(full(csid, 0, 1000, 9) + counted(128), out);
    EXPECT_EQ(failed, make_error_code(errc::too_large));
}

TEST(rtmp_chunk, takes_as_many_chunk_streams_as_allowed_and_no_more) {
    rtmp_chunk_limits limits;
    limits.chunk_streams = 4;
    rtmp_chunk_reader reader(limits);
    std::vector<rtmp_message> out;
    for (std::uint8_t csid = 3; csid < 7; ++csid)
        EXPECT_EQ(reader.receive(full(csid, 0, 0, 9), out), error_code{});
    EXPECT_EQ(reader.receive(full(7, 0, 0, 9), out), make_error_code(errc::too_many));
}

TEST(rtmp_chunk, refuses_a_first_header_that_leans_on_an_earlier_one) {
    for (std::uint8_t first : {0x84, 0xc4}) {
        rtmp_chunk_reader reader({});
        std::vector<rtmp_message> out;
        EXPECT_TRUE(reader.receive(raw{first, 0, 0, 1, 0, 0}, out)) << int(first);
    }
}

TEST(rtmp_chunk, bounds_unfinished_messages_by_a_limit_of_their_own_until_it_is_raised) {
    rtmp_chunk_limits limits;
    limits.message_bytes = 100'000;
    limits.unfinished_bytes = 200;
    std::vector<rtmp_message> out;
    rtmp_chunk_reader reader(limits);
    // A long message may be announced; its bytes may not be held.
    EXPECT_EQ(reader.receive(full(4, 0, 90'000, 9) + counted(128) + raw{0xc4}, out), error_code{});
    EXPECT_EQ(reader.receive(counted(72), out), error_code{});
    EXPECT_EQ(reader.unfinished(), 200u);
    limits.unfinished_bytes = 0;
    reader.set_limits(limits);
    EXPECT_EQ(reader.receive(counted(56), out), error_code{});
    limits.unfinished_bytes = 256;
    reader.set_limits(limits);
    EXPECT_EQ(reader.receive(raw{0xc4, 1}, out), make_error_code(errc::too_large));
}

TEST(rtmp_chunk, names_the_oldest_message_whose_end_is_awaited) {
    rtmp_chunk_reader reader({});
    std::vector<rtmp_message> out;
    EXPECT_EQ(reader.oldest_unfinished(), 0u);
    EXPECT_EQ(reader.receive(full(4, 0, 200, 9) + counted(128), out), error_code{});
    const auto first = reader.oldest_unfinished();
    EXPECT_NE(first, 0u);
    EXPECT_EQ(reader.receive(full(5, 0, 200, 8) + counted(128), out), error_code{});
    EXPECT_EQ(reader.oldest_unfinished(), first);
    EXPECT_EQ(reader.receive(raw{0xc4} + counted(72), out), error_code{});
    EXPECT_GT(reader.oldest_unfinished(), first);
    EXPECT_EQ(reader.receive(raw{0xc5} + counted(72), out), error_code{});
    EXPECT_EQ(reader.oldest_unfinished(), 0u);
    EXPECT_EQ(reader.unfinished(), 0u);
    EXPECT_EQ(out.size(), 2u);
}
