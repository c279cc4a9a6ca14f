// GetOrchestrator over real sockets.
#include "http/server.hpp"
#include "http/tls.hpp"
#include "session/acceptance.hpp"
#include "session/grpc_info.hpp"
#include "support/fake_network.hpp"
#include "support/run_on.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;
using test::fake_network;
using test::node_reply;
using test::node_transport;
using testing::HasSubstr;
using testing::Not;

constexpr auto live = capability::live_video_to_video;

grpc_info_options with(http::tls_verify verify) {
    grpc_info_options options;
    options.verify = verify;
    return options;
}

struct asker {
    explicit asker(grpc_info_options options = grpc_info_options())
        : source(grpc_info::create(options, logger("test")).value()) {}

    asio::any_io_executor home() { return threads.at(0).get_executor(); }

    outcome<info_answer> ask(const std::string& address, duration limit = 3s) {
        auto answer = asio::co_spawn(home(), keep(address, limit), asio::use_future);
        return answer.get();
    }

    // In the background.
    std::future<outcome<info_answer>> start(const std::string& address, duration limit) {
        return asio::co_spawn(home(), keep(address, limit), asio::use_future);
    }

    awaitable<outcome<info_answer>> keep(std::string address, duration limit) {
        info_question question;
        question.capabilities = wanted_capabilities(live, "noop");
        co_return co_await source->ask(address, std::move(question), limit);
    }

    shards threads{1};
    std::unique_ptr<grpc_info> source;
};

// Takes connections, says `greeting` if any, and nothing else.
class silent_port {
  public:
    explicit silent_port(std::string greeting = {})
        : acceptor_(threads_.at(0), {asio::ip::address_v4::loopback(), 0}),
          greeting_(std::move(greeting)) {
        port_ = acceptor_.local_endpoint().port();
        take();
    }

    ~silent_port() { threads_.stop(); }

    std::string url(const std::string& scheme) const {
        return scheme + "://127.0.0.1:" + std::to_string(port_);
    }

  private:
    void take() {
        acceptor_.async_accept([this](error_code ec, tcp::socket socket) {
            if (ec)
                return;
            auto kept = std::make_shared<tcp::socket>(std::move(socket));
            sockets_.push_back(kept);
            if (!greeting_.empty())
                asio::async_write(*kept, asio::buffer(greeting_), [kept](error_code, std::size_t) {
                });
            take();
        });
    }

    shards threads_{1};
    tcp::acceptor acceptor_;
    const std::string greeting_;
    std::uint16_t port_ = 0;
    std::vector<std::shared_ptr<tcp::socket>> sockets_;
};

duration since(time_point began) {
    return steady_clock::now() - began;
}

TEST(orchestrators_conformance, s1_off_chain_nobody_signs_on_the_wire) {
    fake_network network(1);
    asker gateway;
    ASSERT_TRUE(gateway.ask(network[0].address()));
    const auto question = network[0].last_question();
    EXPECT_EQ(question.caller.address, std::string(20, '\0'));
    EXPECT_EQ(question.caller.signature, "");
    EXPECT_FALSE(question.ignore_capacity);
}

TEST(orchestrators_conformance, s2_s3_bits_and_capacities_arrive) {
    fake_network network(1);
    asker gateway;
    ASSERT_TRUE(gateway.ask(network[0].address()));
    const auto wanted = network[0].last_question().capabilities.value();
    EXPECT_THAT(wanted.bits, testing::ElementsAre(0x804005FFFu));
    EXPECT_EQ(wanted.capacities.at(live), 1u);
    EXPECT_TRUE(wanted.find(live, "noop"));
}

TEST(orchestrators_conformance, s4_a_certificate_nobody_signed_is_taken) {
    fake_network network(1);
    asker gateway;
    auto got = gateway.ask(network[0].address());
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->info->transcoder, network[0].http_url());
    EXPECT_GT(got->latency.count(), 0);
}

TEST(orchestrators_conformance, s4_http_addresses_speak_http2_at_once) {
    fake_network network(1, node_transport::plain);
    asker gateway;
    ASSERT_THAT(network[0].address(), testing::StartsWith("http://"));
    auto got = gateway.ask(network[0].address());
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->info->transcoder, network[0].http_url());
}

