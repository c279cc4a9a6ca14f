#include "session/orchestrator_info.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::session {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto live = capability::live_video_to_video;

std::string unhex(std::string_view digits) {
    std::string out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
    return out;
}

orchestrator_info full_info() {
    orchestrator_info info;
    info.transcoder = "https://o.example:8935";
    info.address = std::string(20, 'a');
    info.price.emplace();
    info.price->per_unit = 1200;
    info.price->pixels_per_unit = 7;
    info.price->capability = live;
    info.price->constraint = "noop";
    info.tickets.emplace();
    info.tickets->recipient = std::string(20, 'r');
    info.tickets->face_value = "\x01\x02";
    info.tickets->win_prob = std::string(32, '\xff');
    info.tickets->recipient_rand_hash = std::string(32, 'h');
    info.tickets->seed = std::string(32, 's');
    info.tickets->expiration_block = "\x05";
    info.tickets->creation_round = 77;
    info.tickets->creation_round_block_hash = std::string(32, 'b');
    info.token.emplace();
    info.token->token = std::string("\0\xff", 2);
    info.token->session_id = "deadbeef";
    info.token->expiration = 1'900'000'000;
    info.capabilities = wanted_capabilities(live, "noop", "0.1", "0.2");
    info.capabilities->mandatories = to_bits({live});
    auto& model = info.capabilities->models[live]["noop"];
    model.warm = true;
    model.capacity = 3;
    model.capacity_in_use = 2;
    price_info row;
    row.per_unit = 5;
    row.capability = 27;
    row.constraint = "stabilityai/sd-turbo";
    info.capability_prices.push_back(row);
    hardware_info hardware;
    hardware.pipeline = "live-video-to-video";
    hardware.model_id = "noop";
    auto& gpu = hardware.gpus["0"];
    gpu.id = "GPU-1";
    gpu.name = "NVIDIA";
    gpu.major = 8;
    gpu.minor = 9;
    gpu.memory_free = 1;
    gpu.memory_total = 24LL << 30;
    info.hardware.push_back(hardware);
    info.nodes = {"https://n1.example:1", "https://n2.example:2"};
    return info;
}

std::string refusal(const orchestrator_info& info) {
    auto read = parse_orchestrator_info(to_protobuf(info));
    if (read)
        return "accepted";
    EXPECT_EQ(read.error().code, errc::protocol_violation);
    return read.error().detail;
}

TEST(orchestrator_info, reads_back_every_field) {
    const auto sent = full_info();
    const auto wire = to_protobuf(sent);
    auto read = parse_orchestrator_info(wire);
    ASSERT_TRUE(read) << read.error().detail;
    const auto& info = **read;
    EXPECT_EQ(info.raw, wire);
    EXPECT_EQ(to_protobuf(info).size(), wire.size());
    EXPECT_EQ(info.transcoder, sent.transcoder);
    EXPECT_EQ(info.address, sent.address);
    EXPECT_EQ(info.price->per_unit, 1200);
    EXPECT_EQ(info.price->pixels_per_unit, 7);
    EXPECT_EQ(info.price->capability, 35u);
    EXPECT_EQ(info.price->constraint, "noop");
    EXPECT_EQ(info.tickets->recipient, sent.tickets->recipient);
    EXPECT_EQ(info.tickets->face_value, sent.tickets->face_value);
    EXPECT_EQ(info.tickets->win_prob, sent.tickets->win_prob);
    EXPECT_EQ(info.tickets->recipient_rand_hash, sent.tickets->recipient_rand_hash);
    EXPECT_EQ(info.tickets->seed, sent.tickets->seed);
    EXPECT_EQ(info.tickets->expiration_block, sent.tickets->expiration_block);
    EXPECT_EQ(info.tickets->creation_round, 77);
    EXPECT_EQ(info.tickets->creation_round_block_hash, sent.tickets->creation_round_block_hash);
    EXPECT_EQ(info.token->token, sent.token->token);
    EXPECT_EQ(info.token->session_id, "deadbeef");
    EXPECT_EQ(info.token->expiration, 1'900'000'000);
    EXPECT_THAT(info.capabilities->bits, ElementsAre(0x804005FFFu));
    EXPECT_TRUE(has_bit(info.capabilities->mandatories, live));
    EXPECT_EQ(info.capabilities->capacities.size(), 16u);
    EXPECT_EQ(info.capabilities->min_version, "0.1");
    const auto* model = info.capabilities->find(live, "noop");
    ASSERT_TRUE(model);
    EXPECT_TRUE(model->warm);
    EXPECT_EQ(model->capacity, 3u);
    EXPECT_EQ(model->capacity_in_use, 2u);
    EXPECT_EQ(model->runner_version, "0.2");
    ASSERT_EQ(info.capability_prices.size(), 1u);
    EXPECT_EQ(info.capability_prices[0].constraint, "stabilityai/sd-turbo");
    ASSERT_EQ(info.hardware.size(), 1u);
    EXPECT_EQ(info.hardware[0].gpus.at("0").memory_total, 24LL << 30);
    EXPECT_EQ(info.hardware[0].gpus.at("0").minor, 9u);
    EXPECT_EQ(info.nodes, sent.nodes);
}

TEST(orchestrator_info, an_empty_answer_has_nothing_in_it) {
    auto read = parse_orchestrator_info("");
    ASSERT_TRUE(read);
    EXPECT_EQ((*read)->transcoder, "");
    EXPECT_FALSE((*read)->price || (*read)->tickets || (*read)->token || (*read)->capabilities);
}

// Capabilities without constraints are what crashes others.
TEST(orchestrator_info, capabilities_without_constraints_list_no_model) {
    orchestrator_info info;
    info.capabilities.emplace();
    info.capabilities->bits = to_bits({live});
    auto read = parse_orchestrator_info(to_protobuf(info));
    ASSERT_TRUE(read);
    EXPECT_TRUE((*read)->capabilities->models.empty());
    EXPECT_EQ((*read)->capabilities->find(live, "noop"), nullptr);
}

TEST(orchestrator_info, rubbish_is_no_message) {
    for (const std::string_view rubbish : {"<html>", "\xff\xff\xff\xff\xff", "\x0a\x7f"}) {
        auto read = parse_orchestrator_info(rubbish);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, errc::protocol_violation);
        EXPECT_THAT(read.error().detail, HasSubstr("no OrchestratorInfo"));
    }
}

