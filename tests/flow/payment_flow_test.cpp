// Payment sessions against a signer and an orchestrator that check every field.
#include "payment/live_payer.hpp"
#include "payment/off_chain.hpp"
#include "payment/remote_signer.hpp"
#include "session/orchestrator_client.hpp"
#include "support/fake_paid_orchestrator.hpp"
#include "support/fake_payee.hpp"
#include "support/fake_signer.hpp"
#include "support/fake_webhook.hpp"
#include "support/run_inline.hpp"

#include <boost/asio/detached.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace rivulet::payment {
namespace {

using namespace std::chrono_literals;
using test::run_inline;

// Everybody who takes part in paying for one job.
struct rig {
    test::fake_signer signer;
    test::fake_paid_orchestrator orchestrator;
    std::shared_ptr<test::payee_state> payee = std::make_shared<test::payee_state>();
    observe::metrics metrics;
    std::shared_ptr<const records> accounts = std::make_shared<records>(metrics, nullptr);
    std::shared_ptr<signer_client> client;

    explicit rig(test::fake_paid_orchestrator::options with = {}) : orchestrator(with) {
        payee->url = orchestrator.url();
        payee->info = orchestrator.info(signer.address());
        payee->renewed = [this] { return orchestrator.info(signer.address()); };
        remote_signer_options options;
        options.url = signer.url();
        options.headers = {{"X-Signer-Key", "hidden"}};
        client = *signer_client::create(options);
    }

    std::unique_ptr<payment_session> open() {
        return signer_session(
            client, std::make_unique<test::fake_payee>(payee), accounts, signer.address()
        );
    }

    // POSTs the start of a live job.
    unsigned post_start(const job_headers& headers, const std::string& path) {
        http::header_list list;
        list.emplace_back("Livepeer-Segment", headers.segment);
        list.emplace_back("Livepeer-Payment", headers.payment);
        auto answer = run_inline(http::fetch(
            {}, http::verb::post, orchestrator.url() + path, std::move(list), "{}", 5s, 10000
        ));
        return static_cast<unsigned>(answer.value().status);
    }

    outcome<payment_session::paid> pay(payment_session& session) {
        return run_inline(session.pay(1, "manifest1"));
    }

