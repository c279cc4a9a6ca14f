#include "batch/job_webhook.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivulet::batch {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string header_of(const http::header_list& headers, std::string_view name) {
    for (const auto& [key, value] : headers)
        if (key == name)
            return value;
    return {};
}

TEST(check_webhook, takes_public_addresses_only) {
    const webhook_rules strict;
    EXPECT_TRUE(check_webhook("https://hook.example/done?token=1", strict));
    for (const auto* address :
         {"http://127.0.0.1/x",
          "http://localhost:8080/",
          "http://10.1.2.3/",
          "http://169.254.169.254/latest/meta-data",
          "http://[::1]/",
          "http://0.0.0.0/"}) {
        const auto checked = check_webhook(address, strict);
        ASSERT_FALSE(checked) << address;
        EXPECT_EQ(checked.error().code, errc::unauthorized) << address;
    }
    webhook_rules open;
    open.private_hosts = true;
    EXPECT_TRUE(check_webhook("http://127.0.0.1/x", open));
}

TEST(check_webhook, takes_nothing_but_web_addresses) {
    for (const auto* address :
         {"ftp://hook.example/",
          "hook.example",
          "",
          "http://",
          "http://user:secret@hook.example/"}) {
        const auto checked = check_webhook(address, {});
        ASSERT_FALSE(checked) << address;
        EXPECT_EQ(checked.error().code, errc::invalid_argument) << address;
        EXPECT_THAT(checked.error().detail, HasSubstr("Rivulet-Webhook: "));
        EXPECT_THAT(checked.error().detail, Not(HasSubstr("secret")));
    }
    EXPECT_FALSE(check_webhook("https://hook.example/" + std::string(2048, 'x'), {}));
}

TEST(webhook_pause, grows_and_ends) {
    EXPECT_EQ(webhook_pause(0), duration::zero());
    auto last = duration::zero();
    unsigned tries = 1;
    for (; webhook_pause(tries); ++tries) {
        EXPECT_GT(*webhook_pause(tries), last);
        last = *webhook_pause(tries);
    }
    EXPECT_EQ(tries, 8u);
}

TEST(webhook_headers, name_the_job_and_how_it_ended) {
    const auto headers = webhook_headers({}, "1a2b", job_state::failed, "{}", 5);
    EXPECT_EQ(header_of(headers, "Rivulet-Job"), "1a2b");
    EXPECT_EQ(header_of(headers, "Rivulet-Status"), "failed");
    EXPECT_EQ(header_of(headers, "Content-Type"), "application/json");
    EXPECT_EQ(header_of(headers, "Rivulet-Signature"), "");
}

TEST(webhook_headers, are_signed_with_the_operators_secret) {
    webhook_rules rules;
    rules.secret = "key";
    const auto headers = webhook_headers(rules, "1a2b", job_state::done, "{}", 5);
    // printf '5.{}' | openssl dgst -sha256 -hmac key
    EXPECT_EQ(
        header_of(headers, "Rivulet-Signature"),
        "t=5,v1=9be615aec64f0d044b5ad6854ab1d893ec88617fb728d2149dcd3a3428e8c45d"
    );
}

} // namespace
} // namespace rivulet::batch
