#include "support/udp_relay.hpp"

#include <array>
#include <map>
#include <random>
#include <span>
#include <vector>

namespace rivulet::test {

using asio::ip::udp;

namespace {

bool is_media(std::span<const std::uint8_t> datagram) {
    return datagram.size() >= 12 && (datagram[0] & 0xc0) == 0x80;
}

} // namespace

struct udp_relay::impl : std::enable_shared_from_this<impl> {
    // A client as the gateway sees it.
    struct line {
        line(asio::any_io_executor executor, udp::endpoint who)
            : client(std::move(who)), socket(executor, udp::endpoint(udp::v4(), 0)) {
            widen(socket);
        }

        udp::endpoint client;
        udp::socket socket;
    };

    using bytes_type = std::vector<std::uint8_t>;

    impl(asio::any_io_executor ex, udp::endpoint to, udp_relay_options given, std::uint16_t port)
        : executor(ex), gateway(std::move(to)), options(given), random(given.seed),
          socket(ex, udp::endpoint(asio::ip::address_v4::loopback(), port)) {
        widen(socket);
    }

    static void widen(udp::socket& one) {
        error_code ignored;
        one.set_option(udp::socket::receive_buffer_size(4 << 20), ignored);
        one.set_option(udp::socket::send_buffer_size(4 << 20), ignored);
        one.non_blocking(true, ignored);
    }

    bool happens(double share) {
        return share > 0 && std::uniform_real_distribution<>(0, 1)(random) < share;
    }

    // Calls `take` for every datagram of the socket until it is closed.
    template <class Take>
    void read(udp::socket& from, Take take) {
        const auto ready = [self = shared_from_this(), &from, take](error_code ec) {
            if (ec || self->closed)
                return;
            std::array<std::uint8_t, 2048> room;
            udp::endpoint who;
            for (int i = 0; i < 256; ++i) {
                const auto count = from.receive_from(asio::buffer(room), who, 0, ec);
                if (ec)
                    break;
                take(who, std::span(room).first(count));
            }
            self->read(from, take);
        };
        from.async_wait(udp::socket::wait_read, ready);
    }

    void start();
    void pass(std::shared_ptr<line> via, bool up, std::span<const std::uint8_t> datagram);
    void send(line& via, bool up, const bytes_type& datagram);

    asio::any_io_executor executor;
    udp::endpoint gateway;
    udp_relay_options options;
    std::mt19937 random;
    udp::socket socket; // towards the clients
    std::map<udp::endpoint, std::shared_ptr<line>> lines;
    udp_relay_stats stats;
    bool closed = false;
};

void udp_relay::impl::start() {
    read(socket, [this](const udp::endpoint& who, std::span<const std::uint8_t> datagram) {
        auto& via = lines[who];
        if (!via) {
            via = std::make_shared<line>(executor, who);
            read(via->socket, [this, weak = std::weak_ptr(via)](const auto&, auto answer) {
                if (const auto back = weak.lock())
                    pass(back, false, answer);
            });
        }
        pass(via, true, datagram);
    });
}

void udp_relay::impl::pass(
    std::shared_ptr<line> via, bool up, std::span<const std::uint8_t> datagram
) {
    const bool harmed = !options.media_only || is_media(datagram);
    if (harmed && happens(up ? options.lose_up : options.lose_down)) {
        ++(up ? stats.lost_up : stats.lost_down);
        return;
    }
    bytes_type copy(datagram.begin(), datagram.end());
    const int times = harmed && happens(up ? options.double_up : options.double_down) ? 2 : 1;
    auto wait = options.delay;
    if (harmed && options.jitter > duration::zero())
        wait += std::chrono::duration_cast<duration>(
            options.jitter * std::uniform_real_distribution<>(0, 1)(random)
        );
    if (wait == duration::zero()) {
        for (int i = 0; i < times; ++i)
            send(*via, up, copy);
        return;
    }
    auto timer = std::make_shared<asio::steady_timer>(executor, wait);
    const auto later = [self = shared_from_this(), timer, via, up, times, copy](error_code) {
        for (int i = 0; i < times && !self->closed; ++i)
            self->send(*via, up, copy);
    };
    timer->async_wait(later);
}

void udp_relay::impl::send(line& via, bool up, const bytes_type& datagram) {
    error_code ignored;
    ++(up ? stats.up : stats.down);
    if (up)
        via.socket.send_to(asio::buffer(datagram), gateway, 0, ignored);
    else
        socket.send_to(asio::buffer(datagram), via.client, 0, ignored);
}

udp_relay::udp_relay(
    asio::any_io_executor executor,
    udp::endpoint gateway,
    udp_relay_options options,
    std::uint16_t port
)
    : impl_(std::make_shared<impl>(executor, std::move(gateway), options, port)) {
    impl_->start();
}

udp_relay::~udp_relay() {
    close();
}

udp::endpoint udp_relay::endpoint() const {
    return impl_->socket.local_endpoint();
}

udp_relay_stats udp_relay::stats() const {
    return impl_->stats;
}

void udp_relay::change(udp_relay_options options) {
    impl_->options = options;
}

void udp_relay::close() {
    if (impl_->closed)
        return;
    impl_->closed = true;
    error_code ignored;
    impl_->socket.close(ignored);
    for (const auto& [who, via] : impl_->lines)
        via->socket.close(ignored);
    impl_->lines.clear();
}

} // namespace rivulet::test