    double counted(const std::string& name) const {
        const auto text = metrics.text();
        const auto at = text.find("\n" + name + " ");
        return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
    }
};

test::fake_paid_orchestrator::options priced(std::int64_t per_unit) {
    test::fake_paid_orchestrator::options out;
    out.price_per_unit = per_unit;
    return out;
}

TEST(payments_conformance, s1_an_orchestrator_without_money_takes_the_bare_header) {
    test::fake_paid_orchestrator::options options;
    options.on_chain = false;
    rig rig(options);
    const auto session = off_chain_session(std::make_unique<test::fake_payee>(rig.payee));
    const auto headers = run_inline(session->start(live_start_units));
    // As a live job sends it.
    session::orchestrator_client client({}, session::channel_hosts::own);
    session::live_request request;
    request.model_id = "noop";
    session::live_credentials credentials{headers->segment, headers->payment};
    (void)run_inline(client.start_live(rig.orchestrator.url(), request, credentials));
    const auto seen = rig.orchestrator.seen().back();
    EXPECT_EQ(seen.status, 200u) << seen.text;
    EXPECT_EQ(seen.manifest, "35_noop");
    EXPECT_EQ(seen.headers.at("livepeer-segment"), headers->segment);
    EXPECT_EQ(seen.headers.at("livepeer-payment"), "");
    EXPECT_EQ(seen.headers.at("authorization"), "Livepeer-AI-Worker-1.0");
}

TEST(payments_conformance, s11_the_expected_price_is_the_one_that_came_with_the_parameters) {
    rig rig;
    const auto session = rig.open();
    const auto headers = run_inline(session->start(live_start_units));
    ASSERT_TRUE(headers) << headers.error().detail;
    ASSERT_EQ(rig.post_start(*headers, "/live-video-to-video"), 200u);
    // The price falls; only the answer to a payment says so, with parameters made for it.
    rig.orchestrator.set_price(2);
    rig.signer.pass(10s);
    const auto first = rig.pay(*session);
    ASSERT_TRUE(first) << first.error().detail;
    EXPECT_EQ(rig.orchestrator.seen().back().price.per_unit, 3);
    rig.signer.pass(10s);
    const auto second = rig.pay(*session);
    ASSERT_TRUE(second) << second.error().detail;
    EXPECT_EQ(rig.orchestrator.seen().back().price.per_unit, 2);
}

TEST(payments_conformance, s21_a_session_begins_without_state_and_goes_on_with_the_last_one) {
    rig rig;
    const auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.signer.pass(10s);
    ASSERT_TRUE(rig.pay(*session));
    rig.signer.pass(10s);
    ASSERT_TRUE(rig.pay(*session));
    const auto asked = rig.signer.asked();
    ASSERT_EQ(asked.size(), 3u);
    EXPECT_FALSE(asked[0].body.contains("state"));
    EXPECT_EQ(asked[0].body.at("ManifestID").get_string(), "");
    EXPECT_EQ(asked[0].body.at("type").get_string(), "lv2v");
    EXPECT_EQ(asked[1].body.at("ManifestID").get_string(), "manifest1");
    EXPECT_NE(asked[1].body.at("state"), asked[2].body.at("state"));
    EXPECT_EQ(rig.orchestrator.seen().back().manifest, "manifest1");
}

TEST(payments_conformance, s22_480_renews_and_asks_again_and_the_fifth_in_a_row_fails) {
    rig rig;
    auto session = rig.open();
    for (int i = 0; i < 4; ++i)
        rig.signer.answer_next(480, "TicketParams expired");
    EXPECT_TRUE(run_inline(session->start(live_start_units)));
    EXPECT_EQ(rig.payee->refreshes, 4);
    rig.payee->refreshes = 0;
    session = rig.open();
    for (int i = 0; i < 5; ++i)
        rig.signer.answer_next(480, "TicketParams expired");
    const auto failed = run_inline(session->start(live_start_units));
    ASSERT_FALSE(failed);
    EXPECT_NE(
        failed.error().detail.find("too many consecutive session refreshes"), std::string::npos
    );
    EXPECT_EQ(rig.payee->refreshes, 4);
}

TEST(payments_conformance, s23_481_refuses_the_start_and_ends_a_running_job) {
    rig rig;
    rig.signer.set_price_ceiling(amount(1, 1'000'000'000));
    auto session = rig.open();
    const auto start = run_inline(session->start(live_start_units));
    ASSERT_FALSE(start);
    EXPECT_EQ(start.error().code, errc::payment_refused);
    rig.signer.set_price_ceiling(0);
    session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.signer.set_price_ceiling(amount(1, 1'000'000'000));
    rig.signer.pass(10s);
    const auto later = rig.pay(*session);
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().code, errc::payment_refused);
    EXPECT_EQ(rig.counted("livepeer_payment_create_errors"), 2);
}

TEST(payments_conformance, s24_482_is_no_error_and_what_was_owed_is_billed_later) {
    rig rig;
    const auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.signer.pass(10s);
    rig.signer.answer_next(482, "no tickets");
    const auto none = rig.pay(*session);
    ASSERT_TRUE(none);
    EXPECT_EQ(*none, payment_session::paid::nothing_due);
    EXPECT_TRUE(rig.orchestrator.seen().empty());
    rig.signer.pass(10s);
    const auto later = rig.pay(*session);
    ASSERT_TRUE(later) << later.error().detail;
    EXPECT_EQ(*later, payment_session::paid::yes);
    const auto asked = rig.signer.asked();
    EXPECT_EQ(asked[1].body.at("state"), asked[2].body.at("state")); // the same state, 20 s later
    // 20 s cost 16.6 tickets.
    EXPECT_GE(rig.orchestrator.seen().back().nonces.size(), 16u);
}

TEST(payments_conformance, s25_another_attempt_begins_with_no_state) {
    rig rig;
    auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    EXPECT_FALSE(rig.signer.asked().back().body.contains("state"));
    EXPECT_EQ(rig.signer.asked().back().status, 200u);
}

TEST(payments_conformance, s27_the_signers_headers_go_to_the_signer_only) {
    rig rig;
    ASSERT_TRUE(run_inline(rig.client->identify()));
    const auto session = rig.open();
    const auto headers = run_inline(session->start(live_start_units));
    rig.post_start(*headers, "/live-video-to-video");
    rig.signer.pass(10s);
    ASSERT_TRUE(rig.pay(*session));
    ASSERT_EQ(rig.signer.asked().size(), 3u);
    for (const auto& one : rig.signer.asked()) {
        EXPECT_EQ(one.headers.at("x-signer-key"), "hidden") << one.path;
        EXPECT_EQ(one.headers.at("content-type"), "application/json");
    }
    for (const auto& one : rig.orchestrator.seen())
        EXPECT_FALSE(one.headers.contains("x-signer-key")) << one.path;
    EXPECT_EQ(boost::json::serialize(session->status()).find("hidden"), std::string::npos);
}

TEST(payments_conformance, s28_without_the_signer_nothing_starts) {
    observe::metrics metrics;
    const auto accounts = std::make_shared<records>(metrics, nullptr);
    const auto start = [&](const std::string& url) {
        remote_signer_options options;
        options.url = url;
        auto made = remote_signer_payments(options, nullptr, nullptr, accounts, {});
        return run_inline((*made)->start());
    };
    test::fake_signer signer;
    EXPECT_TRUE(start(signer.url()));
    const auto gone = start("http://127.0.0.1:" + std::to_string(test::free_port()));
    ASSERT_FALSE(gone);
    EXPECT_NE(gone.error().detail.find("remote signer"), std::string::npos);
    test::fake_webhook other;
    test::fake_webhook::answer no;
    no.status = 401;
    no.body = R"({"error":{"message":"who are you"}})";
    other.answers(no);
    const auto refused = start(other.url("/hook/..")); // a server that knows no such path
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().detail.find("remote signer"), std::string::npos);
    remote_signer_options nowhere;
    nowhere.url = "ftp://x";
    EXPECT_FALSE(remote_signer_payments(nowhere, nullptr, nullptr, accounts, {}));
}

TEST(payments_conformance, s32_an_answered_payment_renews_the_parameters_and_keeps_the_session) {
    rig rig;
    const auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    const auto before = rig.payee->info;
    rig.signer.pass(10s);
    ASSERT_TRUE(rig.pay(*session));
    const auto after = rig.payee->info;
    EXPECT_NE(after->tickets->recipient_rand_hash, before->tickets->recipient_rand_hash);
    EXPECT_EQ(after->token->session_id, before->token->session_id);
    EXPECT_EQ(after->token->token, before->token->token);
    EXPECT_EQ(after->transcoder, before->transcoder);
    // A refusal changes nothing and is a failure.
    rig.signer.pass(10s);
    rig.orchestrator.answer_next(500, "broken");
    const auto failed = rig.pay(*session);
    ASSERT_FALSE(failed);
    EXPECT_EQ(rig.payee->info, after);
}

TEST(payments_conformance, s34_payments_are_counted_once_and_when_they_were_taken) {
    rig rig;
    const auto session = rig.open();
    const auto headers = run_inline(session->start(live_start_units));
    EXPECT_EQ(rig.counted("livepeer_tickets_sent"), 0);
    session->settle(payment_session::sent::accepted, live_start_units);
    session->settle(payment_session::sent::accepted, live_start_units);
    const auto worth = *worth_of(headers->payment);
    EXPECT_GT(worth.tickets, 0u);
    EXPECT_EQ(rig.counted("livepeer_tickets_sent"), static_cast<double>(worth.tickets));
    EXPECT_NEAR(rig.counted("livepeer_ticket_value_sent"), gwei(worth.value), 1e-9);
    rig.signer.pass(100s);
    rig.orchestrator.answer_next(503, "busy");
    EXPECT_FALSE(rig.pay(*session));
    EXPECT_EQ(rig.counted("livepeer_tickets_sent"), static_cast<double>(worth.tickets));
}

TEST(remote_signer, a_payment_that_got_lost_is_sent_again_first) {
    rig rig;
    const auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.signer.pass(100s);
    rig.orchestrator.answer_next(502, "gateway in between", false);
    EXPECT_FALSE(rig.pay(*session));
    rig.signer.pass(100s);
    const auto again = rig.pay(*session);
    ASSERT_TRUE(again) << again.error().detail;
    const auto seen = rig.orchestrator.seen();
    ASSERT_EQ(seen.size(), 3u); // lost, the same again, the next
    EXPECT_EQ(seen[1].status, 200u);
    EXPECT_EQ(seen[2].status, 200u);
    std::size_t tickets = 0;
    for (const auto& one : seen)
        tickets += one.nonces.size();
    EXPECT_EQ(
        rig.orchestrator.balance(rig.signer.address(), "manifest1"),
        amount(expected_value(1'000'000'000, max_uint256() / 10) * tickets)
    );
}

TEST(remote_signer, a_payment_whose_answer_got_lost_is_not_paid_twice) {
    rig rig;
    const auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.signer.pass(100s);
    rig.orchestrator.answer_next(502, "gateway in between", true);
    EXPECT_FALSE(rig.pay(*session));
    rig.signer.pass(100s);
    const auto again = rig.pay(*session);
    ASSERT_TRUE(again) << again.error().detail;
    const auto seen = rig.orchestrator.seen();
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_NE(seen[1].text.find("already seen"), std::string::npos);
    EXPECT_EQ(seen[2].status, 200u);
}

TEST(remote_signer, refused_parameters_are_renewed_before_the_next_payment) {
    rig rig;
    const auto session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.signer.pass(100s);
    rig.orchestrator.answer_next(400, "invalid recipientRand for ticket recipientRandHash");
    EXPECT_FALSE(rig.pay(*session));
    EXPECT_EQ(rig.payee->refreshes, 0);
    rig.signer.pass(100s);
    EXPECT_TRUE(rig.pay(*session));
    EXPECT_EQ(rig.payee->refreshes, 1);
}

TEST(remote_signer, those_who_ask_no_money_get_the_bare_header) {
    rig rig(priced(0));
    const auto session = rig.open();
    const auto headers = run_inline(session->start(live_start_units));
    ASSERT_TRUE(headers);
    EXPECT_EQ(headers->payment, "");
    EXPECT_FALSE(session->is_paid());
    EXPECT_TRUE(rig.signer.asked().empty());
}

TEST(remote_signer, a_price_that_rose_above_the_cap_is_not_paid) {
    rig rig;
    rig.payee->price_refusal = "its price is above the cap";
    auto session = rig.open();
    const auto start = run_inline(session->start(live_start_units));
    ASSERT_FALSE(start);
    EXPECT_EQ(start.error().code, errc::payment_refused);
    EXPECT_NE(start.error().detail.find("above the cap"), std::string::npos);
    rig.payee->price_refusal.clear();
    session = rig.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    rig.payee->price_refusal = "its price is above the cap";
    rig.signer.pass(10s);
    const auto later = rig.pay(*session);
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().code, errc::payment_refused) << "the job goes elsewhere";
    EXPECT_EQ(rig.counted("livepeer_payment_create_errors"), 2);
}

TEST(remote_signer, a_signers_outage_is_no_fault_of_the_orchestrator) {
    rig rig;
    remote_signer_options options;
    options.url = "http://127.0.0.1:" + std::to_string(test::free_port());
    const auto session = signer_session(
        *signer_client::create(options),
        std::make_unique<test::fake_payee>(rig.payee),
        rig.accounts,
        rig.signer.address()
    );
    const auto start = run_inline(session->start(live_start_units));
    ASSERT_FALSE(start);
    EXPECT_EQ(start.error().code, errc::payment_refused);
}

TEST(remote_signer, batch_requests_are_paid_by_their_units) {
    rig rig;
    rig.payee->capability = session::capability::text_to_image;
    rig.payee->model = "model";
    const auto session = rig.open();
    const auto headers = run_inline(session->start(1'000'000));
    ASSERT_TRUE(headers) << headers.error().detail;
    EXPECT_EQ(rig.post_start(*headers, "/text-to-image"), 200u);
    EXPECT_EQ(rig.signer.asked().back().body.at("inPixels").to_number<int>(), 1'000'000);
    EXPECT_EQ(rig.orchestrator.seen().back().manifest, "27_model");
}

// --- the loop
// ---------------------------------------------------------------------------------------------

class scripted_session final : public payment_session {
  public:
    awaitable<outcome<job_headers>> start(work_units) override { co_return job_headers(); }

    awaitable<outcome<paid>> pay(work_units units, std::string) override {
        asked.push_back(units);
        if (takes > 0ms) {
            asio::steady_timer timer(co_await asio::this_coro::executor, takes);
            const auto [ec] = co_await timer.async_wait(as_tuple);
            cut_short = bool(ec);
            if (ec)
                co_return failure(errc::cancelled, "stopped");
            ++finished;
        }
        if (answer)
            co_return answer();
        co_return paid::yes;
    }

    void settle(sent, work_units) override {}

    bool is_paid() const override { return costs; }

    boost::json::object status() const override { return {}; }

    bool costs = true;
    duration takes{0};
    int finished = 0;
    bool cut_short = false;
    std::vector<work_units> asked;
    std::function<outcome<paid>()> answer;
};

struct loop_rig {
    asio::io_context context;
    scripted_session session;
    std::vector<std::string> troubles, refusals;
    std::unique_ptr<live_payer> payer;

    void start(duration interval) {
        live_payer_options options;
        options.interval = interval;
        live_payer::listener told;
        told.trouble = [this](const std::string& text) { troubles.push_back(text); };
        told.refused = [this](const std::string& text) { refusals.push_back(text); };
        payer = std::make_unique<live_payer>(
            context.get_executor(), session, "m", options, std::move(told), logger()
        );
    }

    // Segments every 20 ms for `time`.
    void stream(duration time) {
        const auto until = steady_clock::now() + time;
        while (steady_clock::now() < until) {
            payer->segment_begun(steady_clock::now());
            context.run_for(20ms);
            context.restart();
        }
    }

    void close(duration limit = 1s) {
        asio::co_spawn(context, payer->close(limit), asio::detached);
        context.run_for(2s);
    }
};

TEST(payments_conformance, s33_nothing_is_paid_to_those_who_ask_nothing) {
    loop_rig rig;
    rig.session.costs = false;
    rig.start(100ms);
    rig.stream(300ms);
    EXPECT_TRUE(rig.session.asked.empty());
    rig.close();
}

TEST(payments_conformance, s33_a_session_knows_whether_its_orchestrator_costs_money) {
    rig free(priced(0));
    auto session = free.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    EXPECT_FALSE(session->is_paid());
    rig paid;
    session = paid.open();
    ASSERT_TRUE(run_inline(session->start(live_start_units)));
    EXPECT_TRUE(session->is_paid());
}

TEST(live_payer, pays_while_segments_come_and_not_otherwise) {
    loop_rig rig;
    rig.start(100ms);
    rig.stream(450ms);
    const auto count = rig.session.asked.size();
    EXPECT_GE(count, 2u);
    EXPECT_LE(count, 4u);
    rig.context.run_for(500ms);
    rig.context.restart();
    EXPECT_LE(rig.session.asked.size(), count + 1);
    rig.close();
}

TEST(live_payer, counts_the_videos_own_pixels_when_told_to) {
    loop_rig rig;
    live_payer_options options;
    options.interval = 100ms;
    options.real_pixels = true;
    rig.payer = std::make_unique<live_payer>(
        rig.context.get_executor(), rig.session, "m", options, live_payer::listener(), logger()
    );
    rig.payer->video(640, 360, 0); // the rate is not known yet: the network's constant stays
    rig.stream(150ms);
    ASSERT_EQ(rig.session.asked.size(), 1u);
    EXPECT_GE(rig.session.asked[0], live_units_per_second / 10);
    rig.payer->video(64, 36, 10);
    rig.stream(150ms);
    rig.payer->video(64, 36, 10);
    rig.stream(150ms);
    ASSERT_GE(rig.session.asked.size(), 3u);
    EXPECT_LE(rig.session.asked.back(), 64 * 36 * 10);
    rig.close();
}

TEST(live_payer, a_payment_under_way_may_end_before_the_job_does) {
    loop_rig rig;
    rig.session.takes = 150ms;
    rig.start(100ms);
    rig.stream(130ms);
    ASSERT_EQ(rig.session.asked.size(), 1u);
    rig.close(1s);
    EXPECT_EQ(rig.session.finished, 1);
    EXPECT_EQ(rig.session.asked.size(), 1u);
}

TEST(live_payer, but_does_not_hold_it_up) {
    loop_rig rig;
    rig.session.takes = 60s;
    rig.start(100ms);
    rig.stream(130ms);
    ASSERT_EQ(rig.session.asked.size(), 1u);
    rig.close(50ms);
    EXPECT_TRUE(rig.session.cut_short);
    EXPECT_TRUE(rig.troubles.empty());
}

TEST(live_payer, tells_of_trouble_and_bills_it_later) {
    loop_rig rig;
    rig.session.answer = [&]() -> outcome<payment_session::paid> {
        return failure(errc::connect_failed, "the signer is away");
    };
    rig.start(100ms);
    rig.stream(400ms);
    ASSERT_FALSE(rig.troubles.empty());
    EXPECT_EQ(rig.troubles[0], "the signer is away");
    EXPECT_TRUE(rig.refusals.empty());
    ASSERT_GE(rig.session.asked.size(), 2u);
    EXPECT_GT(rig.session.asked[1], rig.session.asked[0]);
    rig.close();
}

TEST(payments_conformance, s23_a_refused_payment_ends_the_loop_at_once) {
    loop_rig rig;
    rig.session.answer = [&]() -> outcome<payment_session::paid> {
        return failure(errc::payment_refused, "over the price limit");
    };
    rig.start(100ms);
    rig.stream(400ms);
    EXPECT_EQ(rig.session.asked.size(), 1u);
    ASSERT_EQ(rig.refusals.size(), 1u);
    EXPECT_EQ(rig.refusals[0], "over the price limit");
    rig.close();
}

} // namespace
} // namespace rivulet::payment
