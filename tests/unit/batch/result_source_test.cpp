#include "batch/result_source.hpp"

#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

outcome<result_source>
find(std::string_view url, std::string_view orchestrator, bool foreign = false) {
    return find_source(url, http::parse_http_url(orchestrator).value(), foreign);
}

TEST(result_source, resolves_what_is_relative_to_the_orchestrator) {
    struct {
        const char *url, *whole;
    } const rows[] = {
        {"/stream/1/a.png", "https://orch.example:8935/stream/1/a.png"},
        {"a.png?x=1", "https://orch.example:8935/a.png?x=1"},
        {"//orch.example:8935/a", "https://orch.example:8935/a"},
        {"https://orch.example:8935/a#part", "https://orch.example:8935/a"},
        {"HTTPS://ORCH.example.:8935/a", "https://ORCH.example.:8935/a"},
    };

    for (const auto& row : rows) {
        const auto found = find(row.url, "https://orch.example:8935");
        ASSERT_TRUE(found) << row.url << ": " << found.error().detail;
        EXPECT_EQ(http::to_text(found->url), row.whole);
        EXPECT_TRUE(found->own);
        EXPECT_FALSE(found->public_only);
    }
    EXPECT_EQ(
        http::to_text(find("a.png", "http://127.0.0.1:1/under/this")->url),
        "http://127.0.0.1:1/under/a.png"
    );
}

TEST(batch_conformance, s48_a_foreign_host_a_loopback_or_metadata_address_is_refused) {
    for (const char* url :
         {"http://other.example/a.png",
          "http://127.0.0.1:5935/setBroadcastConfig",
          "http://169.254.169.254/latest/meta-data",
          "http://localhost/a",
          "http://[::1]/a",
          "//other.example/a",
          "https://orch.example.evil.example/a",
          "http://10.0.0.1/a"}) {
        const auto found = find(url, "https://orch.example:8935");
        ASSERT_FALSE(found) << url;
        EXPECT_EQ(found.error().code, errc::unauthorized) << url;
    }
}

TEST(result_source, other_public_hosts_are_for_the_operator_to_allow) {
    const auto found = find("https://bucket.example/a.png", "https://orch.example:8935", true);
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->own);
    EXPECT_TRUE(found->public_only) << "its name must not lead back home";
    for (const char* url :
         {"http://127.0.0.1/a",
          "http://169.254.169.254/a",
          "http://localhost/a",
          "http://127.1/a",
          "http://[::ffff:10.0.0.1]/a"})
        EXPECT_FALSE(find(url, "https://orch.example:8935", true)) << url;
}

TEST(result_source, another_port_of_the_orchestrator_is_its_own) {
    const auto literal = find("http://10.1.2.3:9000/a", "https://10.1.2.3:8935");
    ASSERT_TRUE(literal);
    EXPECT_FALSE(literal->public_only);
    const auto local = find("http://localhost:9000/a", "http://localhost:8935");
    ASSERT_TRUE(local);
    EXPECT_FALSE(local->public_only);
    // A public name can be pointed at this machine after the orchestrator was asked.
    const auto name = find("http://orch.example:5935/a", "https://orch.example:8935");
    ASSERT_TRUE(name);
    EXPECT_TRUE(name->public_only);
}

TEST(result_source, one_address_has_several_spellings) {
    EXPECT_TRUE(find("http://[0:0::1]:9/a", "http://[::1]:8935"));
    EXPECT_FALSE(find("http://[::2]/a", "http://[::1]:8935"));
}

TEST(result_source, only_http_is_gone_to) {
    for (const char* url :
         {"file:///etc/passwd",
          "ftp://orch.example/a",
          "gopher://orch.example/",
          "javascript:alert(1)",
          "data:image/png;base64,AA==",
          "",
          "http://",
          "http:///a",
          "https://user:secret@orch.example:8935/a",
          "https://orch.example:99999/a"})
        EXPECT_FALSE(find(url, "https://orch.example:8935", true)) << url;
    EXPECT_FALSE(find("/" + std::string(9000, 'a'), "https://orch.example:8935"));
}

TEST(result_source, a_refusal_does_not_repeat_the_keys_in_a_url) {
    const auto found =
        find("https://other.example/a?X-Amz-Signature=secret", "https://orch.example");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().detail.find("secret"), std::string::npos);
    EXPECT_NE(found.error().detail.find("other.example"), std::string::npos);
}

} // namespace
} // namespace rivulet::batch
