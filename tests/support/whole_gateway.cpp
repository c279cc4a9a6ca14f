#include "support/whole_gateway.hpp"

#include "support/run_on.hpp"
#include "support/tls_client.hpp"

#include <boost/json/parse.hpp>

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace rivulet::test {

using namespace std::chrono_literals;

namespace {

std::string loopback(std::string_view scheme, std::uint16_t port, const std::string& path) {
    return std::string(scheme) + "://127.0.0.1:" + std::to_string(port) + path;
}

} // namespace

whole_gateway::whole_gateway(gateway_options options)
    : running_(with_doors(std::move(options)), logger("test")) {
    auto started = running_.start();
    if (!started)
        throw std::runtime_error(started.error().detail);
    ports = *started;
}

whole_gateway::~whole_gateway() {
    stop();
}

void whole_gateway::stop() {
    running_.stop();
    clients_.stop();
}

gateway_options whole_gateway::with_doors(gateway_options options) const {
    const gateway_options untouched;
    for (auto address :
         {&gateway_options::http_addr,
          &gateway_options::https_addr,
          &gateway_options::rtmp_addr,
          &gateway_options::rtmps_addr,
          &gateway_options::srt_addr,
          &gateway_options::webrtc_addr})
        if (options.*address == untouched.*address)
            options.*address = "127.0.0.1:0";
    options.tls_cert = certificate_.certificate();
    options.tls_key = certificate_.key();
    options.shards = 2;
    options.drain = 1s;
    return options;
}

raw_reply whole_gateway::http(
    std::string_view method,
    const std::string& path,
    const std::string& key,
    std::string_view body,
    std::string_view type
) const {
    std::string extra = "Content-Type: " + std::string(type) + "\r\n";
    if (!key.empty())
        extra += "Authorization: Bearer " + key + "\r\n";
    return ask(ports.http, request_with_body(method, path, body, extra));
}

std::string whole_gateway::https(const std::string& request) const {
    tls_client client(ports.https);
    if (!client.connected() || !client.send(request))
        return "no TLS";
    return client.read_until("never"); // the request asks for the connection's end
}

std::string whole_gateway::rtmp(const std::string& path) const {
    return loopback("rtmp", ports.rtmp, path);
}

std::string whole_gateway::rtmps(const std::string& path) const {
    return loopback("rtmps", ports.rtmps, path);
}

std::string whole_gateway::url(const std::string& path) const {
    return loopback("http", ports.http, path);
}

std::size_t whole_gateway::streams() const {
    const auto reply = http("GET", "/healthz");
    return boost::json::parse(reply.body).at("streams").to_number<std::size_t>();
}

awaitable<webrtc_visit> whole_gateway::visit(
    std::string path,
    leave how,
    std::string key,
    std::shared_ptr<const std::vector<std::vector<std::vector<std::uint8_t>>>> pictures,
    std::size_t wanted
) {
    webrtc_visit seen;
    const std::string direction = path.find("/whip") != std::string::npos ? "sendonly" : "recvonly";
    webrtc_client client(co_await asio::this_coro::executor);
    client.on_rtp = [&seen](std::span<const std::uint8_t>) { ++seen.packets_in; };
    std::vector<client_media> media{h264_media(direction), opus_media(direction)};
    auto session = co_await post_offer(url(path), client.offer(media), key);
    if (!session) {
        seen.trouble = session.error().detail;
        co_return seen;
    }
    seen.status = session->status;
    seen.location = session->location;
    if (session->status != 201) {
        seen.trouble = session->answer;
        co_return seen;
    }
    const auto answer = co_await client.connect(session->answer, 15s);
    seen.connected = answer.has_value();
    if (!answer)
        seen.trouble = answer.error().detail;
    for (std::size_t i = 0; seen.connected && pictures && i < pictures->size(); ++i) {
        for (const auto& packet : (*pictures)[i])
            client.send_rtp(packet);
        co_await sleep_for(33ms);
    }
    const auto until = steady_clock::now() + 10s;
    while (seen.connected && seen.packets_in < wanted && steady_clock::now() < until)
        co_await sleep_for(5ms);
    if (how == leave::remove) {
        const auto removed = co_await delete_session(session->location);
        seen.removed = removed ? *removed : 0;
    } else if (how == leave::say_goodbye) {
        client.close();
    }
    co_return seen;
}

std::string sdp_file(const std::string& name) {
    std::ifstream file(std::string(RIVULET_TEST_DATA) + "/sdp/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace rivulet::test
