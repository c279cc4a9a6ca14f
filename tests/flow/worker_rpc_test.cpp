// Discovery over gRPC on the port that also serves REST and trickle, asked by grpc++ itself.
#include "base/base64.hpp"
#include "http/client.hpp"
#include "worker/service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ctime>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <livepeer.grpc.pb.h>
#include <thread>

namespace rivulet::worker {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<grpc::ChannelCredentials> unchecked_tls() {
    grpc::experimental::TlsChannelCredentialsOptions options;
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
    options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>()
    );
    return grpc::experimental::TlsCredentials(options);
}

net::OrchestratorRequest question(const std::string& model) {
    net::OrchestratorRequest asked;
    asked.set_address(std::string(20, '\0'));
    auto& wanted = *asked.mutable_capabilities();
    wanted.add_bitstring(std::uint64_t{1} << 35);
    (*wanted.mutable_capacities())[35] = 1;
    (*(*wanted.mutable_constraints()->mutable_percapability())[35].mutable_models())[model];
    return asked;
}

class worker_rpc : public testing::Test {
  protected:
    void start(service_options options = {}) {
        options.service_addr = "127.0.0.1:0";
        secure_ = options.tls_self_signed;
        node_.emplace(shards_, std::move(options), logger("test"));
        auto port = node_->start();
        ASSERT_TRUE(port) << port.error().detail;
        port_ = *port;
        channel_ = grpc::CreateChannel(
            fmt::format("127.0.0.1:{}", port_),
            secure_ ? unchecked_tls() : grpc::InsecureChannelCredentials()
        );
    }

    void TearDown() override {
        if (node_)
            node_->stop(1s);
        node_.reset();
        shards_.stop();
    }

    // The error's text; empty when it was answered.
    std::string ask(const net::OrchestratorRequest& asked, net::OrchestratorInfo& info) {
        grpc::ClientContext call;
        call.set_deadline(std::chrono::system_clock::now() + 5s);
        const auto status =
            net::Orchestrator::NewStub(channel_)->GetOrchestrator(&call, asked, &info);
        return status.ok() ? "" : status.error_message();
    }

    http::response
    request(http::verb method, std::string target, std::string body, http::header_list headers) {
        http::client_options options;
        options.tls = http::client_tls(http::tls_verify::none).value();
        auto asking = http::fetch(
            options, method, node_->url() + target, std::move(headers), std::move(body), 5s, 1 << 20
        );
        auto reply = asio::co_spawn(shards_.at(0), std::move(asking), asio::use_future).get();
        EXPECT_TRUE(reply) << reply.error().detail;
        return reply ? std::move(*reply) : http::response{};
    }

    http::response post_job(std::string model, http::header_list headers = {}) {
        return request(
            http::verb::post,
            "/live-video-to-video",
            R"({"model_id":")" + model + R"("})",
            std::move(headers)
        );
    }

