#include "bench/whep_server.hpp"

#include "egress/whep_door.hpp"
#include "http/server.hpp"
#include "media/rtp_h264.hpp"
#include "media/ts_muxer.hpp"
#include "support/ts_clip.hpp"
#include "trickle/channel_writer.hpp"
#include "webrtc/network.hpp"
#include "webrtc/session_routes.hpp"

#include <boost/asio/detached.hpp>
#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rivulet::bench {
namespace {

using namespace std::chrono_literals;

constexpr int frame_rate = 30, group = 60;
constexpr std::size_t keyframe_share = 10; // a keyframe weighs as much as so many other frames
constexpr std::size_t header_bytes = 24;   // of RTP, extension and SRTP, in the yardstick

// Units of the right sizes with valid parameter sets; nobody decodes them.
class made_up_stream {
  public:
    explicit made_up_stream(int kilobits) {
        av_log_set_level(AV_LOG_FATAL);
        test::clip_options options;
        options.width = 1280;
        options.height = 720;
        auto encoder = test::detail::open_video(options);
        avcodec_send_frame(encoder.get(), test::detail::picture(options, 0).get());
        avcodec_send_frame(encoder.get(), nullptr);
        test::detail::receive(*encoder, [&](const AVPacket& packet) {
            const auto sets = media::h264::find_parameter_sets(
                {packet.data, static_cast<std::size_t>(packet.size)}
            );
            for (auto set : {sets.sps, sets.pps}) {
                head_.insert(head_.end(), {0, 0, 0, 1});
                head_.insert(head_.end(), set.begin(), set.end());
            }
        });
        const auto bytes_of_group =
            static_cast<std::size_t>(kilobits) * 1000 / 8 * group / frame_rate;
        unit_ = bytes_of_group / (group - 1 + keyframe_share);
    }

    media::access_unit next() {
        media::access_unit unit;
        unit.keyframe = count_ % group == 0;
        unit.pts = unit.dts = count_ * media::clock_rate / frame_rate;
        ++count_;
        std::vector<std::uint8_t> data{0, 0, 0, 1, 9, 0xf0};
        if (unit.keyframe)
            data.insert(data.end(), head_.begin(), head_.end());
        data.insert(
            data.end(), {0, 0, 0, 1, static_cast<std::uint8_t>(unit.keyframe ? 0x65 : 0x41)}
        );
        const auto size = unit.keyframe ? unit_ * keyframe_share : unit_;
        for (std::size_t i = 0; i < size; ++i)
            data.push_back(static_cast<std::uint8_t>(i % 250 + 5));
        unit.data = bytes::copy_of(data);
        return unit;
    }

  private:
    std::vector<std::uint8_t> head_;
    std::size_t unit_ = 0;
    std::int64_t count_ = 0;
};

awaitable<void> publish(trickle::channel_ptr target, int kilobits) {
    made_up_stream stream(kilobits);
    trickle::channel_writer writer(std::move(target));
    media::ts_muxer muxer;
    media::stream_format format;
    format.video = media::video_format{media::codec::h264, 1280, 720, {}, {}};
    if (muxer.set_format(format))
        std::abort();
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (auto next = steady_clock::now();; next += duration(1s) / frame_rate) {
        timer.expires_at(next);
        co_await timer.async_wait(as_tuple);
        const auto unit = stream.next();
        if (unit.keyframe) {
            writer.begin_segment();
            muxer.begin_segment();
        }
        auto ts = muxer.write(unit);
        if (ts)
            writer.append(std::move(*ts));
    }
}

bool parent_is_there(std::chrono::milliseconds wait) {
    pollfd look{STDIN_FILENO, POLLIN | POLLHUP, 0};
    return ::poll(&look, 1, static_cast<int>(wait.count())) == 0;
}

} // namespace

int serve_whep(int kilobits) {
    set_log_level(log_level::warning);
    shards threads(1);
    trickle::channel_table channels(threads, {}, logger("channels"));
    egress::feed_table feeds(threads, channels, {}, logger("feeds"));
    webrtc::network_options options;
    options.first_port = options.last_port = 0;
    webrtc::network network(threads, options, logger("webrtc"));
    if (const auto opened = network.open(); !opened) {
        fmt::print(stderr, "bench: {}\n", opened.error().detail);
        return 1;
    }
    webrtc::session_routes routes(threads, "whep", {}, logger("whep"));
    egress::whep_hooks hooks;
    hooks.resolve = [](const std::string& path) -> std::optional<std::string> { return path; };
    hooks.session_ended = [&](const std::string& id) { routes.session_ended(id); };
    egress::whep_door door(threads, network, feeds, std::move(hooks), {}, logger("whep"));
    http::server server(threads, {}, logger("http"));
    routes.add(server, "/{stream}/whep", {}, door.door());
    const auto port = server.listen("127.0.0.1:0");
    if (!port) {
        fmt::print(stderr, "bench: {}\n", port.error().detail);
        return 1;
    }
    asio::post(threads.at(0), [&] {
        const auto channel = channels.create("cam", "video/mp2t").value();
        channel->keep();
        asio::co_spawn(threads.at(0), publish(channel, kilobits), asio::detached);
    });
    fmt::print("{}\n", *port);
    std::fflush(stdout);
    while (parent_is_there(100ms)) {
    }
    server.stop(0s);
    routes.stop();
    door.stop();
    network.stop();
    feeds.stop();
    channels.stop();
    threads.stop();
    return 0;
}

int serve_floor(int kilobits, const std::vector<std::uint16_t>& ports) {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int buffer = 4 << 20;
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
    made_up_stream stream(kilobits);
    std::vector<sockaddr_in> to;
    for (const auto port : ports) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.push_back(name);
    }
    std::vector<std::uint8_t> bytes_out(2048, 7);
    fmt::print("0\n");
    std::fflush(stdout);
    auto next = steady_clock::now();
    for (;;) {
        next += duration(1s) / frame_rate;
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(next - steady_clock::now());
        if (!parent_is_there(std::max(left, 0ms)))
            return 0;
        const auto payloads = media::packetise_h264(stream.next().data);
        std::vector<iovec> parts;
        for (const auto& packet : payloads.packets)
            parts.push_back({bytes_out.data(), packet.size() + header_bytes});
        std::vector<mmsghdr> messages;
        for (auto& name : to)
            for (auto& part : parts) {
                mmsghdr message{};
                message.msg_hdr.msg_name = &name;
                message.msg_hdr.msg_namelen = sizeof name;
                message.msg_hdr.msg_iov = &part;
                message.msg_hdr.msg_iovlen = 1;
                messages.push_back(message);
            }
        for (std::size_t at = 0; at < messages.size();) {
            const auto sent = ::sendmmsg(
                socket,
                messages.data() + at,
                static_cast<unsigned>(std::min<std::size_t>(messages.size() - at, 64)),
                0
            );
            if (sent <= 0)
                break;
            at += static_cast<std::size_t>(sent);
        }
    }
}

} // namespace rivulet::bench
