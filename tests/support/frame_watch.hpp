// A publisher over RTMP that goes on and on, a player of one of its channels, and the comparison of
// what was sent with what came.
// Thread: construct and ask from the test's; the coroutines run on the clients' thread.
#pragma once

#include "support/live_rig.hpp"
#include "support/media_samples.hpp"
#include "support/rtmp_client.hpp"
#include "support/whole_gateway.hpp"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet::test {

class frame_watch {
  public:
    frame_watch(whole_gateway& gateway, const std::string& publish, const std::string& play) {
        static const auto tags =
            std::make_shared<const std::vector<media::flv_tag>>(read_flv("av.flv"));
        rtmp_publish_options options;
        options.loop = true;
        options.on_send = [log = log_](const media::flv_tag& tag) {
            note(*log, tag, &history::sent);
        };
        publisher_ = gateway.start(rtmp_publish(gateway.rtmp(publish), tags, std::move(options)));
        std::function<bool(const rtmp_played&)> on_tag = [log = log_](const rtmp_played& played) {
            note(*log, played.tag, &history::played);
            return true;
        };
        player_ = gateway.start(rtmp_play(gateway.rtmp(play), std::move(on_tag)));
    }

    std::size_t played() const {
        const std::lock_guard lock(log_->mutex);
        return log_->played.size();
    }

    // Until the player has got so many more.
    bool goes_on(std::size_t more = 30) const {
        const auto before = played();
        return eventually([&] { return played() >= before + more; }, milliseconds(15'000));
    }

    // Empty: from the first one that came, every frame came, once and in order.
    std::string gaps() const {
        const std::lock_guard lock(log_->mutex);
        const auto& sent = log_->sent;
        const auto& played = log_->played;
        if (played.size() < 2)
            return "nothing was played";
        std::string best = "what came is not what was sent";
        std::size_t longest = 0;
        for (std::size_t from = 0; from + played.size() <= sent.size(); ++from) {
            std::size_t i = 1;
            while (i < played.size() &&
                   std::abs((played[i] - played[i - 1]) - (sent[from + i] - sent[from + i - 1])) <=
                       rounding)
                ++i;
            if (i == played.size())
                return {};
            if (i > longest) {
                longest = i;
                best = "of " + std::to_string(played.size()) + " frames number " +
                       std::to_string(i) + " came " + std::to_string(played[i] - played[i - 1]) +
                       " ms after the one before instead of " +
                       std::to_string(sent[from + i] - sent[from + i - 1]);
            }
        }
        return best;
    }

    // Both still go on.
    bool connected() const {
        using std::chrono::seconds;
        return publisher_.wait_for(seconds(0)) == std::future_status::timeout &&
               player_.wait_for(seconds(0)) == std::future_status::timeout;
    }

  private:
    static constexpr std::int64_t rounding = 2; // milliseconds, each way

    struct history {
        std::mutex mutex;
        std::vector<std::int64_t> sent, played; // timestamps of pictures
    };

    static void
    note(history& into, const media::flv_tag& tag, std::vector<std::int64_t> history::*list) {
        if (tag.type != media::flv_tag_type::video)
            return;
        const auto header = media::parse_flv_video(tag.body.view());
        if (!header || header->packet != media::flv_packet::frame)
            return;
        const std::lock_guard lock(into.mutex);
        (into.*list).push_back(tag.timestamp);
    }

    std::shared_ptr<history> log_ = std::make_shared<history>();
    std::future<outcome<void>> publisher_, player_;
};

} // namespace rivulet::test
