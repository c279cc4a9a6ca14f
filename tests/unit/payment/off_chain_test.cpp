#include "base/base64.hpp"
#include "payment/off_chain.hpp"
#include "payment/seg_data.hpp"
#include "support/fake_payee.hpp"
#include "support/run_inline.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <livepeer.pb.h>

namespace rivulet::payment {
namespace {

session::auth_token spec_token() {
    session::auth_token token;
    token.token = "\x01\x02\x03";
    token.session_id = "0a0b0c0d";
    token.expiration = 1700000000;
    return token;
}

std::int64_t unix_now() {
    return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
}

std::shared_ptr<test::payee_state> somebody(std::int64_t token_seconds) {
    auto state = std::make_shared<test::payee_state>();
    auto info = std::make_shared<session::orchestrator_info>();
    info->token = spec_token();
    info->token->expiration = unix_now() + token_seconds;
    state->info = info;
    return state;
}

net::SegData decoded(const std::string& header) {
    net::SegData message;
    const auto raw = from_base64(header);
    EXPECT_TRUE(raw && message.ParseFromString(*raw));
    return message;
}

TEST(payments_conformance, s1_an_off_chain_job_carries_a_segment_and_an_empty_payment) {
    const auto state = somebody(1800);
    const auto session = off_chain_session(std::make_unique<test::fake_payee>(state));
    const auto headers = test::run_inline(session->start(live_start_units));
    ASSERT_TRUE(headers);
    EXPECT_EQ(headers->payment, "");
    const auto segment = decoded(headers->segment);
    EXPECT_EQ(segment.manifestid(), "35_noop");
    EXPECT_EQ(segment.profiles(), "invalid");
    EXPECT_EQ(segment.sig(), "");
    EXPECT_EQ(segment.seq(), 0);
    EXPECT_EQ(segment.capabilities().bitstring(0), 34426871807u);
    EXPECT_TRUE(segment.capabilities().constraints().percapability().at(35).models().contains("noop"
    ));
    EXPECT_FALSE(session->is_paid());
}

TEST(payments_conformance, s2_the_token_is_copied_unchanged) {
    const auto state = somebody(1800);
    const auto session = off_chain_session(std::make_unique<test::fake_payee>(state));
    const auto headers = test::run_inline(session->start(1));
    ASSERT_TRUE(headers);
    const auto segment = decoded(headers->segment);
    EXPECT_EQ(segment.auth_token().token(), "\x01\x02\x03");
    EXPECT_EQ(segment.auth_token().session_id(), "0a0b0c0d");
    EXPECT_EQ(segment.auth_token().expiration(), state->info->token->expiration);
}

TEST(payments_conformance, s3_segment_headers_match_the_vectors_and_decode_again) {
    segment_credentials credentials;
    credentials.manifest = "35_noop";
    credentials.token = spec_token();
    const std::string vector =
        "CgczNV9ub29wGiDF0kYBhvcjPJJ+fbLcxwPA5QC2U8qCJzt7+tgEXYWkcCIHaW52YWxpZEIVCgMBAgMSCDBhMGIwYz"
        "BkGIDiz6oG";
    EXPECT_EQ(segment_header(credentials), vector);
    const auto whole = decoded(vector);
    EXPECT_EQ(whole.manifestid(), "35_noop");
    EXPECT_EQ(whole.hash().size(), 32u);
    const auto minimal = decoded("QhUKAwECAxIIMGEwYjBjMGQYgOLPqgY=");
    EXPECT_EQ(minimal.auth_token().session_id(), "0a0b0c0d");
    EXPECT_EQ(minimal.auth_token().expiration(), 1700000000);
    // Other orders of the same fields mean the same.
    net::SegData shuffled;
    const auto raw = *from_base64(vector);
    const auto token_at = raw.find("\x42\x15");
    ASSERT_TRUE(shuffled.ParseFromString(raw.substr(token_at) + raw.substr(0, token_at)));
    EXPECT_EQ(shuffled.SerializeAsString(), whole.SerializeAsString());
}

TEST(off_chain, renews_a_token_that_is_about_to_expire) {
    const auto state = somebody(60);
    state->renewed = [] { return somebody(1800)->info; };
    const auto session = off_chain_session(std::make_unique<test::fake_payee>(state));
    const auto headers = test::run_inline(session->start(1));
    ASSERT_TRUE(headers);
    EXPECT_EQ(state->refreshes, 1);
    EXPECT_GT(decoded(headers->segment).auth_token().expiration(), unix_now() + 1000);
}

TEST(off_chain, uses_the_old_token_when_there_is_no_new_one) {
    const auto state = somebody(60);
    const auto session = off_chain_session(std::make_unique<test::fake_payee>(state));
    const auto headers = test::run_inline(session->start(1));
    ASSERT_TRUE(headers);
    EXPECT_EQ(decoded(headers->segment).auth_token().expiration(), state->info->token->expiration);
}

} // namespace
} // namespace rivulet::payment
