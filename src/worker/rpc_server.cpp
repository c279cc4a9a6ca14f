#include "worker/rpc_server.hpp"

#include <chrono>
#include <ctime>
#include <fcntl.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <livepeer.grpc.pb.h>
#include <mutex>
#include <unistd.h>

namespace rivulet::worker {

namespace {

constexpr int message_limit = 1 << 20;
constexpr int threads = 4;
constexpr std::size_t memory = 64u << 20;
constexpr int calls_per_connection = 64;
constexpr int idle_ms = 5 * 60 * 1000;
constexpr auto stop_limit = std::chrono::seconds(1);

std::string text_of(grpc::string_ref text) {
    return {text.data(), text.size()};
}

class orchestrator_rpcs final : public net::Orchestrator::Service {
  public:
    orchestrator_rpcs(
        rpc_server::describe offer, std::shared_ptr<const token_mint> tokens, logger log
    )
        : offer_(std::move(offer)), tokens_(std::move(tokens)), log_(std::move(log)) {}

    grpc::Status GetOrchestrator(
        grpc::ServerContext* call,
        const net::OrchestratorRequest* request,
        net::OrchestratorInfo* reply
    ) override {
        const auto authority = text_of(call->ExperimentalGetAuthority());
        const auto offer = offer_(authority);
        const auto token = tokens_->make(std::time(nullptr));
        const auto made = answer_discovery(offer, request->SerializeAsString(), token);
        if (!made) {
            log_.info("discovery: {}", made.error().detail);
            return {grpc::StatusCode::UNKNOWN, made.error().detail};
        }
        reply->ParseFromString(*made);
        log_.debug("discovery: answered, session {}", token.session_id);
        return grpc::Status::OK;
    }

    // Transcoding sessions hold nothing here.
    grpc::Status
    EndTranscodingSession(grpc::ServerContext*, const net::EndTranscodingSessionRequest* request, net::EndTranscodingSessionResponse*)
        override {
        const auto& token = request->auth_token();
        const auto fault = tokens_->fault(
            {token.token(), token.session_id(), token.expiration()}, std::time(nullptr)
        );
        if (!fault.empty())
            return {grpc::StatusCode::UNKNOWN, std::string(fault)};
        return grpc::Status::OK;
    }

    grpc::Status
    Ping(grpc::ServerContext*, const net::PingPong* request, net::PingPong* reply) override {
        reply->set_value(request->value());
        return grpc::Status::OK;
    }

  private:
    rpc_server::describe offer_;
    std::shared_ptr<const token_mint> tokens_;
    logger log_;
};

} // namespace

struct rpc_server::impl {
    impl(describe offer, std::shared_ptr<const token_mint> tokens, logger l)
        : log(l), service(std::move(offer), std::move(tokens), std::move(l)) {}

    logger log;
    orchestrator_rpcs service;
    std::mutex guard; // of server
    std::unique_ptr<grpc::Server> server;
};

rpc_server::rpc_server(describe offer, std::shared_ptr<const token_mint> tokens, logger log)
    : impl_(std::make_unique<impl>(std::move(offer), std::move(tokens), std::move(log))) {
    grpc::ResourceQuota quota("orchestrator");
    quota.Resize(memory);
    quota.SetMaxThreads(threads);
    grpc::ServerBuilder builder;
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(message_limit);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, calls_per_connection);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, idle_ms);
    builder.RegisterService(&impl_->service);
    impl_->server = builder.BuildAndStart();
    if (!impl_->server)
        impl_->log.error("gRPC does not start; gateways can't ask this node");
}

rpc_server::~rpc_server() {
    stop();
}

void rpc_server::take(int socket) {
    const std::lock_guard lock(impl_->guard);
    const int flags = ::fcntl(socket, F_GETFL, 0);
    if (!impl_->server || flags < 0 || ::fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0) {
        ::close(socket);
        return;
    }
    grpc::AddInsecureChannelFromFd(impl_->server.get(), socket);
}

void rpc_server::stop() {
    std::unique_ptr<grpc::Server> server;
    {
        const std::lock_guard lock(impl_->guard);
        server = std::move(impl_->server);
    }
    if (!server)
        return;
    server->Shutdown(std::chrono::system_clock::now() + stop_limit);
    server->Wait();
}

} // namespace rivulet::worker
