// Payments with a key of our own against an orchestrator that checks every ticket, and the chain's
// side from a node that answers as Arbitrum's do.
#include "payment/local_signer.hpp"
#include "payment/payment_message.hpp"
#include "session/contract_abi.hpp"
#include "session/keccak.hpp"
#include "support/fake_paid_orchestrator.hpp"
#include "support/fake_payee.hpp"
#include "support/fake_webhook.hpp"
#include "support/run_inline.hpp"

#include <boost/asio/detached.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::payment {
namespace {

using namespace std::chrono_literals;
using test::run_inline;

class known_chain final : public chain_view {
  public:
    known_chain() {
        state.l1_block = 1000;
        state.funds.deposit = state.funds.reserve = integer("1000000000000000000");
    }

    awaitable<outcome<void>> start() override { co_return outcome<void>(); }

    chain_state now() const override { return state; }

    chain_state state;
};

struct rig {
    std::shared_ptr<known_chain> chain = std::make_shared<known_chain>();
    test::fake_paid_orchestrator orchestrator;
    observe::metrics metrics;
    std::shared_ptr<wallet> purse = std::make_shared<wallet>(
        *signing_key::of(std::string(32, '\x21')),
        chain,
        std::make_shared<records>(metrics, nullptr)
    );
    std::shared_ptr<test::payee_state> payee = std::make_shared<test::payee_state>();

    explicit rig(test::fake_paid_orchestrator::options with = {}) : orchestrator(with) {
        payee->url = orchestrator.url();
        payee->info = orchestrator.info(purse->key.address());
        payee->renewed = [this] { return orchestrator.info(purse->key.address()); };
    }

    std::unique_ptr<payment_session> open() {
        return wallet_session(purse, std::make_unique<test::fake_payee>(payee));
    }

    unsigned post(const job_headers& headers, const std::string& path) {
        http::header_list list;
        list.emplace_back("Livepeer-Segment", headers.segment);
        list.emplace_back("Livepeer-Payment", headers.payment);
        auto answer = run_inline(http::fetch(
            {}, http::verb::post, orchestrator.url() + path, std::move(list), "{}", 5s, 10000
        ));
        return static_cast<unsigned>(answer.value().status);
    }

    amount orchestrators_balance(const std::string& id) {
        return orchestrator.balance(purse->key.address(), id);
    }

    void batch() {
        payee->capability = session::capability::text_to_image;
        payee->model = "model";
    }
};

constexpr auto accepted = payment_session::sent::accepted;

test::fake_paid_orchestrator::options cheap_tickets() {
    test::fake_paid_orchestrator::options out;
    out.price_per_unit = 6;
    out.pixels_per_unit = 7;
    out.face_value = 105;
    out.win_prob = max_uint256() / 3; // worth 35
    return out;
}

TEST(wallet, an_orchestrator_takes_its_live_start_and_its_payments) {
    rig rig;
    const auto session = rig.open();
    const auto headers = run_inline(session->start(live_start_units));
    ASSERT_TRUE(headers) << headers.error().detail;
    EXPECT_EQ(rig.post(*headers, "/live-video-to-video"), 200u);
    session->settle(accepted, live_start_units);
    for (int i = 0; i < 3; ++i) {
        const auto paid = run_inline(session->pay(5 * live_units_per_second, "manifest1"));
        ASSERT_TRUE(paid) << paid.error().detail;
    }
    EXPECT_EQ(rig.orchestrator.seen().back().manifest, "manifest1");
    // What it has is what it is owed and less than a ticket more.
    const amount owed = amount(3) * 15 * live_units_per_second;
    EXPECT_GE(rig.orchestrators_balance("manifest1"), owed);
    EXPECT_LT(rig.orchestrators_balance("manifest1"), amount(owed + 200'000'000));
}

TEST(payments_conformance, s11_the_price_in_a_payment_belongs_to_its_parameters) {
    rig rig;
    const auto session = rig.open();
    rig.orchestrator.set_price(4); // known only with new parameters
    const auto headers = run_inline(session->start(live_start_units));
    EXPECT_EQ(rig.post(*headers, "/live-video-to-video"), 200u);
    EXPECT_EQ(rig.orchestrator.seen().back().price.per_unit, 3);
    ASSERT_TRUE(run_inline(session->pay(live_units_per_second, "m")));
    ASSERT_TRUE(run_inline(session->pay(live_units_per_second, "m")));
    EXPECT_EQ(rig.orchestrator.seen().back().price.per_unit, 4);
}

TEST(payments_conformance, s12_batch_requests_send_25_then_61_tickets) {
    rig rig(cheap_tickets());
    rig.batch();
    auto session = rig.open();
    auto headers = run_inline(session->start(1000));
    ASSERT_TRUE(headers) << headers.error().detail;
    EXPECT_EQ(worth_of(headers->payment)->tickets, 25u);
    EXPECT_EQ(rig.post(*headers, "/text-to-image"), 200u);
    session->settle(accepted, 1000);
    const ledger::key account{rig.orchestrator.address(), "27_model"};
    EXPECT_EQ(to_string(rig.purse->book.balance(account)), "125/7");
    EXPECT_EQ(rig.purse->book.balance(account), rig.orchestrators_balance("27_model"));
    session = rig.open();
    headers = run_inline(session->start(2500));
    EXPECT_EQ(worth_of(headers->payment)->tickets, 61u);
    session->settle(accepted, 2500);
    EXPECT_EQ(rig.purse->book.balance(account), 10);
}

TEST(payments_conformance, s13_a_payment_from_credit_names_sender_and_price_only) {
    rig rig(cheap_tickets());
    rig.batch();
    auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(1000)));
    session->settle(accepted, 0); // all of it comes back
    session = rig.open();
    const auto headers = run_inline(session->start(10));
    payment_message bare;
    bare.sender = rig.purse->key.address();
    bare.expected_price = *rig.payee->info->price;
    EXPECT_EQ(headers->payment, payment_header(bare));
}

