#include "bench/stream_probe.hpp"

#include "support/rtmp_client.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace rivulet::test {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

namespace {

awaitable<void> until_cancelled(asio::steady_timer& timer) {
    co_await timer.async_wait(as_tuple);
}

} // namespace

std::optional<std::int64_t> video_frame_pts(const media::flv_tag& tag) {
    if (tag.type != media::flv_tag_type::video)
        return std::nullopt;
    const auto header = media::parse_flv_video(tag.body.view());
    if (!header || header->packet != media::flv_packet::frame)
        return std::nullopt;
    return tag.timestamp + header->composition_time;
}

stream_probe::stream_probe(
    asio::io_context& context,
    std::shared_ptr<const std::vector<media::flv_tag>> clip,
    probe_options options
)
    : context_(context), clip_(std::move(clip)), options_(std::move(options)),
      publishing_(context, time_point::max()), playing_(context, time_point::max()) {}

void stream_probe::start() {
    asio::co_spawn(context_, publish(), asio::detached);
    asio::co_spawn(context_, play(), asio::detached);
}

void stream_probe::stop() {
    stopped_ = true;
    publishing_.cancel();
    playing_.cancel();
}

awaitable<void> stream_probe::publish() {
    rtmp_publish_options options;
    options.realtime = true;
    options.loop = true;
    options.on_send = [this](const media::flv_tag& tag) {
        if (const auto pts = video_frame_pts(tag))
            ledger_.sent(*pts, steady_clock::now());
        if (options_.on_sent)
            options_.on_sent(tag);
    };
    auto work = rtmp_publish(options_.publish_url, clip_, std::move(options));
    auto ended = co_await (std::move(work) || until_cancelled(publishing_));
    if (stopped_)
        co_return;
    if (ended.index() == 0) {
        const auto& why = std::get<0>(ended);
        publish_error_ = why ? "the publisher ended" : why.error().detail;
    }
}

awaitable<void> stream_probe::play() {
    while (!stopped_) {
        bool had_video = false;
        std::function<bool(const rtmp_played&)> on_tag = [&](const rtmp_played& played) {
            if (const auto pts = video_frame_pts(played.tag)) {
                had_video = true;
                ledger_.received(*pts, played.received);
            }
            if (options_.on_received)
                options_.on_received(played.tag);
            return !stopped_;
        };
        auto work = rtmp_play(options_.play_url, std::move(on_tag));
        auto ended = co_await (std::move(work) || until_cancelled(playing_));
        if (stopped_ || ended.index() == 1)
            co_return;
        const auto& why = std::get<0>(ended);
        play_error_ = why ? "the gateway ended the playback" : why.error().detail;
        replays_ += had_video;
        asio::steady_timer pause(context_, 200ms);
        co_await pause.async_wait(as_tuple);
    }
}

} // namespace rivulet::test