// A port that takes the connection and says nothing is given up after the time for connecting,
// however long the caller would wait, and nobody else waits for it.
TEST(orchestrators_conformance, s5_a_silent_orchestrator_costs_the_time_for_connecting_only) {
    fake_network network(1);
    silent_port silent;
    auto options = grpc_info_options();
    EXPECT_LE(options.connect_limit, 3s);
    options.connect_limit = 700ms;
    asker gateway(options);
    const auto began = steady_clock::now();
    auto hopeless = gateway.start(silent.url("https"), 10s);
    auto got = gateway.ask(network[0].address(), 10s);
    EXPECT_TRUE(got);
    EXPECT_LT(since(began), 600ms);
    auto lost = hopeless.get();
    ASSERT_FALSE(lost);
    EXPECT_GE(since(began), 600ms);
    EXPECT_LT(since(began), 2s);
    EXPECT_THAT(lost.error().detail, HasSubstr(silent.url("https")));
}

TEST(orchestrators_conformance, s10_without_a_token_nobody_is_used) {
    fake_network network(1);
    asker gateway;
    auto info = network[0].offer(live, "noop");
    const blocklist nobody;
    const acceptance_rules rules{nobody};
    const auto wanted = wanted_capabilities(live, "noop");
    network[0].answer(info);
    auto good = gateway.ask(network[0].address());
    ASSERT_TRUE(good);
    EXPECT_EQ(rejection(*good->info, wanted, live, "noop", rules), "");
    info.token.reset();
    network[0].answer(info);
    auto bad = gateway.ask(network[0].address());
    ASSERT_TRUE(bad);
    EXPECT_THAT(rejection(*bad->info, wanted, live, "noop", rules), HasSubstr("token"));
}

TEST(discovery_wire, a_refused_connection_is_noticed_at_once) {
    std::string address;
    {
        fake_network network(1);
        address = network[0].address();
    }
    asker gateway;
    const auto began = steady_clock::now();
    auto got = gateway.ask(address);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::connect_failed);
    EXPECT_EQ(got.error().detail, "can't connect to " + address + ": connection refused");
    EXPECT_LT(since(began), 1s);
}

TEST(discovery_wire, one_connection_serves_all_questions) {
    fake_network network(1);
    asker gateway;
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(gateway.ask(network[0].address()));
    EXPECT_EQ(network[0].questions(), 5u);
    EXPECT_EQ(network[0].connections(), 1u);
    EXPECT_EQ(gateway.source->kept(), 1u);
}

TEST(discovery_wire, at_most_so_many_connections_are_kept) {
    fake_network network(3, node_transport::plain);
    grpc_info_options options;
    options.max_kept = 2;
    asker gateway(options);
    for (const auto* i : {"a", "b"}) {
        SCOPED_TRACE(i);
        for (const auto& address : network.addresses())
            EXPECT_TRUE(gateway.ask(address));
    }
    EXPECT_EQ(gateway.source->kept(), 2u);
}

TEST(discovery_wire, an_orchestrator_that_comes_back_is_there_for_the_next_question) {
    fake_network network(1);
    asker gateway;
    ASSERT_TRUE(gateway.ask(network[0].address()));
    network[0].stop();
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(gateway.ask(network[0].address()).error().code, errc::connect_failed);
    network[0].restart();
    auto got = gateway.ask(network[0].address());
    EXPECT_TRUE(got) << got.error().detail;
}

TEST(discovery_wire, a_new_certificate_replaces_the_pin) {
    fake_network network(1);
    asker gateway;
    ASSERT_TRUE(gateway.ask(network[0].address()));
    const auto authority = network[0].address().substr(8);
    const auto first = http::forget_pin(authority);
    EXPECT_EQ(first.size(), 64u);
    EXPECT_TRUE(http::check_pin(authority, first));
    network[0].restart();
    auto got = gateway.ask(network[0].address());
    ASSERT_TRUE(got) << got.error().detail;
    const auto second = http::forget_pin(authority);
    EXPECT_EQ(second.size(), 64u);
    EXPECT_NE(second, first);
}

