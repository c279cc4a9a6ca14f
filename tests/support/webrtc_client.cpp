#include "support/webrtc_client.hpp"

#include "base/notifier.hpp"
#include "http/client.hpp"
#include "support/controlling_peer.hpp"
#include "webrtc/ice_lite.hpp"
#include "webrtc/ice_tcp.hpp"
#include "webrtc/udp_batch.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <cctype>
#include <random>

namespace rivulet::test {

using namespace webrtc;
using namespace std::chrono_literals;

namespace {

bool is_media(std::span<const std::uint8_t> datagram) {
    return datagram.size() >= 12 && (datagram[0] & 0xc0) == 0x80;
}

controlling_options controlling(const webrtc_client_options& options) {
    controlling_options made;
    made.active = options.active;
    made.lie = options.lie;
    return made;
}

} // namespace

struct webrtc_client::impl : std::enable_shared_from_this<impl> {
    impl(asio::any_io_executor ex, webrtc_client_options given)
        : executor(ex), options(std::move(given)), peer(controlling(options)), udp_socket(ex),
          tcp_socket(ex), timer(ex), changed(ex), random(options.seed) {
        peer.decrypt = options.decrypt;
    }

    bool loses(double share) {
        return share > 0 && std::uniform_real_distribution<>(0, 1)(random) < share;
    }

    awaitable<error_code> open(const local_transport& gateway);
    void wait_readable();
    awaitable<void> read_tcp();
    void arrived(std::span<const std::uint8_t> datagram);
    void flush();
    void write_tcp();
    void tick();
    void end(bool told);

