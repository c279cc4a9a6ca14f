#include "session/capabilities.hpp"
#include "session/orchestrator_info.hpp"
#include "worker/node_offer.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace rivulet::worker {
namespace {

constexpr auto live = session::capability::live_video_to_video;

node_offer example() {
    node_offer made;
    made.url = "https://127.0.0.1:8936";
    made.version = "0.8.0";
    offered_model noop, filter;
    noop.model = "noop";
    noop.capacity = 2;
    noop.in_use = 1;
    filter.model = "avfilter";
    filter.capacity = 0;
    filter.in_use = 3;
    made.models = {noop, filter};
    return made;
}

session::price_info price(std::int64_t per_unit, std::int64_t pixels) {
    session::price_info made;
    made.per_unit = per_unit;
    made.pixels_per_unit = pixels;
    return made;
}

std::string question(const std::string& model, bool ignore_capacity = false) {
    return session::info_request({}, session::wanted_capabilities(live, model), ignore_capacity);
}

session::info_ptr answer(const node_offer& offer, const std::string& request) {
    const auto made = answer_discovery(offer, request, token_mint("secret").make(1'000));
    EXPECT_TRUE(made) << made.error().detail;
    auto read = session::parse_orchestrator_info(made ? *made : std::string());
    EXPECT_TRUE(read) << read.error().detail;
    return read ? *read : nullptr;
}

} // namespace

TEST(node_offer, a_gateway_finds_it_compatible_with_what_it_wants) {
    const auto info = answer(example(), question("noop"));
    ASSERT_TRUE(info && info->capabilities);
    EXPECT_EQ(
        session::incompatibility(session::wanted_capabilities(live, "noop"), *info->capabilities),
        ""
    );
    EXPECT_NE(
        session::incompatibility(session::wanted_capabilities(live, "other"), *info->capabilities),
        ""
    );
    const auto* row = info->capabilities->find(live, "noop");
    ASSERT_TRUE(row);
    EXPECT_EQ(row->capacity, 2u);
    EXPECT_EQ(row->capacity_in_use, 1u);
    EXPECT_TRUE(row->warm);
    EXPECT_EQ(info->capabilities->version, "0.8.0");
}

TEST(node_offer, says_that_it_is_full_unless_told_not_to_look) {
    const auto offer = example();
    const auto token = token_mint("secret").make(1'000);
    const auto refused = answer_discovery(offer, question("avfilter"), token);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail, "Invalid orchestrator request: OrchestratorCapped");
    EXPECT_TRUE(answer_discovery(offer, question("avfilter", true), token));
    EXPECT_TRUE(answer_discovery(offer, "", token)) << "a question about everything";
}

TEST(node_offer, adds_up_the_prices_of_the_models_asked_for) {
    auto offer = example();
    offer.models[0].price = price(1, 2);
    offer.models[1].price = price(1, 3);
    auto both = session::wanted_capabilities(live, "noop");
    both.models[live]["avfilter"] = {};
    const auto info = answer(offer, session::info_request({}, both, true));
    ASSERT_TRUE(info && info->price);
    EXPECT_EQ(info->price->per_unit, 5);
    EXPECT_EQ(info->price->pixels_per_unit, 6);
    EXPECT_TRUE(info->capability_prices.empty());
    EXPECT_FALSE(info->tickets);
}

TEST(node_offer, a_sum_beyond_64_bits_leaves_out_what_does_not_fit) {
    auto offer = example();
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    offer.models[0].price = price(most, 1);
    offer.models[1].price = price(most, 1);
    auto both = session::wanted_capabilities(live, "noop");
    both.models[live]["avfilter"] = {};
    const auto info = answer(offer, session::info_request({}, both, true));
    ASSERT_TRUE(info && info->price);
    EXPECT_EQ(info->price->per_unit, most);
}

TEST(node_offer, a_question_about_everything_gets_every_price_and_the_hardware) {
    auto offer = example();
    offer.base_price = price(9, 1);
    offer.models[1].price = price(7, 2);
    session::hardware_info card;
    card.pipeline = "live-video-to-video";
    card.model_id = "noop";
    card.gpus["0"].name = "Test card";
    offer.hardware = {card};
    offer.nodes = {"https://other.example:8936"};
    const auto info = answer(offer, session::info_request({}, {}, false));
    ASSERT_TRUE(info && info->price);
    EXPECT_EQ(info->price->per_unit, 9);
    ASSERT_EQ(info->capability_prices.size(), 1u);
    EXPECT_EQ(info->capability_prices[0].constraint, "avfilter");
    ASSERT_EQ(info->hardware.size(), 1u);
    EXPECT_EQ(info->hardware[0].gpus.at("0").name, "Test card");
    EXPECT_EQ(info->nodes, offer.nodes);
}

TEST(node_offer, garbage_is_refused) {
    const auto refused =
        answer_discovery(example(), "\xff\xff\xff", token_mint("secret").make(1'000));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::protocol_violation);
}

} // namespace rivulet::worker
