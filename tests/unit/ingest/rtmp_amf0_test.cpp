#include "ingest/rtmp_amf0.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;

TEST(rtmp_amf0, reads_back_what_it_writes) {
    const amf_object about{
        {"app", "live"}, {"audioCodecs", 3575.0}, {"fpad", false}, {"nothing", amf_null{}}};
    const auto raw = to_amf0({"connect", 1, about, amf_value{}});
    const auto values = parse_amf0(raw);
    ASSERT_TRUE(values);
    ASSERT_EQ(values->size(), 4u);
    EXPECT_EQ((*values)[0].text(), "connect");
    EXPECT_EQ((*values)[1].number(), 1);
    EXPECT_EQ((*values)[2]["app"].text(), "live");
    EXPECT_EQ((*values)[2]["fpad"], amf_value(false));
    EXPECT_EQ((*values)[2]["missing"], amf_value{});
    EXPECT_EQ((*values)[3], amf_value{});
}

TEST(rtmp_amf0, reads_an_array_whose_count_is_wrong) {
    auto raw = to_amf0({"onMetaData"});
    const std::vector<std::uint8_t> array{8,    0, 0, 0, 99, 0, 1, 'w', 0, 0x40,
                                          0x84, 0, 0, 0, 0,  0, 0, 0,   0, 9};
    raw.insert(raw.end(), array.begin(), array.end());
    const auto values = parse_amf0(raw);
    ASSERT_TRUE(values);
    EXPECT_EQ((*values)[1]["w"].number(), 640);
}

TEST(rtmp_amf0, writes_a_long_text_as_long_string) {
    const std::string text(70'000, 'x');
    const auto raw = to_amf0({text});
    EXPECT_EQ(raw[0], 12);
    EXPECT_EQ(parse_amf0(raw).value()[0].text(), text);
}

TEST(rtmp_amf0, refuses_nesting_beyond_its_limit) {
    std::vector<std::uint8_t> raw;
    for (int i = 0; i < 16; ++i)
        raw.insert(raw.end(), {10, 0, 0, 0, 1});
    raw.push_back(5);
    EXPECT_TRUE(parse_amf0(raw));
    raw.insert(raw.begin(), {10, 0, 0, 0, 1});
    EXPECT_FALSE(parse_amf0(raw));
}

TEST(rtmp_amf0, refuses_more_values_than_its_limit) {
    std::vector<std::uint8_t> raw(4096, 5);
    EXPECT_TRUE(parse_amf0(raw));
    raw.push_back(5);
    EXPECT_FALSE(parse_amf0(raw));
}

TEST(rtmp_amf0, refuses_every_truncation_inside_a_value) {
    const auto raw = to_amf0({amf_object{{"code", "NetStream.Publish.Start"}, {"n", 7}}});
    for (std::size_t n = 1; n < raw.size(); ++n)
        EXPECT_FALSE(parse_amf0(std::span(raw).first(n))) << n;
}

TEST(rtmp_amf0, refuses_a_list_that_claims_more_items_than_bytes) {
    const std::vector<std::uint8_t> raw{10, 0xff, 0xff, 0xff, 0xff, 5};
    EXPECT_FALSE(parse_amf0(raw));
}