    asio::any_io_executor executor;
    webrtc_client_options options;
    controlling_peer peer;
    udp::socket udp_socket;
    tcp::socket tcp_socket;
    udp::endpoint target;
    asio::steady_timer timer;
    notifier changed;
    std::mt19937 random;
    client_stats stats;
    std::vector<std::uint8_t> tcp_waiting, tcp_writing;
    ice_parameters fresh; // of a restart under way
    bool over = false, connected_told = false;
    webrtc_client* owner = nullptr;
};

awaitable<error_code> webrtc_client::impl::open(const local_transport& gateway) {
    const auto fits = [&](const ice_candidate& candidate) { return candidate.tcp == options.tcp; };
    const auto found = std::find_if(gateway.candidates.begin(), gateway.candidates.end(), fits);
    error_code ec;
    if (options.through) {
        target = *options.through;
    } else if (found != gateway.candidates.end()) {
        target = {asio::ip::make_address(found->address, ec), found->port};
    } else {
        ec = make_error_code(errc::not_found);
    }
    if (ec)
        co_return ec;
    if (options.tcp) {
        const tcp::endpoint there(target.address(), target.port());
        const auto [failed] = co_await tcp_socket.async_connect(there, as_tuple);
        if (failed)
            co_return failed;
        tcp_socket.set_option(tcp::no_delay(true), ec);
        asio::co_spawn(executor, read_tcp(), asio::detached);
        co_return error_code();
    }
    udp_socket.open(target.protocol(), ec);
    if (!ec)
        udp_socket.bind({target.protocol(), 0}, ec);
    if (!ec)
        udp_socket.non_blocking(true, ec);
    error_code ignored;
    udp_socket.set_option(udp::socket::receive_buffer_size(1 << 20), ignored);
    if (!ec)
        wait_readable();
    co_return ec;
}

void webrtc_client::impl::wait_readable() {
    const auto ready = [self = shared_from_this()](error_code ec) {
        if (ec || self->over)
            return;
        // Datagrams are dealt with before the next batch, so one receiver serves all clients.
        thread_local udp_receiver receiver(false);
        const auto each = [&](const path&, std::span<std::uint8_t> datagram) {
            self->arrived(datagram);
        };
        for (int i = 0; i < 8 && !self->over; ++i) {
            const auto got = receiver.receive(self->udp_socket.native_handle(), each);
            if (!got || *got < udp_receiver::batch)
                break;
        }
        if (!self->over) {
            self->flush();
            self->wait_readable();
        }
    };
    udp_socket.async_wait(udp::socket::wait_read, ready);
}

awaitable<void> webrtc_client::impl::read_tcp() {
    const auto self = shared_from_this();
    frame_reader frames;
    while (!over) {
        const auto room = frames.room();
        const auto [ec, count] =
            co_await tcp_socket.async_read_some(asio::buffer(room.data(), room.size()), as_tuple);
        if (ec || !frames.filled(count))
            break;
        for (auto frame = frames.next(); !frame.empty() && !over; frame = frames.next())
            arrived(frame);
        flush();
    }
    end(true);
}

void webrtc_client::impl::arrived(std::span<const std::uint8_t> datagram) {
    if (is_media(datagram)) {
        if (loses(options.lose_in)) {
            ++stats.lost_in;
            return;
        }
        ++stats.packets_in;
        stats.bytes_in += datagram.size();
    }
    peer.receive(datagram, steady_clock::now());
    const auto tell = [&](std::vector<std::vector<std::uint8_t>>& from, auto webrtc_client::*to) {
        for (const auto& packet : std::exchange(from, {}))
            if (owner && owner->*to)
                (owner->*to)(packet);
    };
    tell(peer.rtp_in, &webrtc_client::on_rtp);
    tell(peer.rtcp_in, &webrtc_client::on_rtcp);
    if (over)
        return;
    if (peer.connected() && !connected_told) {
        connected_told = true;
        changed.notify_all();
    }
    const auto phase = peer.phase();
    if (phase == dtls_phase::closed || phase == dtls_phase::failed)
        end(true);
}

void webrtc_client::impl::flush() {
    for (const auto& datagram : peer.output()) {
        if (is_media(datagram)) {
            if (loses(options.lose_out)) {
                ++stats.lost_out;
                continue;
            }
            ++stats.packets_out;
            stats.bytes_out += datagram.size();
        }
        if (!options.tcp) {
            error_code ignored;
            udp_socket.send_to(asio::buffer(datagram), target, 0, ignored);
            continue;
        }
        tcp_waiting.push_back(static_cast<std::uint8_t>(datagram.size() >> 8));
        tcp_waiting.push_back(static_cast<std::uint8_t>(datagram.size()));
        tcp_waiting.insert(tcp_waiting.end(), datagram.begin(), datagram.end());
    }
    if (options.tcp)
        write_tcp();
}

void webrtc_client::impl::write_tcp() {
    if (!tcp_writing.empty() || tcp_waiting.empty() || !tcp_socket.is_open())
        return;
    tcp_writing.swap(tcp_waiting);
    const auto written = [self = shared_from_this()](error_code ec, std::size_t) {
        self->tcp_writing.clear();
        if (!ec)
            self->write_tcp();
    };
    asio::async_write(tcp_socket, asio::buffer(tcp_writing), written);
}

void webrtc_client::impl::tick() {
    if (over)
        return;
    peer.tick(steady_clock::now());
    flush();
    timer.expires_after(peer.connected() ? duration(250ms) : duration(20ms));
    const auto next = [self = shared_from_this()](error_code ec) {
        if (!ec)
            self->tick();
    };
    timer.async_wait(next);
}

void webrtc_client::impl::end(bool told) {
    if (over)
        return;
    over = true;
    timer.cancel();
    error_code ignored;
    udp_socket.close(ignored);
    tcp_socket.close(ignored);
    changed.notify_all();
    if (told && owner && owner->on_end)
        owner->on_end();
}

webrtc_client::webrtc_client(asio::any_io_executor executor, webrtc_client_options options)
    : impl_(std::make_shared<impl>(executor, std::move(options))) {
    impl_->owner = this;
}

webrtc_client::~webrtc_client() {
    impl_->owner = nullptr;
    vanish();
}

const remote_transport& webrtc_client::transport() const {
    return impl_->peer.announced();
}

awaitable<outcome<client_answer>> webrtc_client::connect(std::string answer, duration limit) {
    auto parsed = parse_answer(answer);
    if (!parsed)
        co_return parsed.error();
    auto transport = parsed->transport;
    const auto done = co_await connect(std::move(transport), limit);
    if (!done)
        co_return done.error();
    co_return std::move(*parsed);
}

awaitable<outcome<void>> webrtc_client::connect(local_transport gateway, duration limit) {
    const auto self = impl_;
    const auto until = steady_clock::now() + limit;
    self->peer.begin(gateway.ice, gateway.fingerprint);
    const auto opened = co_await self->open(gateway);
    if (opened)
        co_return failure(errc::connect_failed, "no way to the gateway: " + opened.message());
    self->tick();
    while (!self->connected_told && !self->over && steady_clock::now() < until)
        co_await self->changed.wait_until(until);
    if (self->connected_told)
        co_return outcome<void>();
    if (self->over)
        co_return failure(
            errc::tls_failed, "ended before it was connected: " + self->peer.trouble()
        );
    co_return failure(
        errc::timed_out, self->peer.answers > 0 ? "DTLS did not finish" : "no check was answered"
    );
}

bool webrtc_client::send_rtp(std::span<const std::uint8_t> packet) {
    const bool sent = !impl_->over && impl_->peer.send_rtp(packet);
    impl_->flush();
    return sent;
}

bool webrtc_client::send_rtcp(std::span<const std::uint8_t> compound) {
    const bool sent = !impl_->over && impl_->peer.send_rtcp(compound);
    impl_->flush();
    return sent;
}

ice_parameters webrtc_client::begin_restart() {
    impl_->fresh = make_ice_parameters();
    return impl_->fresh;
}

void webrtc_client::finish_restart(ice_parameters gateway) {
    impl_->peer.restart(impl_->fresh, std::move(gateway));
    impl_->tick();
}

void webrtc_client::move() {
    if (impl_->over || impl_->options.tcp)
        return;
    error_code ignored;
    impl_->udp_socket.close(ignored);
    impl_->udp_socket.open(impl_->target.protocol(), ignored);
    impl_->udp_socket.bind({impl_->target.protocol(), 0}, ignored);
    impl_->udp_socket.non_blocking(true, ignored);
    impl_->wait_readable();
    impl_->peer.restart(impl_->peer.announced().ice, impl_->peer.remote()); // a check at once
    impl_->tick();
}

bool webrtc_client::connected() const {
    return impl_->connected_told && !impl_->over;
}

bool webrtc_client::ended() const {
    return impl_->over;
}

client_stats webrtc_client::stats() const {
    auto now = impl_->stats;
    now.damaged = impl_->peer.damaged;
    now.checks_answered = impl_->peer.answers;
    return now;
}

void webrtc_client::close() {
    if (impl_->over)
        return;
    impl_->peer.close();
    impl_->flush();
    if (!impl_->options.tcp)
        return impl_->end(false);
    // The goodbye is to be written first; the gateway closes the connection then.
    impl_->timer.cancel();
}

void webrtc_client::vanish() {
    impl_->end(false);
}

awaitable<outcome<http_session>>
post_offer(std::string url, std::string offer, std::string bearer) {
    http::header_list headers{{"Content-Type", "application/sdp"}};
    if (!bearer.empty())
        headers.emplace_back("Authorization", "Bearer " + bearer);
    http::client_options options;
    const auto address = http::parse_http_url(url);
    if (!address)
        co_return address.error();
    auto reply = co_await http::fetch(
        options, http::verb::post, url, std::move(headers), std::move(offer), 20s, 1 << 20
    );
    if (!reply)
        co_return reply.error();
    http_session session;
    session.status = static_cast<int>(reply->status);
    session.answer = std::move(reply->body);
    for (auto& [name, value] : reply->headers) {
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
            return static_cast<char>(std::tolower(c));
        });
        if (name == "location")
            session.location =
                value.starts_with('/') ? "http://" + address->authority + value : value;
        else if (name == "etag")
            session.etag = value;
        session.headers.emplace_back(name, value);
    }
    co_return session;
}

awaitable<outcome<int>> delete_session(std::string location, std::string bearer) {
    http::header_list headers;
    if (!bearer.empty())
        headers.emplace_back("Authorization", "Bearer " + bearer);
    http::client_options options;
    const auto reply = co_await http::fetch(
        options, http::verb::delete_, location, std::move(headers), std::string(), 20s, 1 << 20
    );
    if (!reply)
        co_return reply.error();
    co_return static_cast<int>(reply->status);
}

} // namespace rivulet::test
