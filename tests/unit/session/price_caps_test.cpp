#include "session/price_caps.hpp"
#include "support/scratch.hpp"

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>

namespace rivulet::session {
namespace {

constexpr auto t2i = capability::text_to_image;

std::string rows(const std::string& inside) {
    return R"({"capabilities_prices":[)" + inside + "]}";
}

std::string row(const std::string& rest) {
    return R"({"pipeline":"text-to-image","model_id":"m",)" + rest + "}";
}

std::string
why_not(std::string_view per_unit, std::string_view pixels, const std::string& per_capability) {
    const auto caps = price_caps::parse(per_unit, pixels, per_capability);
    return caps ? std::string() : caps.error().detail;
}

std::string cap_text(const price_caps& caps, const std::string& model = "m") {
    const auto cap = caps.cap_of(t2i, model);
    return cap ? to_string(*cap) : "none";
}

TEST(price_caps, a_price_for_each_unit_is_an_exact_fraction_of_wei) {
    const std::pair<const char*, const char*> good[] = {
        {"1000", "1000 wei per unit"},
        {"0.5", "1/2 wei per unit"},
        {"3wei", "3 wei per unit"},
        {"0.000000001ETH", "1000000000 wei per unit"},
        {"1 eth", "1000000000000000000 wei per unit"},
        {"007", "7 wei per unit"},
    };
    for (const auto& [text, says] : good) {
        const auto caps = price_caps::parse(text, "1", "");
        ASSERT_TRUE(caps) << text << ": " << caps.error().detail;
        EXPECT_EQ(cap_text(**caps), says) << text;
    }
    const auto by_pixels = price_caps::parse("10", "4", "");
    ASSERT_TRUE(by_pixels);
    EXPECT_EQ(cap_text(**by_pixels), "5/2 wei per unit");
}

TEST(price_caps, zero_is_no_global_cap) {
    for (const auto* text : {"0", "0.0", ""}) {
        const auto caps = price_caps::parse(text, "1", "");
        ASSERT_TRUE(caps) << text;
        EXPECT_EQ(cap_text(**caps), "none");
    }
}

TEST(price_caps, what_is_no_price_is_an_error_that_quotes_it) {
    for (const auto* text :
         {"-1",
          "1e3",
          "1e-9",
          ".5",
          "5.",
          "abc",
          "1 2",
          "3usd",
          "1[",
          "0x10",
          "99999999999999999999eth",
          "0.00000000000000000000000000001",
          "1111111111111111111111111111111111111111111111111111111"})
        EXPECT_THAT(why_not(text, "1", ""), testing::HasSubstr("-maxPricePerUnit")) << text;
    for (const auto* pixels : {"0", "-1", "1.5", "x", "99999999999999999999"})
        EXPECT_NE(why_not("1", pixels, ""), "") << pixels;
}

TEST(orchestrators_conformance, s28_exact_model_then_default_then_global_and_equal_is_allowed) {
    const auto caps = price_caps::parse(
        "100", "1", rows(R"({"pipeline":"text-to-image","model_id":"m","price_per_unit":10},
                {"pipeline":"text-to-image","price_per_unit":30,"pixels_per_unit":2},
                {"pipeline":"llm","model_id":"default","price_per_unit":5})")
    );
    ASSERT_TRUE(caps) << caps.error().detail;
    EXPECT_EQ(cap_text(**caps, "m"), "10 wei per unit");
    EXPECT_EQ(cap_text(**caps, "other"), "15 wei per unit");
    EXPECT_EQ(to_string(*(*caps)->cap_of(capability::llm, "x")), "5 wei per unit");
    EXPECT_EQ(to_string(*(*caps)->cap_of(capability::upscale, "x")), "100 wei per unit");
    EXPECT_EQ((*caps)->refusal(t2i, "m", price{10, 1}), "");
    EXPECT_EQ((*caps)->refusal(t2i, "m", price{20, 2}), "");
    EXPECT_THAT((*caps)->refusal(t2i, "m", price{21, 2}), testing::HasSubstr("21/2"));
    EXPECT_EQ((*caps)->refusal(t2i, "m", std::nullopt), ""); // free
}

TEST(orchestrators_conformance, s29_a_quoted_price_is_read_and_one_that_cannot_be_is_an_error) {
    const std::pair<const char*, const char*> good[] = {
        {R"("price_per_unit":"1000")", "1000 wei per unit"},
        {R"("price_per_unit":1000)", "1000 wei per unit"},
        {R"("price_per_unit":1e3)", "1000 wei per unit"},
        {R"("price_per_unit":"1e3")", "1000 wei per unit"},
        {R"("price_per_unit":0.1)", "1/10 wei per unit"},
        {R"("price_per_unit":1e-9,"currency":"ETH")", "1000000000 wei per unit"},
        {R"("price_per_unit":"3","pixels_per_unit":"6")", "1/2 wei per unit"},
    };
    for (const auto& [text, says] : good) {
        const auto caps = price_caps::parse("", "", rows(row(text)));
        ASSERT_TRUE(caps) << text << ": " << caps.error().detail;
        EXPECT_EQ(cap_text(**caps), says) << text;
    }
    for (const auto* text :
         {R"("price_per_unit":"many")",
          R"("price_per_unit":"")",
          R"("price_per_unit":null)",
          R"("price_per_unit":true)",
          R"("price_per_unit":[1])",
          R"("price_per_unit":-1)",
          R"("price_per_unit":1e300)",
          R"("price_per_unit":0)",
          R"("currency":"wei")",
          R"("price_per_unit":1,"currency":"USD")",
          R"("price_per_unit":1,"currency":7)",
          R"("price_per_unit":1,"pixels_per_unit":-4)",
          R"("price_per_unit":1,"pixels_per_unit":{})"})
        EXPECT_THAT(why_not("", "", rows(row(text))), testing::HasSubstr("-maxPricePerCapability"))
            << text;
}

TEST(price_caps, an_entry_without_a_price_takes_the_global_one_as_it_is) {
    const auto caps = price_caps::parse(
        "7", "2", rows(row(R"("price_per_unit":0,"pixels_per_unit":5,"currency":"eth")"))
    );
    ASSERT_TRUE(caps) << caps.error().detail;
    EXPECT_EQ(cap_text(**caps), "7/2 wei per unit");
}

TEST(price_caps, a_document_that_is_no_list_of_known_pipelines_is_an_error) {
    for (const auto* text :
         {"{",
          "[]",
          "{}",
          R"({"capabilities_prices":{}})",
          R"({"capabilities_prices":[1]})",
          R"({"capabilities_prices":[{"pipeline":"no-such","price_per_unit":1}]})",
          R"({"capabilities_prices":[{"price_per_unit":1}]})",
          "/no/such/file.json"})
        EXPECT_NE(why_not("", "", text), "") << text;
    const auto twice = row(R"("price_per_unit":1)");
    EXPECT_THAT(why_not("", "", rows(twice + "," + twice)), testing::HasSubstr("twice"));
}

TEST(price_caps, the_document_may_stand_in_a_file) {
    const test::scratch folder;
    const auto path = folder / "caps.json";
    std::ofstream(path) << rows(row(R"("price_per_unit":9)"));
    const auto caps = price_caps::parse("", "", path);
    ASSERT_TRUE(caps) << caps.error().detail;
    EXPECT_EQ(cap_text(**caps), "9 wei per unit");
    std::ofstream(path) << std::string((1 << 20) + 1, ' ');
    EXPECT_THAT(why_not("", "", path), testing::HasSubstr("larger"));
}

TEST(price_caps, may_change_while_they_are_read) {
    price_caps caps;
    EXPECT_EQ(cap_text(caps), "none");
    caps.set_global(price{3, 2});
    EXPECT_EQ(cap_text(caps), "3/2 wei per unit");
    caps.set(t2i, "", price{1, 1});
    EXPECT_EQ(cap_text(caps), "1 wei per unit");
    caps.set_global(std::nullopt);
    EXPECT_EQ(
        boost::json::serialize(caps.to_json()),
        R"({"max_price":null,"capabilities":[{"pipeline":"text-to-image","model_id":"default",)"
        R"("max_price":"1"}]})"
    );
}

TEST(price_caps, prices_compare_without_rounding) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    EXPECT_EQ(compare({1, 3}, {2, 6}), 0);
    EXPECT_EQ(compare({most, most - 1}, {most - 1, most - 2}), -1);
    EXPECT_EQ(compare({most, 1}, {most - 1, 1}), 1);
}

TEST(price_caps, what_can_be_no_price_is_dearer_than_any_cap) {
    price_info info;
    for (const auto& [per_unit, pixels] :
         {std::pair<std::int64_t, std::int64_t>(-1, 1),
          {1, 0},
          {1, -1},
          {std::numeric_limits<std::int64_t>::min(), 1}}) {
        info.per_unit = per_unit;
        info.pixels_per_unit = pixels;
        const auto asks = price::of(info);
        ASSERT_TRUE(asks);
        EXPECT_GT(compare(*asks, {1'000'000'000'000, 1}), 0);
    }
    EXPECT_FALSE(price::of(std::nullopt));
}

TEST(price_caps, the_price_for_the_capability_asked_for_counts) {
    orchestrator_info info;
    EXPECT_FALSE(offered_price(info, t2i, "m"));
    price_info one;
    one.per_unit = 5;
    one.capability = t2i;
    one.constraint = "m";
    info.capability_prices.push_back(one);
    EXPECT_EQ(offered_price(info, t2i, "m")->per_unit, 5);
    EXPECT_FALSE(offered_price(info, t2i, "other"));
    // What is charged is price_info, whatever the list says.
    info.price.emplace();
    info.price->per_unit = 100;
    EXPECT_EQ(offered_price(info, t2i, "m")->per_unit, 100);
    EXPECT_EQ(offered_price(info, t2i, "m", asked_for::everything)->per_unit, 5);
    EXPECT_EQ(offered_price(info, t2i, "other", asked_for::everything)->per_unit, 100);
}

} // namespace
} // namespace rivulet::session
