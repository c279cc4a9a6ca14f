// The pages over a socket.
#include "support/fake_orchestrator.hpp"
#include "support/live_rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class web_routes : public testing::Test {
  protected:
    fake_orchestrator orchestrator;
    live_rig rig{{orchestrator.url()}};
};

TEST_F(web_routes, the_console_and_its_files_are_served) {
    const auto page = rig.get("/");
    EXPECT_EQ(page.status, 200);
    EXPECT_THAT(page.body, HasSubstr("/web/console.js"));
    EXPECT_THAT(page["content-security-policy"], HasSubstr("frame-ancestors 'none'"));
    const auto script = rig.get("/web/console.js");
    EXPECT_EQ(script.status, 200);
    EXPECT_THAT(script["content-type"], StartsWith("text/javascript"));
    EXPECT_EQ(script["x-content-type-options"], "nosniff");
    EXPECT_FALSE(script.has("content-encoding"));
    EXPECT_THAT(script.body, HasSubstr("import"));
}

TEST_F(web_routes, the_player_page_of_any_channel_may_be_embedded) {
    for (const char* path : {"/cam-out/", "/my-own%20cam-1a2b3c4d-out/", "/cam/?muted=false"}) {
        const auto page = rig.get(path);
        EXPECT_EQ(page.status, 200) << path;
        EXPECT_THAT(page["content-type"], StartsWith("text/html")) << path;
        EXPECT_THAT(page["content-security-policy"], Not(HasSubstr("frame-ancestors"))) << path;
        EXPECT_THAT(page.body, HasSubstr("/web/player.js")) << path;
    }
}

TEST_F(web_routes, other_paths_are_not_taken_for_pages) {
    for (const char* path : {"/web/nothing.js", "/web/index.html", "/cam-out", "/a/b/"})
        EXPECT_EQ(rig.get(path).status, 404) << path;
    EXPECT_EQ(rig.get("/web/%2e%2e%2fconsole.js").status, 404);
    EXPECT_EQ(rig.get("/healthz").status, 200);
}

} // namespace
} // namespace rivulet::test