// Jobs go to another name of the same orchestrator: HTTP would refuse its new certificate for ever.
TEST(discovery_wire, a_new_certificate_is_new_under_the_name_for_jobs_too) {
    fake_network network(1);
    auto info = network[0].offer(live, "noop");
    info.transcoder = "https://jobs.example:8935";
    network[0].answer(info);
    asker gateway;
    ASSERT_TRUE(gateway.ask(network[0].address()));
    EXPECT_TRUE(http::check_pin("jobs.example:8935", "old"));
    ASSERT_TRUE(gateway.ask(network[0].address()));
    EXPECT_FALSE(http::check_pin("jobs.example:8935", "new"));
    network[0].restart();
    ASSERT_TRUE(gateway.ask(network[0].address()));
    EXPECT_TRUE(http::check_pin("jobs.example:8935", "new"));
    http::forget_pin("jobs.example:8935");
}

TEST(discovery_wire, a_full_check_refuses_what_nobody_signed) {
    fake_network network(1);
    asker strict(with(http::tls_verify::full));
    auto got = strict.ask(network[0].address());
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::tls_failed) << got.error().detail;
    EXPECT_THAT(got.error().detail, HasSubstr(network[0].address()));

    auto options = with(http::tls_verify::full);
    options.ca_file = network[0].certificate();
    asker trusting(options);
    auto good = trusting.ask(network[0].address());
    EXPECT_TRUE(good) << good.error().detail;
}

TEST(discovery_wire, a_bad_ca_file_is_an_error_at_the_start) {
    auto options = with(http::tls_verify::full);
    options.ca_file = "/no/such/file.pem";
    auto made = grpc_info::create(options, logger("test"));
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().detail, HasSubstr("/no/such/file.pem"));
    options.ca_file = "/etc/hostname";
    EXPECT_FALSE(grpc_info::create(options, logger("test")));
}

TEST(discovery_wire, without_a_check_any_certificate_is_taken_and_none_remembered) {
    fake_network network(1);
    asker gateway(with(http::tls_verify::none));
    http::forget_pin(network[0].address().substr(8)); // another test may have had this port
    ASSERT_TRUE(gateway.ask(network[0].address()));
    network[0].restart();
    EXPECT_TRUE(gateway.ask(network[0].address()));
    EXPECT_EQ(http::forget_pin(network[0].address().substr(8)), "");
}

TEST(discovery_wire, a_refusal_is_told_in_the_orchestrators_words) {
    fake_network network(1);
    network[0].refuse("Invalid orchestrator request: OrchestratorCapped");
    asker gateway;
    auto got = gateway.ask(network[0].address());
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::http_status);
    EXPECT_EQ(
        got.error().detail,
        network[0].address() + " refuses: Invalid orchestrator request: OrchestratorCapped"
    );
    EXPECT_EQ(gateway.source->kept(), 1u); // the connection is good
}

TEST(discovery_wire, the_limit_holds_for_the_answer_too) {
    fake_network network(1);
    node_reply late;
    late.info = network[0].offer(live, "noop");
    late.delay = 5s;
    network[0].answer(late);
    asker gateway;
    const auto began = steady_clock::now();
    auto got = gateway.ask(network[0].address(), 400ms);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::timed_out);
    EXPECT_EQ(got.error().detail, network[0].address() + " did not answer in time");
    EXPECT_GE(since(began), 350ms);
    EXPECT_LT(since(began), 2s);
}

TEST(discovery_wire, a_cancelled_question_ends_at_once) {
    fake_network network(1);
    node_reply never;
    never.hang = true;
    network[0].answer(never);
    asker gateway;
    asio::cancellation_signal signal;
    std::promise<error_code> ended;
    asio::co_spawn(
        gateway.home(),
        gateway.keep(network[0].address(), 20s),
        asio::bind_cancellation_slot(
            signal.slot(),
            [&](std::exception_ptr, outcome<info_answer> got) {
                ended.set_value(got ? error_code() : got.error().code);
            }
        )
    );
    while (network[0].questions() == 0)
        std::this_thread::sleep_for(5ms);
    const auto began = steady_clock::now();
    asio::post(gateway.home(), [&] { signal.emit(asio::cancellation_type::all); });
    EXPECT_EQ(ended.get_future().get(), errc::cancelled);
    EXPECT_LT(since(began), 1s);
}

