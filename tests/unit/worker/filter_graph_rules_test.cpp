#include "worker/filter_graph_rules.hpp"

#include <gtest/gtest.h>

#include <string>

namespace rivulet::worker {
namespace {

std::string refusal(std::string_view text) {
    auto parsed = parse_filter_graph(text);
    return parsed ? std::string() : parsed.error().detail;
}

} // namespace

struct graph_case {
    const char* name;
    const char* text;
};

class allowed_graph : public testing::TestWithParam<graph_case> {};

class refused_graph : public testing::TestWithParam<graph_case> {};

TEST_P(allowed_graph, passes) {
    EXPECT_EQ(refusal(GetParam().text), "");
}

TEST_P(refused_graph, does_not_pass) {
    EXPECT_NE(refusal(GetParam().text), "");
}

INSTANTIATE_TEST_SUITE_P(
    filter_graph_rules,
    allowed_graph,
    testing::Values(
        graph_case{"empty", ""},
        graph_case{"blank", " \n"},
        graph_case{"one", "negate"},
        graph_case{"chain", "negate,hflip"},
        graph_case{"spaces", " negate , hflip "},
        graph_case{"arguments", "eq=brightness=0.1:saturation=2"},
        graph_case{"quoted_expression", "geq=lum='if(gt(X,10),255-lum(X,Y),0)':cb=128:cr=128"},
        graph_case{"escaped_comma", "geq=lum=if(gt(X\\,10)\\,255\\,0)"},
        graph_case{"labels", "[in]split=2[a][b];[a]hflip[c];[b][c]hstack"},
        graph_case{"scale_by_position", "scale=640:-2"},
        graph_case{"text", "drawtext=text='Rivulet %{pts}':x=10:y=10:fontsize=24"},
        graph_case{"time_in_a_text", "drawtext=text='%{localtime} %{pts\\:hms} %{n}'"},
        graph_case{"a_text_as_it_stands", "drawtext=text='50 %':expansion=none"},
        graph_case{"rotate", "rotate=a='PI/6*t':c=black"},
        graph_case{"a_loops_name_inside_a_word", "drawtext=text='Footprints, meanwhile'"},
        graph_case{"a_loops_name_at_a_word", "drawtext=text=meanwhile we root for you"},
        graph_case{"blur_by_position", "boxblur=10:2"},
        graph_case{"blur_at_its_limit", "boxblur=luma_radius=min(w\\,h)/20:lp=8:chroma_power=-1"},
        graph_case{"text_at_its_limits", "drawtext=text=x:fontsize=512:borderw=64:tabsize=64"},
        graph_case{"small_formats", "format=yuv420p|rgb24,format=pix_fmts=gray"}
    ),
    [](const auto& info) { return info.param.name; }
);

INSTANTIATE_TEST_SUITE_P(
    filter_graph_rules,
    refused_graph,
    testing::Values(
        graph_case{"unknown", "no_such_filter"},
        graph_case{"movie", "movie=/etc/passwd"},
        graph_case{"movie_in_a_chain", "negate,movie=/etc/passwd"},
        graph_case{"amovie", "amovie=x"},
        graph_case{"subtitles", "subtitles=/etc/passwd"},
        graph_case{"ass", "ass=/tmp/a.ass"},
        graph_case{"lut3d", "lut3d=file=/tmp/x.cube"},
        graph_case{"lut1d", "lut1d=/tmp/x.cube"},
        graph_case{"sendcmd", "sendcmd=f=/tmp/x"},
        graph_case{"zmq", "zmq"},
        graph_case{"frei0r", "frei0r=x"},
        graph_case{"metadata", "metadata=print:file=/tmp/x"},
        graph_case{"psnr", "psnr=stats_file=/tmp/x"},
        graph_case{"source", "testsrc"},
        graph_case{"reverse", "reverse"},
        graph_case{"loop", "loop=-1:100"},
        graph_case{"escaped_name", "mo\\vie=/etc/passwd"},
        graph_case{"quoted_name", "'movie'=/etc/passwd"},
        graph_case{"instance_name", "movie@x=/etc/passwd"},
        graph_case{"sws_flags", "sws_flags=bilinear;negate"},
        graph_case{"textfile", "drawtext=textfile=/etc/passwd"},
        graph_case{"fontfile", "drawtext=text=x:fontfile=/etc/passwd"},
        graph_case{"fontfile_by_position", "drawtext=/etc/passwd"},
        graph_case{"font_pattern", "drawtext=text=x:font=Sans"},
        graph_case{"hidden_textfile", "drawtext=text=x:te\\xtfile=/etc/passwd"},
        graph_case{"quoted_textfile", "drawtext=text=x:'textfile=/etc/passwd'"},
        graph_case{"psfile", "curves=psfile=/tmp/x"},
        graph_case{"plot", "curves=master='0/0 1/1':plot=/tmp/x"},
        graph_case{"selectivecolor_psfile", "selectivecolor=psfile=/tmp/x"},
        graph_case{"endless_expression", "geq=lum='while(1,1)'"},
        graph_case{"hidden_endless_expression", "geq=lum='wh''ile (1,1)'"},
        graph_case{"escaped_endless_expression", "geq=lum=wh\\\\ile(1\\,1)"},
        graph_case{"nested_roots", "geq=lum='root(root(ld(0),1),1)'"},
        graph_case{"a_loop_with_a_character_behind_its_name", "crop='while.(1,1)'"},
        graph_case{"a_loop_with_text_behind_its_name", "crop='while.x(1,1)'"},
        graph_case{"a_loop_with_a_backslash_behind_its_name", "crop=w='while\\\\x(1,1)'"},
        graph_case{"a_loop_with_a_quote_behind_its_name", "crop=w=while\\\\\\'x(1\\,1)"},
        graph_case{"a_loop_after_an_operator", "crop='1+while=(1,1)'"},
        graph_case{"a_loop_in_a_text", "drawtext=text='%{e\\:while.(1,1)}'"},
        graph_case{"a_million_digits", "drawtext=text='%{eif\\:1\\:d\\:999999999}'"},
        graph_case{"a_million_digits_in_quotes", "drawtext=text=%{\\'e\\'if\\\\:1\\\\:d\\\\:9999}"},
        graph_case{"digits_by_the_long_name", "drawtext=text='%{ expr_int_format\\:1\\:d\\:9}'"},
        graph_case{"a_million_digits_of_a_year", "drawtext=text='%{localtime\\:%99999999Y}'"},
        graph_case{"a_million_digits_of_a_time", "drawtext=text='%{pts\\:gmtime\\:0\\:%9999999Y}'"},
        graph_case{"a_text_as_a_time", "drawtext=text='%99999999Y':expansion=strftime"},
        graph_case{"a_text_as_a_time_by_number", "drawtext=text='%99999999Y':expansion=1+1"},
        graph_case{"a_series", "geq=lum='taylor.(1,1)'"},
        graph_case{"a_search", "geq=lum='root-(ld(0),1)'"},
        graph_case{"an_output", "geq=lum='print.(1)'"},
        graph_case{"blur_power", "boxblur=2:2147483647"},
        graph_case{"blur_power_by_name", "boxblur=lp=9"},
        graph_case{"blur_power_of_colour", "boxblur=2:2:2:100000"},
        graph_case{"blur_power_expression", "boxblur=lp=8*8"},
        graph_case{"quoted_blur_power", "boxblur=l\\p=9"},
        graph_case{"no_number_as_blur_power", "boxblur=lp=nan"},
        graph_case{"colour_noise", "chromanr=30:100:100"},
        graph_case{"wide_edges", "greyedge=sigma=1024"},
        graph_case{"huge_letters", "drawtext=text=x:fontsize=513"},
        graph_case{"letters_by_expression", "drawtext=text=x:fontsize=h*100"},
        graph_case{"huge_border", "drawtext=text=x:borderw=2147483647"},
        graph_case{"huge_box", "drawtext=text=x:box=1:boxborderw=65"},
        graph_case{"huge_tab", "drawtext=text=x:tabsize=2147483647"},
        graph_case{"wide_pixels", "format=gbrapf32le"},
        graph_case{"wide_pixels_in_a_list", "format=yuv420p|gray16le"},
        graph_case{"many_outputs", "split=2147483647"},
        graph_case{"outputs_by_name", "split=outputs=100"},
        graph_case{"outputs_by_expression", "split=2*500"},
        graph_case{"outputs_by_constant", "split=max"},
        graph_case{"many_frames", "tmix=frames=1000"},
        graph_case{"size_of_every_frame", "scale=w='if(gt(n,9),30000,64)':h=64:eval=frame"},
        graph_case{"eval_by_position", "scale=64:64:bilinear:0:auto"},
        graph_case{"open_quote", "eq=brightness='0.1"},
        graph_case{"missing_filter", "negate,,hflip"},
        graph_case{"trailing_comma", "negate,"},
        graph_case{"two_words", "negate hflip"},
        graph_case{"control_character", "negate\x01"},
        graph_case{"open_label", "[in negate"},
        graph_case{"label_with_quotes", "['in']negate"}
    ),
    [](const auto& info) { return info.param.name; }
);

TEST(filter_graph_rules, names_the_filter_that_it_refuses) {
    EXPECT_NE(refusal("negate,movie=/etc/passwd").find("\"movie\""), std::string::npos);
}

TEST(filter_graph_rules, takes_a_text_at_the_limit_and_refuses_one_past_it) {
    std::string text = "negate";
    text.resize(graph_text_limit, ' ');
    EXPECT_EQ(refusal(text), "");
    text.push_back(' ');
    EXPECT_NE(refusal(text), "");
}

TEST(filter_graph_rules, takes_as_many_filters_as_the_limit_and_not_one_more) {
    std::string text = "null";
    for (std::size_t i = 1; i < graph_filter_limit; ++i)
        text += ",null";
    EXPECT_EQ(refusal(text), "");
    EXPECT_NE(refusal(text + ",null"), "");
}

TEST(filter_graph_rules, a_zero_byte_does_not_hide_the_rest) {
    EXPECT_NE(refusal(std::string_view("negate\0,movie=x", 15)), "");
}

TEST(filter_graph_rules, the_size_probe_keeps_sizes_and_links_and_nothing_else) {
    auto graph = parse_filter_graph(
        "[in]split=2[a][b];[a]gblur=9,scale=iw*2:ih[c];[c][b]blend=all_mode=difference"
    );
    ASSERT_TRUE(graph);
    EXPECT_EQ(graph->size_probe(), "[in]split=2[a][b];[a]null,scale=iw*2:ih[c];[c][b]overlay");
}

} // namespace rivulet::worker
