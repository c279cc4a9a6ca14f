#include "picture_shape.hpp"

#include <gtest/gtest.h>

#include <string>

namespace rivulet::element {
namespace {

const bool gst_is_ready = [] {
    g_setenv("GST_REGISTRY_DISABLE", "yes", TRUE); // caps need no plugins
    gst_init(nullptr, nullptr);
    return true;
}();

// Input of 30 pictures per second, of another size than downstream's. The rate that is claimed;
// nothing: refused.
std::string claimed(const std::string& rates) {
    auto wanted = media::adopt(
        gst_caps_from_string("video/x-raw,format=I420,width=320,height=180,framerate=30/1")
    );
    auto allowed = media::adopt(
        gst_caps_from_string(("video/x-raw,format=RGB,width=64,height=48" + rates).c_str())
    );
    auto chosen = picture_shape::choose(wanted.get(), allowed.get());
    if (!chosen)
        return "";
    EXPECT_TRUE(gst_caps_is_fixed(chosen.get()));
    const GstStructure* said = gst_caps_get_structure(chosen.get(), 0);
    int n = 0, d = 0, width = 0;
    gst_structure_get_int(said, "width", &width);
    EXPECT_EQ(width, 64);
    gst_structure_get_fraction(said, "framerate", &n, &d);
    return std::to_string(n) + "/" + std::to_string(d);
}

TEST(picture_shape, the_inputs_rate_is_claimed_wherever_it_is_allowed) {
    for (const char* rates :
         {"",
          ",framerate=30/1",
          ",framerate=[0/1,60/1]",
          ",framerate={0/1,10/1,30/1}",
          ",framerate={[0/1,10/1],[25/1,60/1]}"})
        EXPECT_EQ(claimed(rates), "30/1") << rates;
}

TEST(picture_shape, downstream_that_takes_a_variable_rate_takes_every_rate) {
    for (const char* rates :
         {",framerate=0/1",
          ",framerate={0/1,10/1}",
          ",framerate=[0/1,10/1]",
          ",framerate={[0/1,10/1],[50/1,60/1]}"})
        EXPECT_EQ(claimed(rates), "0/1") << rates;
}

TEST(picture_shape, a_rate_that_is_only_rounded_is_claimed) {
    EXPECT_EQ(claimed(",framerate=30000/1001"), "30000/1001");
    EXPECT_EQ(claimed(",framerate={10/1,[5/1,30000/1001]}"), "30000/1001");
}

TEST(picture_shape, a_rate_that_pictures_do_not_have_is_refused) {
    for (const char* rates :
         {",framerate=10/1", ",framerate=[1/1,25/1]", ",framerate={10/1,[50/1,60/1]}"})
        EXPECT_EQ(claimed(rates), "") << rates;
}

} // namespace
} // namespace rivulet::element
