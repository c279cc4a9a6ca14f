// A gateway with every door open on loopback, in this process, and clients of it.
// Thread: the test's; coroutines run on one thread of the clients.
#pragma once

#include "base/shards.hpp"
#include "gateway.hpp"
#include "support/certificate_files.hpp"
#include "support/raw_http.hpp"
#include "support/webrtc_client.hpp"

#include <boost/asio/use_future.hpp>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::test {

// How a WebRTC client leaves.
enum class leave { remove, say_goodbye, vanish };

struct webrtc_visit {
    int status = 0;         // of the POST; 0: it failed
    int removed = 0;        // of the DELETE
    bool connected = false; // ICE and DTLS
    std::string location, trouble;
    std::size_t packets_in = 0;
};

class whole_gateway {
  public:
    // Addresses that `options` leaves as they are, are set.
    explicit whole_gateway(gateway_options options = {});
    ~whole_gateway(); // stop()
    whole_gateway(const whole_gateway&) = delete;
    whole_gateway& operator=(const whole_gateway&) = delete;

    raw_reply http(
        std::string_view method,
        const std::string& path,
        const std::string& key = {},
        std::string_view body = {},
        std::string_view type = "application/json"
    ) const;

    // Over TLS; the whole reply's text. The request says "Connection: close".
    std::string https(const std::string& request) const;

    raw_reply
    offer(const std::string& path, std::string_view sdp, const std::string& key = {}) const {
        return http("POST", path, key, sdp, "application/sdp");
    }

    std::string rtmp(const std::string& path) const;
    std::string rtmps(const std::string& path) const;
    std::string url(const std::string& path) const; // http://

    // POSTs an offer of H.264 and Opus to `path` ("…/whip": sends; else receives), connects, sends
    // `packets` (a picture each 1/30 s) or waits for `wanted` RTP packets, and leaves.
    awaitable<webrtc_visit> visit(
        std::string path,
        leave how,
        std::string key = {},
        std::shared_ptr<const std::vector<std::vector<std::vector<std::uint8_t>>>> pictures = {},
        std::size_t wanted = 0
    );

    template <class Result>
    std::future<Result> start(awaitable<Result> work) {
        return asio::co_spawn(clients_.at(0), std::move(work), asio::use_future);
    }

    asio::io_context& clients() { return clients_.at(0); }

    std::size_t streams() const; // that are there now, by /healthz

    void stop();

    gateway_ports ports;

  private:
    gateway_options with_doors(gateway_options options) const;

    certificate_files certificate_{"rivulet.example"};
    gateway running_;
    shards clients_{1};
};

// An offer of tests/data/sdp.
std::string sdp_file(const std::string& name);

} // namespace rivulet::test
