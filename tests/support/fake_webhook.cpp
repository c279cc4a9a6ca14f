#include "support/fake_webhook.hpp"

#include "base/deadline.hpp"

namespace rivulet::test {

using namespace std::chrono_literals;

fake_webhook::fake_webhook(std::uint16_t port) : server_(shards_, {}, logger("webhook")) {
    answers(answer{});
    const auto handle = [this](const http::request& request) { return reply(request); };
    for (const char* path : {"/hook", "/v3/{kind}/get/{id}", "/v3/{kind}/kick/{id}"}) {
        server_.route(http::verb::post, path, handle);
        server_.route(http::verb::get, path, handle);
    }
    port_ = server_.listen("127.0.0.1:" + std::to_string(port)).value();
}

fake_webhook::~fake_webhook() {
    server_.stop(10ms);
    shards_.stop();
}

std::string fake_webhook::url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
}

void fake_webhook::answers(answer with) {
    answers([with = std::move(with)](const asked_of_webhook&) { return with; });
}

void fake_webhook::answers(std::function<answer(const asked_of_webhook&)> with) {
    const std::lock_guard lock(mutex_);
    with_ = std::move(with);
}

std::vector<asked_of_webhook> fake_webhook::asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
}

awaitable<http::response> fake_webhook::reply(const http::request& request) {
    asked_of_webhook one;
    one.method = std::string(request.header.method_string());
    one.path = request.path;
    one.body = request.body;
    one.content_type = request["Content-Type"];
    one.authorization = request["Authorization"];
    one.api_key = request["x-api-key"];
    answer with;
    {
        const std::lock_guard lock(mutex_);
        asked_.push_back(one);
        with = with_(one);
    }
    if (with.delay > 0ms)
        co_await expire_after(with.delay);
    http::response made;
    made.status = static_cast<http::status>(with.status);
    made.body = with.body;
    made.content_type = "application/json";
    co_return made;
}

std::uint16_t free_port() {
    asio::io_context context;
    tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    return acceptor.local_endpoint().port();
}

} // namespace rivulet::test