    shards shards_{2};
    std::optional<service> node_;
    std::uint16_t port_ = 0;
    bool secure_ = false;
    std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(worker_rpc, says_what_it_can_do) {
    start();
    net::OrchestratorInfo info;
    ASSERT_EQ(ask(question("noop"), info), "");
    EXPECT_EQ(info.transcoder(), fmt::format("http://127.0.0.1:{}", port_));
    EXPECT_EQ(info.address(), std::string(20, '\0'));
    EXPECT_EQ(info.auth_token().token().size(), 32u);
    EXPECT_EQ(info.auth_token().session_id().size(), 8u);
    EXPECT_NEAR(info.auth_token().expiration(), std::time(nullptr) + 1800, 5);
    EXPECT_FALSE(info.has_price_info());
    EXPECT_FALSE(info.has_ticket_params());
    ASSERT_EQ(info.capabilities().bitstring_size(), 1);
    const auto bits = info.capabilities().bitstring(0);
    const auto batch = std::uint64_t{0b1111111111} << 27 & ~(std::uint64_t{1} << 35);
    EXPECT_EQ(bits & ~batch, 34426871807u);
    // Pictures are always there; nothing here understands sam2 and llm.
    EXPECT_EQ(bits >> 27 & 0b1111, 0b1111u);
    EXPECT_EQ(bits >> 32 & 0b11, 0u);
    const auto& table = info.capabilities().constraints().percapability();
    EXPECT_TRUE(table.at(27).models().contains("rivulet/testcard"));
    EXPECT_TRUE(table.at(29).models().at("rivulet/kenburns").warm());
    EXPECT_FALSE(table.contains(33));
    EXPECT_EQ(info.capabilities().version(), RIVULET_VERSION);
    const auto& live = info.capabilities().constraints().percapability().at(35).models();
    ASSERT_TRUE(live.contains("noop"));
    EXPECT_TRUE(live.at("noop").warm());
    EXPECT_GT(live.at("noop").capacity(), 0u);
    EXPECT_EQ(live.at("noop").capacityinuse(), 0u);
    EXPECT_EQ(live.at("passthrough").capacity(), 4000u);
}

TEST_F(worker_rpc, answers_over_tls_on_the_port_of_its_https) {
    service_options options;
    options.tls_self_signed = true;
    start(std::move(options));
    net::OrchestratorInfo info;
    ASSERT_EQ(ask(question("noop"), info), "");
    EXPECT_EQ(info.transcoder(), fmt::format("https://127.0.0.1:{}", port_));
    const auto job = post_job("passthrough");
    ASSERT_EQ(job.status, http::status::ok) << job.body;
    EXPECT_TRUE(job.body.find(info.transcoder() + "/ai/trickle/") != std::string::npos) << job.body;
    ASSERT_EQ(ask(question("noop"), info), "");
}

TEST_F(worker_rpc, every_answer_begins_a_session_of_its_own) {
    start();
    net::OrchestratorInfo first, second;
    ASSERT_EQ(ask(question("noop"), first), "");
    ASSERT_EQ(ask(question("noop"), second), "");
    EXPECT_NE(first.auth_token().session_id(), second.auth_token().session_id());
}

TEST_F(worker_rpc, counts_what_is_in_use_and_refuses_when_it_is_full) {
    service_options options;
    options.orchestrator.passthrough_jobs = 2;
    start(std::move(options));
    ASSERT_EQ(post_job("passthrough").status, http::status::ok);
    net::OrchestratorInfo info;
    ASSERT_EQ(ask(question("passthrough"), info), "");
    const auto row =
        info.capabilities().constraints().percapability().at(35).models().at("passthrough");
    EXPECT_EQ(row.capacity(), 1u);
    EXPECT_EQ(row.capacityinuse(), 1u);
    ASSERT_EQ(post_job("passthrough").status, http::status::ok);
    EXPECT_EQ(
        ask(question("passthrough"), info), "Invalid orchestrator request: OrchestratorCapped"
    );
    auto urgent = question("passthrough");
    urgent.set_ignorecapacitycheck(true);
    EXPECT_EQ(ask(urgent, info), "");
    EXPECT_EQ(ask(question("noop"), info), "") << "another model has places of its own";
}

TEST_F(worker_rpc, a_model_that_is_not_here_has_no_room) {
    start();
    net::OrchestratorInfo info;
    EXPECT_EQ(ask(question("dreams"), info), "Invalid orchestrator request: OrchestratorCapped");
}

TEST_F(worker_rpc, jobs_show_the_token_where_it_is_asked_for) {
    service_options options;
    options.orchestrator.check_tokens = true;
    start(std::move(options));
    net::OrchestratorInfo info;
    ASSERT_EQ(ask(question("passthrough"), info), "");
    net::SegData data;
    *data.mutable_auth_token() = info.auth_token();
    const auto header = [&] {
        return http::header_list{{"Livepeer-Segment", to_base64(data.SerializeAsString())}};
    };
    EXPECT_EQ(post_job("passthrough", header()).status, http::status::ok);

    auto refused = post_job("passthrough");
    EXPECT_EQ(refused.status, http::status::forbidden);
    EXPECT_EQ(refused.body, "missing auth token\n");
    data.mutable_auth_token()->set_expiration(info.auth_token().expiration() + 1);
    refused = post_job("passthrough", header());
    EXPECT_EQ(refused.status, http::status::forbidden);
    EXPECT_EQ(refused.body, "invalid auth token\n");
    refused = post_job("passthrough", {{"Livepeer-Segment", "?"}});
    EXPECT_EQ(refused.status, http::status::forbidden);
    EXPECT_EQ(refused.body, "ErrorSegEncoding\n");
}

TEST_F(worker_rpc, says_what_a_model_costs) {
    service_options options;
    options.price_per_unit = "5";
    options.price_per_capability =
        R"({"capabilities_prices":[{"pipeline":"live-video-to-video","model_id":"avfilter",)"
        R"("price_per_unit":7,"pixels_per_unit":2}]})";
    start(std::move(options));
    net::OrchestratorInfo info;
    ASSERT_EQ(ask(question("avfilter"), info), "");
    EXPECT_EQ(info.price_info().priceperunit(), 7);
    EXPECT_EQ(info.price_info().pixelsperunit(), 2);
    EXPECT_EQ(info.capabilities_prices_size(), 0);
    EXPECT_FALSE(info.has_ticket_params());
    ASSERT_EQ(ask(question("noop"), info), "");
    EXPECT_EQ(info.price_info().priceperunit(), 5);

    net::OrchestratorRequest everything;
    ASSERT_EQ(ask(everything, info), "");
    EXPECT_EQ(info.price_info().priceperunit(), 5);
    ASSERT_GE(info.capabilities_prices_size(), 7); // live, and the batch models of pictures
    EXPECT_EQ(info.capabilities_prices(2).capability(), 35u);
    EXPECT_EQ(info.capabilities_prices(2).constraint(), "avfilter");
    EXPECT_EQ(info.capabilities_prices(2).priceperunit(), 7);
}

TEST_F(worker_rpc, a_price_that_cannot_be_read_is_no_price_of_zero) {
    service_options options;
    options.service_addr = "127.0.0.1:0";
    options.price_per_unit = "cheap";
    service node(shards_, std::move(options), logger("test"));
    EXPECT_FALSE(node.start());
}

TEST_F(worker_rpc, names_its_siblings_and_its_public_address) {
    service_options options;
    options.orchestrator.public_url = "https://worker.example:8936/";
    options.orchestrator.nodes = {"https://second.example:8936"};
    start(std::move(options));
    net::OrchestratorInfo info;
    ASSERT_EQ(ask(question("noop"), info), "");
    EXPECT_EQ(info.transcoder(), "https://worker.example:8936");
    ASSERT_EQ(info.nodes_size(), 1);
    EXPECT_EQ(info.nodes(0), "https://second.example:8936");
}

TEST_F(worker_rpc, answers_a_ping) {
    start();
    grpc::ClientContext call;
    net::PingPong sent, got;
    sent.set_value("abc");
    const auto status = net::Orchestrator::NewStub(channel_)->Ping(&call, sent, &got);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(got.value(), "abc");
}

TEST_F(worker_rpc, a_preface_that_comes_in_drops_is_understood) {
    start();
    asio::io_context context;
    tcp::socket socket(context);
    socket.connect({asio::ip::make_address("127.0.0.1"), port_});
    using namespace std::string_literals;
    const auto hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"s + "\0\0\0\4\0\0\0\0\0"s;
    for (const char each : hello) {
        asio::write(socket, asio::buffer(&each, 1));
        std::this_thread::sleep_for(1ms);
    }
    std::array<unsigned char, 9> frame{};
    asio::read(socket, asio::buffer(frame));
    EXPECT_EQ(frame[3], 4) << "the server's settings";
}

TEST_F(worker_rpc, a_node_that_stops_ends_its_calls_connections) {
    start();
    net::OrchestratorInfo info;
    ASSERT_EQ(ask(question("noop"), info), "");
    const auto began = steady_clock::now();
    node_->stop(5s);
    EXPECT_LT(steady_clock::now() - began, 3s);
    EXPECT_NE(ask(question("noop"), info), "");
}

} // namespace
} // namespace rivulet::worker
