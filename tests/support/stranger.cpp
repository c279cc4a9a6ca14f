#include "support/stranger.hpp"

#include <boost/asio/ip/udp.hpp>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>

namespace rivulet::test {

namespace {

std::string big_endian(std::uint32_t value, int size) {
    std::string out;
    for (int i = size; i-- > 0;)
        out += static_cast<char>(i < 4 ? value >> (8 * i) : 0);
    return out;
}

const std::string& client_hello() {
    static const std::string hello = [] {
        const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(
            SSL_CTX_new(TLS_client_method()), &SSL_CTX_free
        );
        const std::unique_ptr<SSL, void (*)(SSL*)> session(SSL_new(context.get()), &SSL_free);
        BIO* in = BIO_new(BIO_s_mem());
        BIO* out = BIO_new(BIO_s_mem());
        SSL_set_bio(session.get(), in, out); // owns both
        SSL_connect(session.get());
        char* data = nullptr;
        const long size = BIO_get_mem_data(out, &data);
        return std::string(data, static_cast<std::size_t>(size));
    }();
    return hello;
}

} // namespace

std::string stranger::bytes(std::size_t size) {
    std::string out(size, '\0');
    for (auto& byte : out)
        byte = static_cast<char>(random_());
    return out;
}

std::string stranger::damaged(std::string text) {
    for (auto i = 1 + below(6); i-- > 0 && !text.empty();) {
        const auto at = below(text.size());
        switch (below(4)) {
        case 0:
            text[at] = static_cast<char>(random_());
            break;
        case 1:
            text.erase(at, 1 + below(40));
            break;
        case 2:
            text.insert(at, bytes(below(20)));
            break;
        default: // doubled
            text.insert(at, text.substr(below(text.size()), below(200)));
        }
    }
    return text;
}

std::string stranger::srt_like(stranger& self) {
    const auto rest = self.bytes(self.below(200));
    switch (self.below(4)) {
    case 0: // another control message
        return big_endian(0x8000 + static_cast<std::uint32_t>(self.below(9)), 2) + self.bytes(14) +
               rest;
    case 1: // data
        return std::string(1, '\0') + self.bytes(15) + rest;
    default: {
        // Induction, then conclusion with a cookie that was never given and extensions of noise.
        const bool conclusion = self.below(2) != 0;
        return big_endian(0x80000000, 4) + self.bytes(8) + big_endian(0, 4) +
               big_endian(conclusion ? 5 : 4, 4) + big_endian(conclusion ? 0x00070000 : 2, 4) +
               self.bytes(4) + big_endian(1500, 4) + big_endian(8192, 4) +
               big_endian(conclusion ? 0xffffffff : 1, 4) + self.bytes(24) + rest;
    }
    }
}

std::string stranger::webrtc_like(stranger& self) {
    const auto rest = self.bytes(self.below(400));
    const auto size = static_cast<std::uint32_t>(rest.size());
    switch (self.below(4)) {
    case 0: // a binding request
        return big_endian(0x0001, 2) + big_endian((size + 3) / 4 * 4, 2) +
               big_endian(0x2112a442, 4) + self.bytes(12) + rest;
    case 1: // a handshake record
        return "\x16\xfe\xfd" + self.bytes(8) + big_endian(size, 2) + rest;
    case 2:
        return "\x80\x66" + self.bytes(10) + rest;
    default:
        return rest;
    }
}

std::string stranger::framed_like(stranger& self) {
    std::string out;
    for (int i = 0; i < 5; ++i) {
        const auto packet = webrtc_like(self);
        const auto size = self.below(4) != 0 ? packet.size() : self.below(65'536);
        out += big_endian(static_cast<std::uint32_t>(size), 2) + packet;
    }
    return out;
}

std::string stranger::tls_like(stranger& self) {
    switch (self.below(4)) {
    case 0:
        return client_hello().substr(0, self.below(client_hello().size()));
    case 1:
        return client_hello() + self.bytes(1 + self.below(300));
    case 2:
        return self.damaged(client_hello());
    default:
        return self.bytes(1 + self.below(500));
    }
}

std::string stranger::rtmp_like(stranger& self) {
    if (self.below(3) == 0)
        return self.bytes(1 + self.below(2'000));
    // C0, C1, C2, then chunks of noise.
    return "\x03" + big_endian(0, 8) + self.bytes(1'528) + self.bytes(1'536) +
           self.bytes(self.below(3'000));
}

void stranger::datagrams(std::uint16_t port, beginning like, int times) {
    using asio::ip::udp;
    asio::io_context context;
    const udp::endpoint there(asio::ip::address_v4::loopback(), port);
    std::unique_ptr<udp::socket> socket;
    for (int i = 0; i < times; ++i) {
        if (i % 50 == 0) // from many addresses
            socket = std::make_unique<udp::socket>(context, udp::endpoint(udp::v4(), 0));
        error_code ignored;
        socket->send_to(asio::buffer(like(*this)), there, 0, ignored);
    }
}

void stranger::connections(std::uint16_t port, beginning like, int times) {
    for (int i = 0; i < times; ++i) {
        try {
            raw_client client(port);
            client.send(like(*this));
            if (i % 3 == 0)
                client.reset();
            else if (i % 3 == 1)
                client.finish_sending();
        } catch (const raw_http_error&) {
            // Cut while it was sending.
        }
    }
}

void stranger::offers(
    whole_gateway& gateway, const std::string& path, const std::string& sdp, int times
) {
    for (int i = 0; i < times; ++i) {
        std::string body;
        switch (i % 5) {
        case 0:
            body = bytes(below(3'000));
            break;
        case 1:
            body = sdp.substr(0, below(sdp.size()));
            break;
        case 2:
            body = "v=0\r\no=" + bytes(below(500));
            break;
        default:
            body = damaged(sdp);
        }
        const auto reply = gateway.offer(path, body);
        if (reply.status != 201) {
            EXPECT_TRUE(reply.status >= 400 && reply.status < 500) << reply.status << reply.body;
            continue;
        }
        const auto location = reply["location"];
        const auto session = location.substr(std::min(location.find("/live/"), location.size()));
        EXPECT_EQ(gateway.http("DELETE", session).status, 200) << location;
    }
}

} // namespace rivulet::test
