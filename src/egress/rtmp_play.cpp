#include "egress/rtmp_play.hpp"

#include "egress/rtmp_units.hpp"

namespace rivulet::egress {
namespace {

constexpr duration wake = std::chrono::seconds(1); // at least so often, for replies and counters

awaitable<std::string> serve(
    find_feed find,
    rtmp_play_options options,
    std::shared_ptr<rtmp_play_stats> stats,
    std::shared_ptr<ingest::rtmp_viewer> viewer
) {
    if (options.access) {
        ingest::access_request asked;
        asked.action = ingest::access_action::watch;
        asked.protocol = "rtmp";
        asked.stream = viewer->request().stream;
        asked.key = ingest::key_of(viewer->request().query);
        asked.remote = viewer->request().remote;
        auto allowed = co_await options.access(std::move(asked));
        if (!allowed) {
            ++stats->refused;
            viewer->status("error", "NetStream.Play.Failed", allowed.error().detail);
            co_return "refused: " + allowed.error().detail;
        }
    }
    const auto give_up = steady_clock::now() + options.wait_for_stream;
    asio::steady_timer pause(co_await asio::this_coro::executor);
    std::shared_ptr<channel_feed> feed;
    for (;;) {
        feed = co_await find(viewer->request().stream);
        if (feed && !feed->ended())
            break;
        if (steady_clock::now() >= give_up) {
            ++stats->not_found;
            viewer->status("error", "NetStream.Play.StreamNotFound", "there is no such stream");
            co_return "there is no such stream";
        }
        pause.expires_after(options.poll);
        co_await pause.async_wait(as_tuple);
    }
    ++stats->served;
    viewer->begin();
    auto viewing = feed->subscribe(feed_audio::aac);
    rtmp_units units(rtmp_times::as_they_are);
    std::uint64_t dropped = 0;
    for (;;) {
        std::vector<ingest::rtmp_message> batch;
        std::size_t size = 0;
        while (size < options.write_bytes) {
            const auto step = viewing->next();
            if (!step.unit)
                break;
            units.append(step, batch);
            size += step.unit->unit.data.size();
        }
        stats->dropped_units += viewing->dropped() - dropped;
        dropped = viewing->dropped();
        const bool idle = batch.empty();
        const auto failed = co_await viewer->send(std::move(batch));
        if (failed == errc::lagged) {
            ++stats->cut_slow;
            co_return "took no data for too long";
        }
        if (failed)
            co_return failed.message();
        if (!idle)
            continue;
        if (viewing->ended()) {
            viewer->status("status", "NetStream.Play.UnpublishNotify", "the stream ended");
            viewer->status("status", "NetStream.Play.Stop", "the stream ended");
            co_return "the stream ended";
        }
        co_await viewing->wait_until(steady_clock::now() + wake);
    }
}

} // namespace

ingest::serve_player
rtmp_play(find_feed find, rtmp_play_options options, std::shared_ptr<rtmp_play_stats> stats) {
    if (!stats)
        stats = std::make_shared<rtmp_play_stats>();
    return [find = std::move(find), options, stats = std::move(stats)](
               std::shared_ptr<ingest::rtmp_viewer> viewer
           ) { return serve(find, options, stats, std::move(viewer)); };
}

} // namespace rivulet::egress
