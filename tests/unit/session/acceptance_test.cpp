#include "session/acceptance.hpp"
#include "session/keccak.hpp"
#include "session/network_json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::session;

namespace {

constexpr auto live = capability::live_video_to_video;

orchestrator_info good() {
    orchestrator_info info;
    info.transcoder = "https://o:8935";
    info.address = std::string(20, '\x11');
    info.token = auth_token{"token", "session", 2'000'000'000};
    info.capabilities = wanted_capabilities(live, "noop");
    info.capabilities->version = "0.9.1";
    return info;
}

std::string why_not(const orchestrator_info& info, bool paid = false, blocklist blocked = {}) {
    return rejection(info, wanted_capabilities(live, "noop"), live, "noop", {blocked, paid});
}

TEST(acceptance, takes_one_that_offers_the_model) {
    EXPECT_EQ(why_not(good()), "");
}

TEST(orchestrators_conformance, s8_one_that_does_not_list_the_model_is_rejected) {
    auto info = good();
    info.capabilities->models[live] = {{"another", {}}};
    EXPECT_NE(why_not(info), "");
    // No entry at all contradicts nothing (3.3), but nothing is offered either.
    info.capabilities->models.clear();
    EXPECT_EQ(incompatibility(wanted_capabilities(live, "noop"), *info.capabilities), "");
    EXPECT_NE(why_not(info).find("does not offer live-video-to-video noop"), std::string::npos);
    info.capabilities.reset();
    EXPECT_NE(why_not(info), "");
}

TEST(orchestrators_conformance, s10_one_without_a_token_is_dropped) {
    auto info = good();
    info.token.reset();
    EXPECT_NE(why_not(info).find("auth token"), std::string::npos);
}

TEST(acceptance, one_without_an_address_for_jobs_is_not_used) {
    auto info = good();
    info.transcoder.clear();
    EXPECT_NE(why_not(info), "");
}

TEST(acceptance, who_wants_money_must_be_payable) {
    auto info = good();
    info.price.emplace();
    info.price->per_unit = 3;
    EXPECT_EQ(why_not(info), "") << "we pay nobody";
    EXPECT_NE(why_not(info, true).find("ticket parameters"), std::string::npos);
    info.tickets.emplace();
    EXPECT_NE(why_not(info, true).find("recipient"), std::string::npos);
    info.tickets->recipient = std::string(20, '\x22');
    info.tickets->recipient_rand_hash = std::string(32, '\x33');
    EXPECT_EQ(why_not(info, true), "");
    info.price->per_unit = -1;
    EXPECT_NE(why_not(info, true).find("price"), std::string::npos);
    info.price.reset();
    EXPECT_NE(why_not(info, true).find("price"), std::string::npos);
    info.price.emplace();
    info.price->per_unit = 3;
    info.address.clear();
    EXPECT_NE(why_not(info, true).find("address"), std::string::npos);
}

TEST(acceptance, who_works_for_nothing_needs_no_tickets) {
    auto info = good();
    EXPECT_EQ(why_not(info, true), "");
    info.price.emplace();
    info.price->per_unit = 0;
    EXPECT_EQ(why_not(info, true), "");
}

TEST(blocklist, knows_addresses_of_any_case_and_with_blanks) {
    const std::string digits = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";
    const auto raw = *parse_address(digits);
    for (const std::string& entry : std::vector<std::string>{
             "0x" + digits,
             " 0xABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD ",
             "0x1111111111111111111111111111111111111111,  " + digits}) {
        const auto list = blocklist::parse({entry});
        ASSERT_TRUE(list) << entry;
        auto info = good();
        info.address = raw;
        EXPECT_NE(why_not(info, false, *list).find("blocked"), std::string::npos) << entry;
    }
}

TEST(blocklist, an_empty_one_blocks_nobody) {
    const auto list = blocklist::parse({"", " , "});
    ASSERT_TRUE(list);
    EXPECT_EQ(list->size(), 0u);
    auto info = good();
    info.address.clear();
    EXPECT_EQ(why_not(info, false, *list), "");
}

TEST(blocklist, an_entry_that_is_no_address_is_refused) {
    const auto list = blocklist::parse({"0x12,0x1111111111111111111111111111111111111111"});
    ASSERT_FALSE(list);
    EXPECT_NE(list.error().detail.find("0x12"), std::string::npos);
}

TEST(orchestrators_conformance, s30_names_of_capabilities_are_keyed_by_text_and_13_has_none) {
    const auto body = network_body({});
    const auto& names = body.at("capabilities_names").get_object();
    EXPECT_EQ(names.at("35").get_string(), "Live video to video");
    EXPECT_EQ(names.at("-2").get_string(), "Invalid");
    EXPECT_EQ(names.at("37").get_string(), "byoc");
    EXPECT_FALSE(names.contains("13"));
    EXPECT_TRUE(body.at("orchestrators").get_array().empty());
}

TEST(network_json, has_the_wires_names_and_leaves_zeros_out) {
    orchestrator_info info;
    info.transcoder = "https://o:8935";
    info.address = *parse_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    info.tickets.emplace();
    info.tickets->recipient = *parse_address("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359");
    info.price.emplace();
    info.price->per_unit = 3;
    info.price->pixels_per_unit = 2;
    info.capabilities.emplace();
    info.capabilities->bits = {0x804005FFFull};
    info.capabilities->version = "0.9.1";
    info.capabilities->capacities[35] = 1;
    model_constraint warm;
    warm.warm = true;
    warm.capacity = 4;
    info.capabilities->models[35]["noop"] = warm;
    price_info price;
    price.per_unit = 7;
    price.capability = 35;
    price.constraint = "noop";
    info.capability_prices.push_back(price);
    hardware_info hardware;
    hardware.pipeline = "live-video-to-video";
    hardware.model_id = "noop";
    hardware.gpus["0"].name = "RTX";
    info.hardware.push_back(hardware);
    EXPECT_EQ(
        boost::json::value(network_entry(info)),
        boost::json::parse(R"({
            "address":"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "local_address":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "orch_uri":"https://o:8935",
            "capabilities":{"bitstring":[34426871807],"capacities":{"35":1},"version":"0.9.1",
              "constraints":{"PerCapability":{"35":{"models":{"noop":{"warm":true,"capacity":4}}}}}},
            "price_info":{"pricePerUnit":3,"pixelsPerUnit":2},
            "capabilities_prices":[{"pricePerUnit":7,"pixelsPerUnit":1,"capability":35,"constraint":"noop"}],
            "hardware":[{"pipeline":"live-video-to-video","model_id":"noop","gpu_info":{"0":{"name":"RTX"}}}]})"
        )
    );
}

TEST(network_json, off_chain_ones_have_no_addresses) {
    orchestrator_info info;
    info.transcoder = "https://o:8935";
    info.address = std::string(20, '\0');
    const auto entry = network_entry(info);
    EXPECT_EQ(entry.at("address").get_string(), "");
    EXPECT_EQ(entry.at("local_address").get_string(), "");
    EXPECT_TRUE(entry.at("price_info").is_null());
    EXPECT_TRUE(entry.at("capabilities").is_null());
}

} // namespace
