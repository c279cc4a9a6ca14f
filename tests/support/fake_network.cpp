#include "support/fake_network.hpp"

#include "base/ids.hpp"

#include <atomic>
#include <fstream>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <iterator>
#include <set>
#include <stdexcept>

namespace rivulet::test {
namespace {

constexpr auto method = "/net.Orchestrator/GetOrchestrator";

std::string contents_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::string to_text(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    std::string text;
    if (buffer.Dump(&slices).ok())
        for (const auto& slice : slices)
            text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return text;
}

} // namespace

struct network_node::service {
    // One question. gRPC holds it until OnDone(), a delayed answer perhaps longer.
    class call final : public grpc::ServerGenericBidiReactor {
      public:
        call(service& owner, grpc::GenericCallbackServerContext* context)
            : owner_(owner), known_(context->method() == method) {
            owner_.came_from(context->peer());
        }

        static call* start(service& owner, grpc::GenericCallbackServerContext* context) {
            auto made = std::make_shared<call>(owner, context);
            made->self_ = made;
            if (made->known_)
                made->StartRead(&made->question_);
            else
                made->end({grpc::StatusCode::UNIMPLEMENTED, "unknown method"});
            return made.get();
        }

        void OnReadDone(bool ok) override {
            if (!ok)
                return end({grpc::StatusCode::INTERNAL, "no question"});
            auto reply = owner_.reply_to(to_text(question_));
            if (!reply)
                return end({grpc::StatusCode::INTERNAL, "no OrchestratorRequest"});
            if (reply->hang)
                return;
            if (reply->delay.count() == 0)
                return say(*reply);
            auto timer = std::make_shared<asio::steady_timer>(owner_.home_, reply->delay);
            timer->async_wait([timer, self = self_, reply = *reply](error_code) {
                self->say(reply);
            });
        }

        void OnCancel() override { end(grpc::Status::CANCELLED); }

        void OnDone() override { self_.reset(); }

      private:
        void say(const node_reply& reply) {
            if (!reply.refusal.empty())
                return end({grpc::StatusCode::UNKNOWN, reply.refusal});
            if (ended_.exchange(true))
                return;
            const grpc::Slice slice(reply.raw ? *reply.raw : session::to_protobuf(reply.info));
            answer_ = grpc::ByteBuffer(&slice, 1);
            StartWriteAndFinish(&answer_, grpc::WriteOptions(), grpc::Status::OK);
        }

        void end(const grpc::Status& status) {
            if (!ended_.exchange(true))
                Finish(status);
        }

        service& owner_;
        const bool known_;
        std::shared_ptr<call> self_;
        std::atomic<bool> ended_{false};
        grpc::ByteBuffer question_, answer_;
    };

    explicit service(asio::any_io_executor home) : home_(std::move(home)) {}

    // One per start: gRPC takes each only once.
    struct face final : grpc::CallbackGenericService {
        explicit face(service& o) : owner(o) {}

        grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context
        ) override {
            return call::start(owner, context);
        }

        service& owner;
    };

    std::optional<node_reply> reply_to(const std::string& text) {
        auto question = session::parse_info_request(text);
        if (!question)
            return {};
        script chosen;
        {
            const std::lock_guard lock(mutex);
            ++questions;
            last = *question;
            chosen = answer;
        }
        return chosen(*question);
    }

    void came_from(const std::string& peer) {
        const std::lock_guard lock(mutex);
        peers.insert(peer);
    }

    std::mutex mutex;
    script answer;
    std::size_t questions = 0;
    std::optional<session::received_question> last;
    std::set<std::string> peers;
    std::unique_ptr<face> listener;
    std::unique_ptr<grpc::Server> server;

  private:
    const asio::any_io_executor home_;
};

network_node::network_node(shards& threads, node_transport transport)
    : transport_(transport), service_(std::make_unique<service>(threads.at(0).get_executor())),
      front_(threads, {}, logger("fake network")) {
    for (const std::string path : {"/{a}", "/{a}/{b}", "/{a}/{b}/{c}"})
        for (const auto verb : {http::verb::get, http::verb::post})
            front_.route(verb, path, [this](const http::request& request) {
                return handle(request);
            });
    http_url_ = "http://127.0.0.1:" + std::to_string(front_.listen("127.0.0.1:0").value());
    answer(offer(session::capability::live_video_to_video, "noop"));
    start(0);
}