TEST(orchestrator_info, the_final_slash_of_the_transcoder_is_dropped) {
    auto info = full_info();
    info.transcoder = "https://o.example:8935/a//";
    auto read = parse_orchestrator_info(to_protobuf(info));
    ASSERT_TRUE(read);
    EXPECT_EQ((*read)->transcoder, "https://o.example:8935/a");
}

TEST(orchestrator_info, the_transcoder_has_one_spelling) {
    auto info = full_info();
    info.transcoder = "HTTPS://O.Example:8935/Path";
    auto read = parse_orchestrator_info(to_protobuf(info));
    ASSERT_TRUE(read);
    EXPECT_EQ((*read)->transcoder, "https://o.example:8935/Path");
}

TEST(orchestrator_info, a_transcoder_that_takes_no_requests_is_refused) {
    for (const auto* address :
         {"o.example:8935",
          "ftp://o.example",
          "file:///etc/passwd",
          "https://",
          "https://user:secret@o.example",
          "https://o.example:99999",
          "https://o.example?x=1",
          "https://o.example/#x",
          "https://o.example\r\nX-Evil: 1",
          "/relative"}) {
        auto info = full_info();
        info.transcoder = address;
        EXPECT_THAT(refusal(info), HasSubstr("transcoder")) << address;
    }
}

TEST(orchestrator_info, a_price_without_a_unit_is_refused_and_an_empty_one_is_none) {
    auto info = full_info();
    info.price->pixels_per_unit = 0;
    EXPECT_THAT(refusal(info), HasSubstr("has no pixelsPerUnit"));
    info.price->pixels_per_unit = -1;
    EXPECT_THAT(refusal(info), HasSubstr("has no pixelsPerUnit"));
    info.price->pixels_per_unit = 1;
    info.price->per_unit = -1;
    EXPECT_THAT(refusal(info), HasSubstr("below 0"));
    info.price->pixels_per_unit = 0;
    info.price->per_unit = 0;
    auto read = parse_orchestrator_info(to_protobuf(info));
    ASSERT_TRUE(read);
    EXPECT_FALSE((*read)->price);
}

TEST(orchestrator_info, senseless_price_rows_and_nodes_are_left_out) {
    auto info = full_info();
    info.capability_prices.resize(3);
    info.capability_prices[1].pixels_per_unit = 0;
    info.capability_prices[2].per_unit = -5;
    info.nodes = {"https://ok:1/", "http://plain:1", "nonsense", "https://also:2"};
    auto read = parse_orchestrator_info(to_protobuf(info));
    ASSERT_TRUE(read);
    EXPECT_EQ((*read)->capability_prices.size(), 1u);
    EXPECT_THAT((*read)->nodes, ElementsAre("https://ok:1", "https://also:2"));
}

TEST(orchestrator_info, addresses_have_20_bytes_or_none) {
    auto info = full_info();
    info.address.clear();
    EXPECT_EQ(refusal(info), "accepted");
    info.address = std::string(21, 'a');
    EXPECT_THAT(refusal(info), HasSubstr("address is not 20 bytes"));
    info = full_info();
    info.tickets->recipient = "short";
    EXPECT_THAT(refusal(info), HasSubstr("ticket_params.recipient"));
}