TEST(discovery_wire, stopping_ends_what_is_asked_and_refuses_more) {
    fake_network network(1);
    node_reply never;
    never.hang = true;
    network[0].answer(never);
    asker gateway;
    auto pending = gateway.start(network[0].address(), 20s);
    while (network[0].questions() == 0)
        std::this_thread::sleep_for(5ms);
    const auto began = steady_clock::now();
    gateway.source->stop();
    const auto ended = pending.get();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, errc::cancelled);
    const auto refused = gateway.ask(network[0].address());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::cancelled);
    EXPECT_EQ(network[0].questions(), 1u);
    EXPECT_LT(since(began), 2s);
}

TEST(discovery_wire, an_orchestrator_that_goes_ends_the_question) {
    fake_network network(1);
    node_reply never;
    never.hang = true;
    network[0].answer(never);
    asker gateway;
    auto open = gateway.start(network[0].address(), 20s);
    while (network[0].questions() == 0)
        std::this_thread::sleep_for(5ms);
    const auto began = steady_clock::now();
    network[0].stop();
    EXPECT_FALSE(open.get());
    EXPECT_LT(since(began), 2s);
}

TEST(discovery_wire, whoever_signs_is_named_in_the_next_question) {
    fake_network network(1);
    asker gateway;
    caller_identity caller;
    caller.address = std::string(20, '\x42');
    caller.signature = std::string(65, '\x07');
    gateway.source->identify(caller);
    ASSERT_TRUE(gateway.ask(network[0].address()));
    EXPECT_EQ(network[0].last_question().caller.address, caller.address);
    EXPECT_EQ(network[0].last_question().caller.signature, caller.signature);
}

TEST(discovery_wire, rubbish_is_named_and_its_sender_too) {
    fake_network network(1, node_transport::plain);
    node_reply reply;
    asker gateway;
    for (const auto& raw : {std::string("<html>"), std::string(2u << 20, '\0')}) {
        reply.raw = raw;
        network[0].answer(reply);
        auto got = gateway.ask(network[0].address());
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error().code, errc::protocol_violation) << got.error().detail;
        EXPECT_THAT(got.error().detail, HasSubstr(network[0].address()));
    }
}

TEST(discovery_wire, a_web_server_is_recognized) {
    shards threads(1);
    http::server web(threads, {}, logger("web"));
    const auto plain = web.listen("127.0.0.1:0").value();
    const auto tls = web.listen("127.0.0.1:0", http::self_signed_tls("127.0.0.1").value()).value();
    asker gateway;
    auto got = gateway.ask("http://127.0.0.1:" + std::to_string(plain));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::protocol_violation);
    EXPECT_THAT(got.error().detail, HasSubstr("speaks HTTP/1, discovery needs HTTP/2"));
    got = gateway.ask("https://127.0.0.1:" + std::to_string(tls));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::tls_failed);
    EXPECT_THAT(got.error().detail, HasSubstr("offers no HTTP/2 over TLS"));
    web.stop(0ms);
}

TEST(discovery_wire, noise_instead_of_http2_ends_the_question) {
    asker gateway;
    for (const std::string greeting :
         {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\x16\x03\x01\xff\xff"}) {
        silent_port noisy(greeting);
        for (const auto* scheme : {"http", "https"}) {
            const auto began = steady_clock::now();
            auto got = gateway.ask(noisy.url(scheme), 1500ms);
            ASSERT_FALSE(got);
            EXPECT_NE(got.error().code, errc::http_status) << got.error().detail;
            EXPECT_THAT(got.error().detail, HasSubstr(noisy.url(scheme)));
            EXPECT_LT(since(began), 3s);
        }
    }
}

TEST(discovery_wire, an_address_without_meaning_is_refused) {
    asker gateway;
    EXPECT_EQ(gateway.ask("nonsense").error().code, errc::invalid_argument);
}

} // namespace
} // namespace rivulet::session
