#include "base/base64.hpp"
#include "payment/remote_signer.hpp"
#include "payment/signature.hpp"
#include "payment/signer_wire.hpp"
#include "session/keccak.hpp"
#include "session/signer_url.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::payment {
namespace {

namespace json = boost::json;
using kind = signer_reply::kind;

json::object good_reply() {
    return {
        {"payment", "AAAA"}, {"segCreds", "BBBB"}, {"state", {{"State", "CCCC"}, {"Sig", "DDDD"}}}};
}

signer_reply parse(const json::object& body) {
    return parse_payment_reply(200, json::serialize(body));
}

std::string generate_url(const std::string& signer) {
    return session::signer_endpoint(signer, "/generate-live-payment").value();
}

TEST(payments_conformance, s26_the_signers_url_is_https_unless_told_and_keeps_its_prefix) {
    EXPECT_EQ(generate_url("host:1234"), "https://host:1234/generate-live-payment");
    EXPECT_EQ(generate_url("10.0.0.1:8935"), "https://10.0.0.1:8935/generate-live-payment");
    EXPECT_EQ(generate_url("http://h:1/"), "http://h:1/generate-live-payment");
    EXPECT_EQ(generate_url("http://h:1/x/"), "http://h:1/x/generate-live-payment");
    // A query has no place in it and is not silently lost.
    EXPECT_FALSE(session::signer_endpoint("http://h:1/x?y", "/generate-live-payment"));
}

TEST(payments_conformance, s21_the_first_question_has_no_state_and_an_empty_manifest) {
    payment_question question;
    question.orchestrator = "info";
    question.capabilities = "caps";
    question.type = "lv2v";
    const auto body = json::parse(to_json(question)).get_object();
    EXPECT_EQ(body.at("ManifestID").get_string(), "");
    EXPECT_EQ(body.at("type").get_string(), "lv2v");
    EXPECT_EQ(body.at("orchestrator").get_string(), to_base64("info"));
    EXPECT_EQ(body.at("capabilities").get_string(), to_base64("caps"));
    EXPECT_FALSE(body.contains("state"));
    EXPECT_FALSE(body.contains("inPixels"));
}

TEST(payments_conformance, s21_later_questions_carry_the_last_state_and_the_manifest) {
    payment_question question;
    question.state = good_reply().at("state").get_object();
    question.manifest = "m1";
    question.type = "lv2v";
    const auto body = json::parse(to_json(question)).get_object();
    EXPECT_EQ(body.at("ManifestID").get_string(), "m1");
    EXPECT_EQ(body.at("state").at("State").get_string(), "CCCC");
    EXPECT_EQ(body.at("state").at("Sig").get_string(), "DDDD");
}

TEST(signer_wire, asks_for_units_when_there_is_no_type) {
    payment_question question;
    question.units = 1024 * 1024;
    const auto body = json::parse(to_json(question)).get_object();
    EXPECT_EQ(body.at("inPixels").to_number<int>(), 1024 * 1024);
    EXPECT_FALSE(body.contains("type"));
}

TEST(signer_wire, reads_a_payment) {
    const auto reply = parse(good_reply());
    EXPECT_EQ(reply.what, kind::paid);
    EXPECT_EQ(reply.headers.payment, "AAAA");
    EXPECT_EQ(reply.headers.segment, "BBBB");
    EXPECT_EQ(reply.state.at("Sig").get_string(), "DDDD");
}

TEST(signer_wire, what_would_become_a_broken_header_is_refused) {
    for (const char* value : {"", "AAAA\r\nX: y", "AAA", "not base64!"}) {
        auto body = good_reply();
        body["payment"] = value;
        EXPECT_EQ(parse(body).what, kind::failed) << value;
    }
    auto body = good_reply();
    body["segCreds"] = std::string(100'000, 'A');
    EXPECT_EQ(parse(body).what, kind::failed);
    body = good_reply();
    body.erase("state");
    EXPECT_EQ(parse(body).what, kind::failed);
    body["state"] = {{"State", std::string(100'000, 'A')}};
    EXPECT_EQ(parse(body).what, kind::failed);
    EXPECT_EQ(parse_payment_reply(200, "[]").what, kind::failed);
    EXPECT_EQ(parse_payment_reply(200, std::string(100'000, '[')).what, kind::failed);
}

TEST(signer_wire, tells_the_special_statuses_apart) {
    EXPECT_EQ(parse_payment_reply(480, "").what, kind::refresh);
    EXPECT_EQ(parse_payment_reply(481, "").what, kind::over_price);
    EXPECT_EQ(parse_payment_reply(482, "").what, kind::no_tickets);
    const auto other =
        parse_payment_reply(500, R"({"error":{"message":"Internal\nServer Error"}})");
    EXPECT_EQ(other.what, kind::failed);
    EXPECT_EQ(other.text, "the remote signer answered 500: Internal Server Error");
    EXPECT_EQ(parse_payment_reply(503, "").text, "the remote signer answered 503");
    EXPECT_LT(parse_payment_reply(400, std::string(5000, 'x')).text.size(), 400u);
}

TEST(signer_wire, an_identity_must_be_signed_by_itself) {
    const auto key = *signing_key::of(std::string(32, '\x11'));
    const auto signature = session::to_hex(key.sign(info_request_message(key.address())));
    const auto body = [&](const std::string& address, const std::string& sig) {
        json::object object{{"address", address}, {"signature", sig}};
        return parse_identity(200, json::serialize(object));
    };
    const auto address = session::checksum_address(key.address());
    ASSERT_TRUE(body(address, signature)); // no 0x
    EXPECT_EQ(body(address, "0x" + signature)->address, key.address());
    EXPECT_FALSE(body("0x" + std::string(40, '1'), signature));
    EXPECT_FALSE(body(address, signature.substr(2)));
    EXPECT_FALSE(body("", ""));
    EXPECT_FALSE(parse_identity(401, "no"));
    EXPECT_EQ(parse_identity(401, "no").error().detail, "the remote signer answered 401: no");
}

} // namespace
} // namespace rivulet::payment