TEST(orchestrator_info, integers_have_at_most_32_bytes) {
    auto info = full_info();
    info.tickets->face_value = std::string(33, '\x01');
    EXPECT_THAT(refusal(info), HasSubstr("face_value is longer than 32 bytes"));
}

TEST(orchestrator_info, texts_are_bounded_and_have_no_line_breaks) {
    auto info = full_info();
    info.capabilities->version = std::string(1024, 'v');
    EXPECT_EQ(refusal(info), "accepted");
    info.capabilities->version += 'v';
    EXPECT_THAT(refusal(info), HasSubstr("capabilities.version is too long"));
    info = full_info();
    info.capabilities->models[live]["a\nb"] = {};
    EXPECT_THAT(refusal(info), HasSubstr("a model's name contains a control character"));
    info = full_info();
    info.token->session_id = "a\r\nb";
    EXPECT_THAT(refusal(info), HasSubstr("auth_token.session_id"));
}

TEST(orchestrator_info, rows_are_bounded) {
    auto info = full_info();
    for (int i = 0; i < 4100; ++i)
        info.capabilities->models[live]["m" + std::to_string(i)] = {};
    EXPECT_THAT(refusal(info), HasSubstr("PerCapability has more than 4096"));
    info = full_info();
    info.capability_prices.resize(4097);
    EXPECT_THAT(refusal(info), HasSubstr("capabilities_prices has more than 4096"));
    info = full_info();
    info.hardware.resize(4097);
    EXPECT_THAT(refusal(info), HasSubstr("hardware has more than 4096"));
    info = full_info();
    info.capabilities->bits.resize(65, 1);
    EXPECT_THAT(refusal(info), HasSubstr("bitstring has more than 64"));
    info = full_info();
    info.nodes.assign(100, "https://n:1");
    auto read = parse_orchestrator_info(to_protobuf(info));
    ASSERT_TRUE(read);
    EXPECT_EQ((*read)->nodes.size(), 64u);
}

TEST(orchestrator_info, a_mebibyte_is_the_most) {
    auto read = parse_orchestrator_info(std::string(max_info_bytes + 1, '\0'));
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().detail, HasSubstr("longer than"));
}

TEST(orchestrator_info, a_token_from_before_1970_is_over) {
    auto info = full_info();
    info.token->expiration = std::numeric_limits<std::int64_t>::min();
    auto read = parse_orchestrator_info(to_protobuf(info));
    ASSERT_TRUE(read);
    EXPECT_EQ((*read)->token->expiration, 0);
}

TEST(orchestrators_conformance, s1_off_chain_nobody_signs) {
    const auto wire = info_request({}, wanted_capabilities(live, "noop"), false);
    auto read = parse_info_request(wire);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->caller.address, std::string(20, '\0'));
    EXPECT_EQ(read->caller.signature, "");
    EXPECT_EQ(wire.substr(0, 22), unhex("0a14") + std::string(20, '\0'));
}

// The network's smallest request for a live model, byte for byte except the version: what ours says
// is the same and more (capacities).
TEST(orchestrator_info, understands_the_smallest_request_of_the_network) {
    auto read = parse_info_request(
        unhex("0a1400000000000000000000000000000000000000001a270a06ffbf81a080011a0408231001"
              "2205302e392e312a10120e0823120a0a080a046e6f6f701200")
    );
    ASSERT_TRUE(read);
    ASSERT_TRUE(read->capabilities);
    EXPECT_FALSE(read->ignore_capacity);
    EXPECT_EQ(read->capabilities->version, "0.9.1");
    const auto ours = wanted_capabilities(live, "noop");
    EXPECT_EQ(read->capabilities->bits, ours.bits);
    EXPECT_EQ(read->capabilities->capacities.at(live), ours.capacities.at(live));
    ASSERT_TRUE(read->capabilities->find(live, "noop"));
    EXPECT_FALSE(read->capabilities->find(live, "noop")->warm);
    EXPECT_EQ(read->capabilities->models.size(), 1u);
}

TEST(orchestrator_info, a_question_carries_identity_and_wish) {
    caller_identity caller;
    caller.address = std::string(20, 'x');
    caller.signature = std::string(65, 's');
    auto read = parse_info_request(info_request(caller, {}, true));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->caller.address, caller.address);
    EXPECT_EQ(read->caller.signature, caller.signature);
    EXPECT_TRUE(read->ignore_capacity);
    EXPECT_FALSE(read->capabilities);
    caller.address = "short";
    EXPECT_FALSE(parse_info_request(info_request(caller, {}, true)));
    EXPECT_FALSE(parse_info_request("\xff\xff"));
}

TEST(orchestrator_info, a_capability_table_is_a_message_of_its_own) {
    EXPECT_THAT(to_protobuf(wanted_capabilities(live, "noop")), HasSubstr("noop"));
    EXPECT_EQ(to_protobuf(capability_table()), "");
}

} // namespace
} // namespace rivulet::session