TEST(payments_conformance, s15_a_batch_that_was_not_sent_or_refused_loses_no_credit) {
    rig rig(cheap_tickets());
    rig.batch();
    const ledger::key account{rig.orchestrator.address(), "27_model"};
    auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(1000)));
    session->settle(accepted, 1000);
    for (auto how : {payment_session::sent::not_sent, payment_session::sent::refused}) {
        session = rig.open();
        ASSERT_TRUE(run_inline(session->start(2500)));
        EXPECT_EQ(rig.purse->book.balance(account), 0);
        session->settle(how, 0);
        EXPECT_EQ(to_string(rig.purse->book.balance(account)), "125/7");
    }
}

TEST(payments_conformance, s16_a_live_start_pays_60_seconds_whatever_credit_there_is) {
    rig rig;
    // Credit of another request at the same orchestrator, for the same model.
    const ledger::key account{rig.orchestrator.address(), "35_noop"};
    const auto now = steady_clock::now();
    const auto earlier = rig.purse->book.stage(account, 1, 1, now);
    rig.purse->book.finish(earlier, ledger::end::settled, amount(-1'000'000'000'000'000), now);
    ASSERT_GT(rig.purse->book.balance(account), amount(3) * 1'658'880'000);
    std::uint64_t tickets = 0;
    for (int i = 0; i < 3; ++i) {
        const auto session = rig.open();
        const auto headers = run_inline(session->start(live_start_units));
        const auto worth = *worth_of(headers->payment);
        EXPECT_GE(worth.value, amount(3) * 1'658'880'000);
        EXPECT_TRUE(tickets == 0 || tickets == worth.tickets);
        tickets = worth.tickets;
        session->settle(accepted, live_start_units);
    }
    EXPECT_GT(tickets, 0u);
}

TEST(payments_conformance, s17_a_price_may_double_and_no_more) {
    rig rig;
    auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.orchestrator.set_price(6);
    rig.payee->info = rig.orchestrator.info(rig.purse->key.address());
    EXPECT_TRUE(run_inline(session->pay(live_units_per_second, "m")));
    // Asking again does not move the measure.
    rig.orchestrator.set_price(7);
    rig.payee->info = rig.orchestrator.info(rig.purse->key.address());
    const auto refused = run_inline(session->pay(live_units_per_second, "m"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::payment_refused);
    EXPECT_NE(refused.error().detail.find("more than doubled"), std::string::npos);
}

TEST(payments_conformance, s32_a_refused_payment_is_a_failure_and_books_nothing) {
    rig rig;
    const auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    session->settle(accepted, 0);
    const auto before = rig.payee->info;
    rig.orchestrator.answer_next(400, "Insufficient balance");
    const auto failed = run_inline(session->pay(5 * live_units_per_second, "m"));
    ASSERT_FALSE(failed);
    EXPECT_EQ(rig.payee->info, before);
    // The next payment pays for both times.
    ASSERT_TRUE(run_inline(session->pay(10 * live_units_per_second, "m")));
    EXPECT_GE(rig.orchestrators_balance("m"), amount(3) * 10 * live_units_per_second);
    EXPECT_EQ(rig.payee->info->token->session_id, rig.orchestrator.seen().back().session_id);
}

TEST(wallet, a_payment_whose_answer_got_lost_is_booked_once) {
    rig rig;
    const auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.orchestrator.answer_next(502, "gateway in between", true);
    EXPECT_FALSE(run_inline(session->pay(50 * live_units_per_second, "m")));
    ASSERT_TRUE(run_inline(session->pay(60 * live_units_per_second, "m")));
    const amount owed = amount(3) * 60 * live_units_per_second;
    EXPECT_GE(rig.orchestrators_balance("m"), owed);
    EXPECT_LT(rig.orchestrators_balance("m"), amount(owed + 200'000'000));
}

TEST(wallet, parameters_that_expire_are_renewed_first) {
    rig rig;
    rig.chain->state.l1_block = 1039; // one block left
    rig.orchestrator.set_l1_block(1039);
    const auto session = rig.open();
    const auto headers = run_inline(session->start(live_start_units));
    ASSERT_TRUE(headers) << headers.error().detail;
    EXPECT_EQ(rig.payee->refreshes, 1);
    EXPECT_EQ(rig.post(*headers, "/live-video-to-video"), 200u);
}

TEST(wallet, what_our_limits_forbid_is_refused_with_the_reason) {
    rig rig;
    rig.purse->limits.max_ticket_ev = 10;
    auto session = rig.open();
    auto refused = run_inline(session->start(live_start_units));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::payment_refused);
    EXPECT_NE(refused.error().detail.find("-maxTicketEV"), std::string::npos);
    rig.purse->limits = {};
    rig.payee->price_refusal = "over -maxPricePerUnit";
    session = rig.open();
    refused = run_inline(session->start(live_start_units));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail, "over -maxPricePerUnit");
    rig.payee->price_refusal.clear();
    rig.chain->state.funds.deposit = 0;
    session = rig.open();
    EXPECT_FALSE(run_inline(session->start(live_start_units)));
}

TEST(wallet, those_who_ask_no_money_get_a_signature_all_the_same) {
    test::fake_paid_orchestrator::options options;
    options.price_per_unit = 0;
    rig rig(options);
    const auto session = rig.open();
    const auto headers = run_inline(session->start(live_start_units));
    ASSERT_TRUE(headers) << headers.error().detail;
    EXPECT_EQ(rig.post(*headers, "/live-video-to-video"), 200u);
    EXPECT_FALSE(session->is_paid());
    options.on_chain = false;
    struct rig off(options);
    const auto other = off.open();
    const auto bare = run_inline(other->start(live_start_units));
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->payment, "");
    EXPECT_EQ(off.post(*bare, "/live-video-to-video"), 200u);
}

// A node of Arbitrum that knows Livepeer's contracts.
std::string node_answer(const std::string& body, integer deposit) {
    const auto question = boost::json::parse(body).get_object();
    boost::json::object out{{"jsonrpc", "2.0"}, {"id", question.at("id")}};
    if (question.at("method").get_string() == "eth_getBlockByNumber") {
        out["result"] = {{"number", "0xffff"}, {"l1BlockNumber", "0x3e8"}};
        return boost::json::serialize(out);
    }
    const auto& call = question.at("params").get_array()[0].get_object();
    const auto data = *session::from_hex(
        std::string((call.contains("data") ? call.at("data") : call.at("input")).get_string())
    );
    const auto is = [&](const char* function) {
        return data.starts_with(session::function_selector(function));
    };
    std::string raw;
    if (is("getContract(bytes32)"))
        raw = session::abi_address(std::string(20, data.back()));
    else if (is("getSenderInfo(address)"))
        raw = big_endian_32(deposit) + session::abi_uint(0) + big_endian_32(77) +
              session::abi_uint(0);
    else if (is("lastInitializedRound()"))
        raw = session::abi_uint(4242);
    else if (is("blockHashForRound(uint256)"))
        raw = std::string(32, '\x66');
    out["result"] = "0x" + session::to_hex(raw);
    return boost::json::serialize(out);
}

TEST(wallet, reads_blocks_rounds_and_its_funds_from_the_chain) {
    test::fake_webhook node;
    node.answers([](const test::asked_of_webhook& asked) {
        test::fake_webhook::answer out;
        out.body = node_answer(asked.body, integer("5000000000000000000"));
        return out;
    });
    asio::io_context context;
    observe::metrics metrics;
    chain_watch_options options;
    options.controller = std::string(20, '\x01');
    options.account = std::string(20, '\x02');
    const auto watch = make_chain_watch(
        context.get_executor(), *session::json_rpc::create(node.url()), options, metrics, {}
    );
    std::optional<outcome<void>> started;
    auto begin = [&]() -> awaitable<void> { started = co_await watch->start(); };
    asio::co_spawn(context, begin(), asio::detached);
    for (int i = 0; i < 100 && !started; ++i) {
        context.run_for(50ms);
        context.restart();
    }
    ASSERT_TRUE(started.has_value() && *started) << "the chain was not read";
    const auto now = watch->now();
    EXPECT_EQ(now.l1_block, 1000);
    EXPECT_EQ(now.funds.deposit, integer("5000000000000000000"));
    EXPECT_EQ(now.funds.reserve, 77);
    EXPECT_EQ(now.funds.current_round, 4242);
    EXPECT_EQ(now.round.round, 4242);
    EXPECT_EQ(now.round.block_hash, std::string(32, '\x66'));
    EXPECT_NE(metrics.text().find("livepeer_gateway_deposit"), std::string::npos);
    watch->stop();
    context.run_for(1s);
}

TEST(wallet, does_not_start_without_the_chain) {
    observe::metrics metrics;
    asio::io_context context;
    chain_watch_options options;
    options.controller = std::string(20, '\x01');
    options.account = std::string(20, '\x02');
    const auto url = "http://127.0.0.1:" + std::to_string(test::free_port());
    const auto watch = make_chain_watch(
        context.get_executor(), *session::json_rpc::create(url), options, metrics, {}
    );
    EXPECT_FALSE(run_inline(watch->start()));
}

} // namespace
} // namespace rivulet::payment
