#include "session/contract_abi.hpp"
#include "session/json_rpc.hpp"
#include "session/keccak.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::session;

namespace {

std::string padded(std::string text) {
    text.resize((text.size() + 31) / 32 * 32);
    return text;
}

TEST(contract_abi, an_address_fills_the_end_of_a_word) {
    const std::string address(20, '\x7f');
    EXPECT_EQ(abi_address(address), std::string(12, '\0') + address);
    EXPECT_EQ(abi_read_address(abi_address(address)), address);
    EXPECT_EQ(abi_read_address(std::string(31, '\0')), std::nullopt);
    EXPECT_EQ(abi_read_address(std::string(32, '\x01')), std::nullopt) << "more than an address";
}

TEST(contract_abi, numbers_are_big_endian_and_bounded) {
    EXPECT_EQ(abi_read_uint(abi_uint(0x0102030405060708)), 0x0102030405060708u);
    EXPECT_EQ(abi_uint(1), std::string(31, '\0') + '\x01');
    EXPECT_EQ(abi_read_uint(abi_uint(7) + abi_uint(9), 1), 9u);
    EXPECT_EQ(abi_read_uint(abi_uint(7), 1), std::nullopt);
    EXPECT_EQ(abi_read_uint(std::string(32, '\xff')), std::nullopt);
    EXPECT_EQ(abi_read_bool(abi_uint(1)), true);
    EXPECT_EQ(abi_read_bool(abi_uint(0)), false);
    EXPECT_EQ(abi_read_bool(abi_uint(2)), std::nullopt);
    EXPECT_EQ(abi_read_bool(""), std::nullopt);
}

TEST(contract_abi, reads_a_string_by_its_offset) {
    const std::string url = "https://orchestrator.example:8935/of/more/than/one/word";
    EXPECT_EQ(abi_read_string(abi_uint(32) + abi_uint(url.size()) + padded(url)), url);
    EXPECT_EQ(abi_read_string(abi_uint(32) + abi_uint(0)), std::string());
}

TEST(contract_abi, a_string_out_of_bounds_is_none) {
    const auto text = padded("x");
    EXPECT_EQ(abi_read_string(""), std::nullopt);
    EXPECT_EQ(abi_read_string(abi_uint(32)), std::nullopt);
    EXPECT_EQ(abi_read_string(abi_uint(33) + abi_uint(1) + text), std::nullopt);
    EXPECT_EQ(abi_read_string(abi_uint(~0ull) + abi_uint(1) + text), std::nullopt);
    EXPECT_EQ(abi_read_string(abi_uint(32) + abi_uint(33) + text), std::nullopt);
    EXPECT_EQ(abi_read_string(abi_uint(32) + abi_uint(~0ull) + text), std::nullopt);
    EXPECT_EQ(abi_read_string(abi_uint(32) + abi_uint(5) + padded("hello"), 0, 4), std::nullopt);
}

TEST(json_rpc_reply, gives_the_result_of_its_request) {
    const auto result = parse_json_rpc_reply(R"({"jsonrpc":"2.0","id":7,"result":"0x1"})", 7);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->get_string(), "0x1");
    EXPECT_TRUE(parse_json_rpc_reply(R"({"id":7,"result":null,"error":null})", 7));
}

TEST(json_rpc_reply, the_nodes_own_words_are_kept) {
    const auto refused = parse_json_rpc_reply(
        R"({"id":null,"error":{"code":-32005,"message":"daily request count exceeded"}})", 7
    );
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::http_status);
    EXPECT_EQ(refused.error().detail, "the node refused: daily request count exceeded");
    EXPECT_FALSE(parse_json_rpc_reply(R"({"id":7,"error":5,"result":1})", 7));
    EXPECT_EQ(parse_json_rpc_reply(R"({"error":"no"})", 7).error().detail, "the node refused: no");
}

TEST(json_rpc_reply, only_a_revert_is_the_contracts_answer) {
    const auto code_of = [](const char* error) {
        const auto body = std::string(R"({"id":7,"error":)") + error + "}";
        return parse_json_rpc_reply(body, 7).error().code;
    };
    for (const char* error :
         {R"({"code":3,"message":"execution reverted: none","data":"0x08c379a0"})",
          R"({"code":3})",
          R"({"code":-32000,"message":"execution reverted"})",
          R"({"code":-32603,"message":"VM Exception: Reverted with reason"})"})
        EXPECT_EQ(code_of(error), errc::invalid_argument) << error;
    for (const char* error :
         {R"({"code":-32005,"message":"daily request count exceeded"})",
          R"({"code":429,"message":"Too Many Requests"})",
          R"({"code":-32000,"message":"header not found"})",
          R"({"code":"3"})",
          R"("slow down")",
          "5"})
        EXPECT_EQ(code_of(error), errc::http_status) << error;
}

TEST(json_rpc_reply, what_answers_another_request_is_refused) {
    for (const char* body :
         {"",
          "[]",
          "null",
          R"({"result":1})",
          R"({"id":8,"result":1})",
          R"({"id":"7","result":1})",
          R"({"id":7})",
          R"({"id":7.0,"result":1})"}) {
        const auto result = parse_json_rpc_reply(body, 7);
        ASSERT_FALSE(result) << body;
        EXPECT_EQ(result.error().code, errc::protocol_violation) << body;
    }
}

TEST(json_rpc_reply, reads_quantities) {
    EXPECT_EQ(parse_quantity("0x0"), 0u);
    EXPECT_EQ(parse_quantity("0xa4b1"), 42161u);
    EXPECT_EQ(parse_quantity("0xFFFFFFFFFFFFFFFF"), ~0ull);
    for (const char* text : {"", "0x", "1", "0xg", "0x10000000000000000", "x1", "-0x1"})
        EXPECT_EQ(parse_quantity(text), std::nullopt) << text;
}

TEST(json_rpc, never_repeats_a_url_that_it_can_not_use) {
    const auto node = json_rpc::create("wss://node.example/secret-key");
    ASSERT_FALSE(node);
    EXPECT_EQ(node.error().detail.find("secret"), std::string::npos);
    const auto good = json_rpc::create("https://node.example/v3/secret-key");
    ASSERT_TRUE(good);
    EXPECT_EQ((*good)->endpoint(), "node.example:443");
}

} // namespace
