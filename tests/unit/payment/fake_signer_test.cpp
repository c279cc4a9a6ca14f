// The double itself: a test that passes against a wrong signer proves nothing.
#include "base/base64.hpp"
#include "payment/payment_message.hpp"
#include "support/fake_signer.hpp"

#include <gtest/gtest.h>

#include <livepeer.pb.h>

namespace rivulet::test {
namespace {

namespace json = boost::json;

constexpr std::int64_t start_ms = 1'800'000'000'000;

net::OrchestratorInfo info(int price, const payment::integer& face_value) {
    net::OrchestratorInfo out;
    out.set_transcoder("https://o:8935");
    out.set_address(std::string(20, '\x31'));
    out.mutable_price_info()->set_priceperunit(price);
    out.mutable_price_info()->set_pixelsperunit(1);
    auto& params = *out.mutable_ticket_params();
    params.set_recipient(std::string(20, '\x31'));
    // Every other ticket wins: the value is half the face value, times 2^256 / (2^256 - 1).
    params.set_face_value(payment::big_endian(face_value));
    params.set_win_prob(payment::big_endian(payment::max_uint256() / 3));
    params.set_recipient_rand_hash(std::string(32, '\x32'));
    params.set_expiration_block(payment::big_endian(1040));
    out.mutable_auth_token()->set_token("t");
    out.mutable_auth_token()->set_session_id("s");
    out.mutable_auth_token()->set_expiration(start_ms / 1000 + 1800);
    return out;
}

json::object question(const net::OrchestratorInfo& info, const std::string& type) {
    return {
        {"orchestrator", to_base64(info.SerializeAsString())}, {"type", type}, {"ManifestID", ""}};
}

json::object next(json::object before, const fake_signer::answer& last) {
    before["state"] = last.body.at("state");
    before["ManifestID"] = "m";
    return before;
}

// 3 · EV 35: a third of 105 wins, exactly, since 2^256 - 1 is divisible by 3.
TEST(payments_conformance, s29_live_keeps_the_change_of_each_payment) {
    fake_signer signer;
    const auto asked = question(info(3, 105), "live");
    const auto first = signer.generate(asked, start_ms);
    ASSERT_EQ(first.status, 200u) << first.text;
    EXPECT_EQ(first.tickets, 1u);
    EXPECT_EQ(first.balance, 5);
    const auto second = signer.generate(next(asked, first), start_ms + 12'000);
    ASSERT_EQ(second.status, 200u) << second.text;
    EXPECT_EQ(second.tickets, 1u);
    EXPECT_EQ(second.balance, 4);
}

TEST(payments_conformance, s29_fixed_pays_one_unit_each_time) {
    fake_signer signer;
    const auto asked = question(info(3, 9), "fixed");
    auto last = signer.generate(asked, start_ms);
    EXPECT_EQ(last.balance, 0);
    last = signer.generate(next(asked, last), start_ms);
    EXPECT_EQ(last.tickets, 1u);
    EXPECT_EQ(last.balance, 0);
}

TEST(payments_conformance, s29_more_than_100_tickets_are_refused) {
    fake_signer signer;
    auto asked = question(info(1, 3), "");
    asked["inPixels"] = 100;
    EXPECT_EQ(signer.generate(asked, start_ms).tickets, 100u);
    asked["inPixels"] = 101;
    const auto refused = signer.generate(asked, start_ms);
    EXPECT_EQ(refused.status, 400u);
    EXPECT_EQ(refused.text, "numTickets 101 exceeds maximum of 100");
}

TEST(payments_conformance, s30_a_state_is_good_for_its_orchestrator_and_untampered_only) {
    fake_signer signer;
    const auto asked = question(info(3, 105), "live");
    const auto first = signer.generate(asked, start_ms);
    auto elsewhere = info(3, 105);
    elsewhere.set_address(std::string(20, '\x44'));
    auto other = next(question(elsewhere, "live"), first);
    EXPECT_EQ(signer.generate(other, start_ms + 1000).text, "orchestratorAddress mismatch");

    auto tampered = next(asked, first);
    auto text = *from_base64(std::string(tampered.at("state").at("State").get_string()));
    text.replace(text.find("\"5\""), 3, "\"9\"");
    tampered.at("state").as_object()["State"] = to_base64(text);
    const auto answer = signer.generate(tampered, start_ms + 1000);
    EXPECT_EQ(answer.status, 400u);
    EXPECT_EQ(answer.text, "invalid sig");

    auto nameless = next(asked, first);
    nameless["ManifestID"] = "";
    EXPECT_EQ(signer.generate(nameless, start_ms + 1000).text, "missing manifestID");

    auto retyped = next(asked, first);
    retyped["type"] = "lv2v";
    EXPECT_EQ(signer.generate(retyped, start_ms + 1000).text, "job type mismatch");
}

TEST(payments_conformance, s31_price_tickets_and_token_are_needed) {
    fake_signer signer;
    const auto ask = [&](auto change) {
        auto with = info(3, 105);
        change(with);
        return signer.generate(question(with, "live"), start_ms);
    };
    EXPECT_EQ(ask([](auto&) {}).status, 200u);
    EXPECT_EQ(ask([](auto& i) { i.clear_price_info(); }).status, 400u);
    EXPECT_EQ(ask([](auto& i) { i.mutable_price_info()->set_priceperunit(0); }).status, 400u);
    EXPECT_EQ(ask([](auto& i) { i.mutable_price_info()->set_pixelsperunit(0); }).status, 400u);
    EXPECT_EQ(ask([](auto& i) { i.clear_ticket_params(); }).status, 400u);
    EXPECT_EQ(ask([](auto& i) { i.clear_auth_token(); }).status, 400u);
}

TEST(fake_signer, wants_fresh_parameters_in_time) {
    fake_signer signer;
    auto old_token = info(3, 105);
    old_token.mutable_auth_token()->set_expiration(start_ms / 1000 + 179);
    EXPECT_EQ(signer.generate(question(old_token, "live"), start_ms).status, 480u);
    signer.set_l1_block(1039);
    EXPECT_EQ(signer.generate(question(info(3, 105), "live"), start_ms).status, 480u);
}

TEST(fake_signer, goes_on_counting_nonces_within_one_set_of_parameters) {
    fake_signer signer;
    const auto asked = question(info(30, 105), "live");
    const auto nonces = [](const fake_signer::answer& answer) {
        net::Payment payment;
        payment.ParseFromString(*from_base64(std::string(answer.body.at("payment").get_string())));
        std::vector<std::uint32_t> out;
        for (const auto& row : payment.ticket_sender_params())
            out.push_back(row.sender_nonce());
        return out;
    };
    const auto first = signer.generate(asked, start_ms);
    EXPECT_EQ(nonces(first).front(), 1u);
    const auto second = signer.generate(next(asked, first), start_ms + 3000);
    EXPECT_EQ(nonces(second).front(), nonces(first).back() + 1);
    auto fresh = info(30, 105);
    fresh.mutable_ticket_params()->set_recipient_rand_hash(std::string(32, '\x55'));
    const auto third = signer.generate(next(question(fresh, "live"), second), start_ms + 6000);
    EXPECT_EQ(nonces(third).front(), 1u);
}

TEST(fake_signer, refuses_a_price_above_the_first_one_and_pays_nothing_twice) {
    fake_signer signer;
    const auto asked = question(info(3, 105), "live");
    const auto first = signer.generate(asked, start_ms);
    EXPECT_EQ(
        signer.generate(next(question(info(4, 105), "live"), first), start_ms + 9000).status, 481u
    );
    // 1 s costs 3, 5 are there, but a payment keeps a whole ticket's worth.
    auto cheap = question(info(1, 105), "");
    cheap["inPixels"] = 1;
    const auto paid = signer.generate(cheap, start_ms);
    EXPECT_EQ(paid.balance, 34);
}

} // namespace
} // namespace rivulet::test