network_node::~network_node() {
    stop();
    front_.stop(std::chrono::milliseconds(100));
}

void network_node::start(int port) {
    grpc::ServerBuilder builder;
    auto credentials = grpc::InsecureServerCredentials();
    if (transport_ == node_transport::tls) {
        certificate_ = std::make_unique<certificate_files>("orchestrator " + random_hex(4));
        grpc::SslServerCredentialsOptions own;
        own.pem_key_cert_pairs.push_back(
            {contents_of(certificate_->key()), contents_of(certificate_->certificate())}
        );
        credentials = grpc::SslServerCredentials(own);
    }
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), credentials, &port_);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(static_cast<int>(session::max_info_bytes));
    service_->listener = std::make_unique<service::face>(*service_);
    builder.RegisterCallbackGenericService(service_->listener.get());
    service_->server = builder.BuildAndStart();
    if (!service_->server || port_ == 0)
        throw std::runtime_error("the fake orchestrator can't listen");
    const std::string scheme = transport_ == node_transport::tls ? "https" : "http";
    address_ = scheme + "://127.0.0.1:" + std::to_string(port_);
}

void network_node::stop() {
    if (!service_->server)
        return;
    service_->server->Shutdown(std::chrono::system_clock::now());
    service_->server->Wait();
    service_->server.reset();
}

void network_node::restart() {
    stop();
    start(port_);
}

session::orchestrator_info network_node::offer(
    session::capability_id id, const std::string& model, bool warm, unsigned capacity
) const {
    session::orchestrator_info info;
    info.transcoder = http_url_;
    info.address = std::string(20, '\0');
    info.capabilities = session::wanted_capabilities(id, model);
    info.capabilities->version = "0.9.1";
    auto& constraint = info.capabilities->models[static_cast<std::uint32_t>(id)][model];
    constraint.warm = warm;
    constraint.capacity = capacity;
    info.token.emplace();
    info.token->token = random_hex(16);
    info.token->session_id = random_hex(4);
    info.token->expiration = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::system_clock::now().time_since_epoch()
                             )
                                 .count() +
                             30 * 60;
    return info;
}

void network_node::answer(node_reply reply) {
    answer_with([reply](const session::received_question&) { return reply; });
}

void network_node::answer(session::orchestrator_info info) {
    node_reply reply;
    reply.info = std::move(info);
    answer(std::move(reply));
}

void network_node::refuse(const std::string& text) {
    node_reply reply;
    reply.refusal = text;
    answer(std::move(reply));
}

void network_node::answer_with(script s) {
    const std::lock_guard lock(service_->mutex);
    service_->answer = std::move(s);
}

std::size_t network_node::questions() const {
    const std::lock_guard lock(service_->mutex);
    return service_->questions;
}

session::received_question network_node::last_question() const {
    const std::lock_guard lock(service_->mutex);
    return service_->last.value();
}

std::size_t network_node::connections() const {
    const std::lock_guard lock(service_->mutex);
    return service_->peers.size();
}

void network_node::serve(http_script s) {
    const std::lock_guard lock(mutex_);
    http_script_ = std::move(s);
}

std::vector<std::string> network_node::http_requests() const {
    const std::lock_guard lock(mutex_);
    return http_requests_;
}

awaitable<http::response> network_node::handle(const http::request& request) {
    http_script chosen;
    {
        const std::lock_guard lock(mutex_);
        http_requests_.push_back(std::string(request.header.method_string()) + " " + request.path);
        chosen = http_script_;
    }
    if (!chosen)
        co_return http::error_response(http::status::not_found, "nothing here");
    co_return co_await chosen(request);
}

fake_network::fake_network(std::size_t count, node_transport transport) {
    for (std::size_t i = 0; i < count; ++i)
        nodes_.push_back(std::make_unique<network_node>(threads_, transport));
}

std::vector<std::string> fake_network::addresses() const {
    std::vector<std::string> all;
    for (const auto& node : nodes_)
        all.push_back(node->address());
    return all;
}

} // namespace rivulet::test
