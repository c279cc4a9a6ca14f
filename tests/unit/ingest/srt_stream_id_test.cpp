#include "ingest/srt_stream_id.hpp"

#include <gtest/gtest.h>

using namespace rivulet;
using namespace rivulet::ingest;

namespace {

using parameters = std::vector<std::pair<std::string, std::string>>;

srt_target parsed(std::string_view text) {
    auto target = parse_srt_stream_id(text);
    EXPECT_TRUE(target) << text << ": " << (target ? "" : target.error().detail);
    return target ? *target : srt_target{};
}

error_code refused(std::string_view text) {
    auto target = parse_srt_stream_id(text);
    EXPECT_FALSE(target) << text;
    return target ? error_code{} : target.error().code;
}

} // namespace

TEST(srt_stream_id, reads_the_standard_form) {
    const auto target = parsed("#!::r=cam,m=publish,u=ann,s=secret");
    EXPECT_EQ(target.mode, srt_mode::publish);
    EXPECT_EQ(target.stream, "cam");
    EXPECT_EQ(target.user, "ann");
    EXPECT_EQ(target.key, "secret");
    EXPECT_TRUE(target.query.empty());
}

TEST(srt_stream_id, takes_unknown_keys_of_the_standard_form_as_parameters) {
    const auto target = parsed(
        "#!::h=example.org,r=live/cam?pipeline=noop,t=stream,m=publish,params=%7B%22a%22%3A1%7D"
    );
    EXPECT_EQ(target.stream, "cam");
    EXPECT_EQ(target.query, (parameters{{"params", "{\"a\":1}"}, {"pipeline", "noop"}}));
}

TEST(srt_stream_id, reads_when_the_standard_form_names_no_mode) {
    EXPECT_EQ(parsed("#!::r=cam-out").mode, srt_mode::read);
    EXPECT_EQ(parsed("#!::m=request,r=cam-out").mode, srt_mode::read);
}

TEST(srt_stream_id, reads_the_form_with_colons) {
    const auto bare = parsed("publish:cam");
    EXPECT_EQ(bare.mode, srt_mode::publish);
    EXPECT_EQ(bare.stream, "cam");
    EXPECT_EQ(parsed("read:cam-out").mode, srt_mode::read);

    const auto with_password = parsed("publish:cam:ann:secret");
    EXPECT_EQ(with_password.user, "ann");
    EXPECT_EQ(with_password.key, "secret");

    const auto with_query = parsed("publish:cam:pipeline=noop&a=b");
    EXPECT_EQ(with_query.query, (parameters{{"pipeline", "noop"}, {"a", "b"}}));
    EXPECT_EQ(with_query.key, "");

    const auto with_all = parsed("publish:cam:ann:secret:pipeline=noop");
    EXPECT_EQ(with_all.key, "secret");
    EXPECT_EQ(with_all.query, (parameters{{"pipeline", "noop"}}));
}

TEST(srt_stream_id, leaves_the_colons_of_a_query_alone) {
    EXPECT_EQ(
        parsed("publish:cam:rtmpOutput=rtmp://host/app/key&a=b").query,
        (parameters{{"rtmpOutput", "rtmp://host/app/key"}, {"a", "b"}})
    );
    EXPECT_EQ(
        parsed("publish:cam:::params={\"a\":1}").query, (parameters{{"params", "{\"a\":1}"}})
    );
}

TEST(srt_stream_id, publishes_under_a_bare_name) {
    const auto target = parsed("/live/cam?key=secret&pipeline=noop");
    EXPECT_EQ(target.mode, srt_mode::publish);
    EXPECT_EQ(target.stream, "cam");
    EXPECT_EQ(target.key, "secret");
    EXPECT_EQ(target.query.size(), 2u);
    EXPECT_EQ(parsed("publish").stream, "publish");
}

TEST(srt_stream_id, prefers_the_password_to_a_key_of_the_query) {
    EXPECT_EQ(parsed("publish:cam:ann:secret:key=other").key, "secret");
    EXPECT_EQ(parsed("#!::r=cam,m=publish,token=other").key, "other");
}

TEST(srt_stream_id, reads_what_a_client_did_not_decode) {
    const auto bare = parsed("cam%3Fpipeline%3Davfilter%26params%3D%257B%2526%257D");
    EXPECT_EQ(bare.mode, srt_mode::publish);
    EXPECT_EQ(bare.stream, "cam");
    EXPECT_EQ(bare.query, (parameters{{"pipeline", "avfilter"}, {"params", "{&}"}}));
    const auto standard = parsed("%23!%3A%3Ar%3Dcam-out%2Cm%3Drequest");
    EXPECT_EQ(standard.mode, srt_mode::read);
    EXPECT_EQ(standard.stream, "cam-out");
    // What was decoded keeps the marks of its query.
    EXPECT_EQ(parsed("cam?a=%26b").query, (parameters{{"a", "&b"}}));
    EXPECT_EQ(refused("cam%0A"), errc::invalid_argument);
}

TEST(srt_stream_id, refuses_what_names_no_stream) {
    for (const auto* text :
         {"",
          "#!::",
          "#!::m=publish",
          "publish:",
          "read::a:b",
          "#!::r=,m=publish",
          "publish:..",
          "publish:a b",
          "a\nb",
          "#!::r=cam,publish",
          "publish:caf\xc3\xa9"})
        EXPECT_EQ(refused(text), errc::invalid_argument) << text;
    EXPECT_EQ(refused(std::string(513, 'a')), errc::invalid_argument);
    EXPECT_EQ(refused("publish:" + std::string(129, 'a')), errc::invalid_argument);
}

TEST(srt_stream_id, tells_unsupported_modes_from_broken_ones) {
    EXPECT_EQ(refused("#!::r=cam,m=bidirectional"), errc::unsupported);
    EXPECT_EQ(refused("#!::r=cam,t=file"), errc::unsupported);
    EXPECT_EQ(refused("#!{r=cam}"), errc::unsupported);
}
