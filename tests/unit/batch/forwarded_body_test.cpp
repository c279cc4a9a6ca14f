#include "batch/forwarded_body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(forwarded_body, json_is_one_piece) {
    const auto what =
        parse_json(*find_pipeline("text-to-speech"), R"({"text":"hi","unknown":1})").value();
    const auto body = body_of(what, "");
    EXPECT_EQ(body.content_type, "application/json");
    EXPECT_EQ(body.before, forwarded_json(what));
    EXPECT_EQ(body.size(), body.before.size());
    EXPECT_FALSE(body.file);
}

TEST(forwarded_body, a_form_begins_with_its_file_under_a_name) {
    auto content = std::make_shared<spool>(spool_limits());
    const std::string bytes = "RIFF";
    ASSERT_FALSE(content->write({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})
    );
    upload file;
    file.content_type = "audio/wav";
    file.content = content;
    auto what = parse_form(*find_pipeline("audio-to-text"), {}, file).value();
    media_facts facts;
    facts.seconds = 2;
    facts.format = "wav";
    ASSERT_TRUE(take_media(what, facts));
    const auto body = body_of(what, "BOUNDARY");
    EXPECT_EQ(body.content_type, "multipart/form-data; boundary=BOUNDARY");
    EXPECT_THAT(body.before, StartsWith("--BOUNDARY\r\n"));
    // Without a name it would be no file to an orchestrator.
    EXPECT_THAT(body.before, HasSubstr("name=\"audio\"; filename=\"audio\""));
    EXPECT_THAT(body.before, HasSubstr("Content-Type: application/octet-stream\r\n\r\n"));
    EXPECT_EQ(body.file, content);
    EXPECT_THAT(body.after, StartsWith("\r\n--BOUNDARY\r\n"));
    EXPECT_THAT(body.after, HasSubstr("{\"duration\":\"2\"}"));
    EXPECT_TRUE(body.after.ends_with("--BOUNDARY--\r\n"));
    EXPECT_EQ(body.size(), body.before.size() + 4 + body.after.size());
}

} // namespace
} // namespace rivulet::batch
