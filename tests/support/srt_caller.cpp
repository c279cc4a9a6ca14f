#include "support/srt_caller.hpp"

#include "ingest/srt_library.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <thread>

namespace rivulet::test {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t message_size = 1316;
constexpr int predefined = 1000; // where the codes of servers begin in libsrt

template <class Value>
void set(int socket, SRT_SOCKOPT option, Value value) {
    srt_setsockflag(socket, option, &value, sizeof value);
}

} // namespace

srt_caller::srt_caller(std::uint16_t port, const srt_wish& wish) {
    ingest::start_srt();
    socket_ = srt_create_socket();
    set(socket_, SRTO_CONNTIMEO, 3000);
    set(socket_, SRTO_RCVTIMEO, 20);
    if (!wish.stream_id.empty())
        srt_setsockflag(
            socket_, SRTO_STREAMID, wish.stream_id.data(), static_cast<int>(wish.stream_id.size())
        );
    if (!wish.passphrase.empty())
        srt_setsockflag(
            socket_,
            SRTO_PASSPHRASE,
            wish.passphrase.data(),
            static_cast<int>(wish.passphrase.size())
        );
    if (wish.key_bytes > 0)
        set(socket_, SRTO_PBKEYLEN, wish.key_bytes);
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(port);
    inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
    connected_ = srt_connect(socket_, reinterpret_cast<sockaddr*>(&server), sizeof server) == 0;
    if (!connected_) {
        refusal_ = srt_getrejectreason(socket_);
        if (refusal_ >= predefined)
            refusal_ += predefined;
    }
}

srt_caller::~srt_caller() {
    close();
}

void srt_caller::close() {
    if (socket_ >= 0)
        srt_close(socket_);
    socket_ = -1;
}

bool srt_caller::send(std::span<const std::uint8_t> data) {
    while (!data.empty()) {
        const auto size = std::min(data.size(), message_size);
        if (srt_sendmsg(
                socket_,
                reinterpret_cast<const char*>(data.data()),
                static_cast<int>(size),
                -1,
                true
            ) < 0)
            return false;
        data = data.subspan(size);
    }
    return true;
}

bool srt_caller::send_for(std::span<const std::uint8_t> data, std::chrono::milliseconds time) {
    const auto until = clock::now() + time;
    do {
        for (auto rest = data; !rest.empty() && clock::now() < until;) {
            const auto size = std::min(rest.size(), 4 * message_size);
            if (!send(rest.first(size)))
                return false;
            rest = rest.subspan(size);
            std::this_thread::sleep_for(4ms);
        }
    } while (clock::now() < until);
    return true;
}

std::vector<std::uint8_t> srt_caller::receive(std::size_t size, std::chrono::milliseconds limit) {
    std::vector<std::uint8_t> got;
    const auto until = clock::now() + limit;
    std::array<char, 1500> message;
    while (got.size() < size && clock::now() < until) {
        const int n = srt_recvmsg(socket_, message.data(), static_cast<int>(message.size()));
        if (n > 0)
            got.insert(got.end(), message.begin(), message.begin() + n);
        else if (srt_getlasterror(nullptr) != SRT_ETIMEOUT)
            break;
    }
    return got;
}

bool srt_caller::closed_within(std::chrono::milliseconds limit) {
    const auto until = clock::now() + limit;
    while (clock::now() < until) {
        if (srt_getsockstate(socket_) > SRTS_CONNECTED)
            return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

} // namespace rivulet::test
