#include "batch/model_list.hpp"
#include "session/network_json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

namespace json = boost::json;
using session::orchestrator_info;

orchestrator_info
offering(session::capability_id id, const std::string& model, bool warm, std::uint32_t capacity) {
    orchestrator_info info;
    info.transcoder = "https://o.example:8935";
    session::capability_table table;
    table.bits = session::to_bits({id});
    session::model_constraint constraint;
    constraint.warm = warm;
    constraint.capacity = capacity;
    table.models[static_cast<std::uint32_t>(id)][model] = constraint;
    info.capabilities = table;
    return info;
}

session::price_info
price(std::int64_t wei, std::int64_t pixels, std::uint32_t id = 0, std::string model = {}) {
    session::price_info out;
    out.per_unit = wei;
    out.pixels_per_unit = pixels;
    out.capability = id;
    out.constraint = std::move(model);
    return out;
}

json::object listed(std::vector<orchestrator_info> who) {
    json::array entries;
    for (const auto& one : who)
        entries.push_back(session::network_entry(one));
    return model_list(session::network_body(std::move(entries))).at("pipelines").as_object();
}

json::object
model(const json::object& pipelines, std::string_view pipeline, std::string_view name) {
    return pipelines.at(pipeline).at("models").at(name).as_object();
}

TEST(model_list, counts_who_offers_a_model_warm_and_cold) {
    constexpr auto id = session::capability::text_to_image;
    const auto out = listed(
        {offering(id, "a/b", true, 2),
         offering(id, "a/b", false, 1),
         offering(id, "c/d", false, 0),
         offering(session::capability::upscale, "a/b", true, 1)}
    );
    const auto shared = model(out, "text-to-image", "a/b");
    EXPECT_EQ(shared.at("orchestrators"), 2);
    EXPECT_EQ(shared.at("warm"), 1);
    EXPECT_EQ(shared.at("cold"), 1);
    EXPECT_EQ(shared.at("capacity"), 3);
    EXPECT_TRUE(shared.at("price").is_null());
    EXPECT_EQ(model(out, "text-to-image", "c/d").at("cold"), 1);
    EXPECT_EQ(model(out, "upscale", "a/b").at("orchestrators"), 1);
    EXPECT_TRUE(out.at("llm").at("models").as_object().empty());
    EXPECT_EQ(out.at("llm").at("unit"), "token");
    EXPECT_EQ(out.at("upscale").at("path"), "/upscale");
    EXPECT_EQ(out.at("upscale").at("default_model"), "stabilityai/stable-diffusion-x4-upscaler");
    EXPECT_TRUE(out.contains("live-video-to-video"));
}

TEST(model_list, takes_the_price_that_is_nearest_to_the_model) {
    constexpr auto id = session::capability::text_to_image;
    auto general = offering(id, "a/b", true, 1);
    general.price = price(30, 1);
    auto of_capability = offering(id, "a/b", true, 1);
    of_capability.price = price(1000, 1);
    of_capability.capability_prices = {price(1, 1, 35), price(5, 2, id, "default")};
    auto of_model = offering(id, "a/b", true, 1);
    of_model.price = price(1000, 1);
    of_model.capability_prices = {
        price(900, 1, id), price(7, 1, id, "a/b"), price(800, 1, id, "c")};
    const auto found = model(listed({general, of_capability, of_model}), "text-to-image", "a/b");
    EXPECT_EQ(found.at("price").at("lowest").to_number<double>(), 2.5);
    EXPECT_EQ(found.at("price").at("highest"), 30);
    EXPECT_EQ(found.at("price").at("currency"), "wei");
}

TEST(model_list, survives_anything) {
    for (const std::string_view text :
         {R"({})",
          R"({"orchestrators":5})",
          R"({"orchestrators":[5,null,{}]})",
          R"({"orchestrators":[{"capabilities":{"constraints":{"PerCapability":{"27":5}}}}]})",
          R"({"orchestrators":[{"capabilities":{"constraints":{"PerCapability":{"x":{"models":{}},)"
          R"("27":{"models":{"m":5}}}}},"capabilities_prices":{}}]})"}) {
        const auto out = model_list(json::parse(text).as_object());
        EXPECT_TRUE(out.at("pipelines").at("text-to-image").at("models").as_object().empty())
            << text;
    }
}

} // namespace
} // namespace rivulet::batch
