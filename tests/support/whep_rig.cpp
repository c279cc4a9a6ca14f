#include "support/whep_rig.hpp"

#include "trickle/channel_writer.hpp"

#include <boost/asio/detached.hpp>

namespace rivulet::test {

using namespace std::chrono_literals;

egress::whep_options whep_rig::quick() {
    egress::whep_options options;
    options.wait = 500ms;
    options.feed.return_limit = 500ms;
    options.feed.poll = 10ms;
    return options;
}

webrtc::network_options whep_rig::loopback() {
    webrtc::network_options options;
    options.first_port = options.last_port = 0;
    return options;
}

whep_rig::whep_rig(egress::whep_options options, webrtc::network_options network) {
    channels_ = std::make_unique<trickle::channel_table>(
        shards_, trickle::table_options{}, logger("channels")
    );
    feeds_ = std::make_unique<egress::feed_table>(
        shards_, *channels_, egress::feed_options{}, logger("feeds")
    );
    network_ = std::make_unique<webrtc::network>(shards_, network, logger("webrtc"));
    if (const auto opened = network_->open(); !opened)
        throw std::runtime_error(opened.error().detail);
    routes_ = std::make_unique<webrtc::session_routes>(
        shards_, "whep", webrtc::session_routes_options{}, logger("whep http")
    );
    egress::whep_hooks hooks;
    hooks.resolve = [](const std::string& path) -> std::optional<std::string> {
        // As a gateway with one request: NAME-1a2b3c4d-out is NAME-out.
        constexpr std::string_view request = "-1a2b3c4d-out";
        if (path.ends_with(request))
            return path.substr(0, path.size() - request.size()) + "-out";
        return path;
    };
    hooks.access = [this](ingest::access_request asked) -> awaitable<outcome<void>> {
        std::lock_guard lock(mutex_);
        if (!key_.empty() && asked.key != key_)
            co_return failure(errc::unauthorized, "the key of " + asked.stream + " is missing");
        co_return outcome<void>();
    };
    hooks.request_keyframe = [this](const std::string& channel) {
        std::lock_guard lock(mutex_);
        ++asked_[channel];
    };
    hooks.session_ended = [this](const std::string& id) { routes_->session_ended(id); };
    hooks.left = [this](const std::string& stream, const std::string&, const std::string& reason) {
        std::lock_guard lock(mutex_);
        left_.push_back(stream + ": " + reason);
    };
    door_ = std::make_unique<egress::whep_door>(
        shards_, *network_, *feeds_, std::move(hooks), options, logger("whep")
    );
    server_ = std::make_unique<http::server>(shards_, http::server_options{}, logger("http"));
    const auto locate = [](std::string stream) -> awaitable<std::string> {
        constexpr std::string_view request = "-1a2b3c4d-out";
        if (stream.ends_with(request))
            stream.resize(stream.size() - request.size());
        co_return stream;
    };
    routes_->add(*server_, "/live/video-to-video/{stream}/whep", locate, door_->door());
    port_ = server_->listen("127.0.0.1:0").value();
}

whep_rig::~whep_rig() {
    while (!writing_.empty())
        stop_writing(writing_.begin()->first);
    server_->stop(0s);
    routes_->stop();
    door_->stop();
    network_->stop();
    feeds_->stop();
    channels_->stop();
    shards_.stop();
}

void whep_rig::create(const std::string& channel) {
    at_home(channel, [&] { channels_->create(channel, "video/mp2t").value(); });
}

trickle::channel_ptr whep_rig::channel(const std::string& name) {
    return at_home(name, [&] { return channels_->find(name); });
}

void whep_rig::publish(const std::string& channel, clip media) {
    create(channel);
    const auto state = std::make_shared<writing>();
    writing_[channel] = state;
    const auto held = std::make_shared<const clip>(std::move(media));
    at_home(channel, [&] {
        asio::co_spawn(
            shards_.of(channel), write(channels_->find(channel), held, state), asio::detached
        );
    });
}

awaitable<void> whep_rig::write(
    trickle::channel_ptr target, std::shared_ptr<const clip> media, std::shared_ptr<writing> state
) {
    trickle::channel_writer writer(std::move(target));
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto next = steady_clock::now();
    for (;;) {
        for (const auto& segment : media->segments) {
            const auto length = segment.video_pts.size() * 33'333us;
            writer.begin_segment();
            for (const auto& block : segment.blocks) {
                if (!state->running) {
                    state->ended = true;
                    co_return;
                }
                writer.append(block);
                next += length / segment.blocks.size();
                timer.expires_at(next);
                co_await timer.async_wait(as_tuple);
            }
            writer.end_segment();
        }
    }
}

void whep_rig::end(const std::string& channel) {
    stop_writing(channel);
    at_home(channel, [&] {
        if (const auto known = channels_->find(channel)) {
            known->close();
            channels_->remove(known);
        }
    });
}

void whep_rig::stop_writing(const std::string& channel) {
    const auto found = writing_.find(channel);
    if (found == writing_.end())
        return;
    found->second->running = false;
    while (!found->second->ended)
        std::this_thread::sleep_for(1ms);
    writing_.erase(found);
}

void whep_rig::require_key(const std::string& key) {
    std::lock_guard lock(mutex_);
    key_ = key;
}

std::map<std::string, int> whep_rig::keyframe_requests() {
    std::lock_guard lock(mutex_);
    return asked_;
}

std::vector<std::string> whep_rig::left() {
    std::lock_guard lock(mutex_);
    return left_;
}

egress::whep_channel_stats whep_rig::stats(const std::string& channel) {
    return at_home(channel, [&] {
        return door_->stats(channel).value_or(egress::whep_channel_stats{});
    });
}

} // namespace rivulet::test
