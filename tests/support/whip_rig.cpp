#include "support/whip_rig.hpp"

#include "media/rtcp.hpp"
#include "support/run_on.hpp"

#include <boost/asio/detached.hpp>

#include <algorithm>
#include <future>

namespace rivulet::test {

using namespace std::chrono_literals;

namespace {

class recording_sink : public ingest::unit_sink {
  public:
    explicit recording_sink(std::shared_ptr<whip_record> record) : record_(std::move(record)) {
        record_->ask_keyframe = [this] {
            if (request_keyframe)
                request_keyframe();
        };
    }

    ~recording_sink() override {
        std::lock_guard lock(record_->mutex);
        record_->ask_keyframe = nullptr;
    }

    void format_changed(const media::stream_format& format) override {
        std::lock_guard lock(record_->mutex);
        record_->formats.push_back(format);
    }

    void unit(media::access_unit unit) override {
        {
            std::lock_guard lock(record_->mutex);
            record_->units_before_format += record_->formats.empty();
            record_->units.push_back(std::move(unit));
            if (int(record_->units.size()) != record_->kick_at)
                return;
        }
        record_->kick(ingest::kick_cause::bad_media, "enough");
    }

    void ended(const std::string& reason) override {
        std::lock_guard lock(record_->mutex);
        record_->ended.push_back(reason);
    }

    std::string request_id() const override { return record_->request.request_id; }

  private:
    std::shared_ptr<whip_record> record_;
};

} // namespace

std::vector<media::access_unit> whip_record::of(media::track_kind kind) {
    std::lock_guard lock(mutex);
    std::vector<media::access_unit> out;
    std::ranges::copy_if(units, std::back_inserter(out), [&](auto& u) { return u.kind == kind; });
    return out;
}

std::size_t whip_record::count(media::track_kind kind) {
    return of(kind).size();
}

webrtc::network_options whip_rig::loopback() {
    webrtc::network_options options;
    options.first_port = options.last_port = 0;
    return options;
}

whip_rig::whip_rig(ingest::whip_options options, webrtc::network_options network) {
    network_ = std::make_unique<webrtc::network>(shards_, network, logger("webrtc"));
    if (const auto opened = network_->open(); !opened)
        throw std::runtime_error(opened.error().detail);
    webrtc::session_routes_options resources;
    resources.ice_servers = webrtc::parse_ice_servers({"stun:127.0.0.1:3478"}).value();
    routes_ = std::make_unique<webrtc::session_routes>(
        shards_, "whip", std::move(resources), logger("whip http")
    );
    ingest::whip_hooks hooks;
    hooks.publish = [this](
                        ingest::publish_request request, ingest::kick kick
                    ) -> awaitable<outcome<std::shared_ptr<ingest::unit_sink>>> {
        std::lock_guard lock(mutex_);
        if (refusal_)
            co_return *refusal_;
        auto record = std::make_shared<whip_record>();
        record->request = std::move(request);
        record->kick = std::move(kick);
        records_.push_back(record);
        std::shared_ptr<ingest::unit_sink> sink = std::make_shared<recording_sink>(record);
        co_return sink;
    };
    hooks.session_ended = [this](const std::string& id) { routes_->session_ended(id); };
    door_ = std::make_unique<ingest::whip_door>(
        shards_, *network_, std::move(hooks), std::move(options), logger("whip")
    );
    server_ = std::make_unique<http::server>(shards_, http::server_options{}, logger("http"));
    routes_->add(*server_, "/live/video-to-video/{stream}/whip", {}, door_->door());
    port_ = server_->listen("127.0.0.1:0").value();
}

whip_rig::~whip_rig() {
    stop();
}

void whip_rig::stop() {
    if (server_)
        server_->stop(0s);
    if (routes_)
        routes_->stop();
    if (door_)
        door_->stop();
    if (network_)
        network_->stop();
}

void whip_rig::refuse(failure why) {
    std::lock_guard lock(mutex_);
    refusal_ = std::move(why);
}

std::vector<std::shared_ptr<whip_record>> whip_rig::records() {
    std::lock_guard lock(mutex_);
    return records_;
}

std::shared_ptr<whip_record> whip_rig::record(const std::string& stream) {
    for (auto until = steady_clock::now() + 5s; steady_clock::now() < until;
         std::this_thread::sleep_for(5ms)) {
        std::lock_guard lock(mutex_);
        for (auto at = records_.rbegin(); at != records_.rend(); ++at)
            if ((*at)->request.stream == stream)
                return *at;
    }
    return nullptr;
}

void whip_rig::on_shard_of(const std::string& stream, std::function<void()> work) {
    std::promise<void> done;
    asio::post(shards_.of(stream), [&] {
        work();
        done.set_value();
    });
    done.get_future().get();
}

std::vector<ingest::whip_session_stats> whip_rig::stats(const std::string& stream) {
    std::vector<ingest::whip_session_stats> out;
    on_shard_of(stream, [&] { out = door_->stats(stream); });
    return out;
}

whip_client::whip_client(webrtc_client_options options)
    : work_(std::make_unique<asio::executor_work_guard<asio::io_context::executor_type>>(
          asio::make_work_guard(context_)
      )) {
    client_ = std::make_unique<webrtc_client>(context_.get_executor(), std::move(options));
    client_->on_rtcp = [this](std::span<const std::uint8_t> compound) { answer(compound); };
    client_->on_end = [this] { ended_ = true; };
    thread_ = std::thread([this] { context_.run(); });
}

whip_client::~whip_client() {
    stopping_ = true;
    vanish();
    std::promise<void> done;
    asio::post(context_, [&] {
        client_.reset();
        done.set_value();
    });
    done.get_future().get();
    work_.reset();
    context_.stop();
    thread_.join();
}

void whip_client::run(awaitable<void> work) {
    run_on(context_.get_executor(), std::move(work), 30s);
}

int whip_client::publish(
    const std::string& url, std::vector<client_media> media, const std::string& bearer
) {
    int status = 0;
    auto work = [&]() -> awaitable<void> {
        auto posted = co_await post_offer(url, client_->offer(media), bearer);
        if (!posted)
            co_return;
        session_ = std::move(*posted);
        status = session_.status;
        if (status != 201)
            co_return;
        auto connected = co_await client_->connect(session_.answer, 10s);
        if (!connected)
            status = 0;
    };
    run(work());
    return status;
}

void whip_client::send(std::vector<rtp_bytes> video, std::vector<rtp_bytes> audio) {
    asio::co_spawn(context_, send_all(std::move(video), std::move(audio)), asio::detached);
}

awaitable<void> whip_client::send_all(std::vector<rtp_bytes> video, std::vector<rtp_bytes> audio) {
    const auto pictures = by_picture(video);
    const auto begin = steady_clock::now();
    std::size_t picture = 0, sound = 0;
    asio::steady_timer pause(context_);
    while (!stopping_ && client_ && (picture < pictures.size() || sound < audio.size())) {
        const auto passed = steady_clock::now() - begin;
        while (picture < pictures.size() && passed >= picture * 33'333us) {
            for (const auto& packet : pictures[picture]) {
                sent_[media::parse_rtp(packet)->sequence] = packet;
                client_->send_rtp(packet);
            }
            ++picture;
        }
        while (sound < audio.size() && passed >= sound * 20ms)
            client_->send_rtp(audio[sound++]);
        pause.expires_after(4ms);
        co_await pause.async_wait(as_tuple);
    }
}

void whip_client::answer(std::span<const std::uint8_t> compound) {
    const auto read = media::parse_rtcp(compound);
    if (!read)
        return;
    keyframes_asked += int(read->keyframes.size());
    for (const auto& nack : read->nacks) {
        ++nacked;
        if (const auto found = sent_.find(nack.sequence); found != sent_.end() && client_)
            client_->send_rtp(rtx_.wrap(found->second));
    }
}

int whip_client::remove() {
    int status = 0;
    auto work = [&]() -> awaitable<void> {
        auto answer = co_await delete_session(session_.location);
        if (answer)
            status = *answer;
    };
    run(work());
    return status;
}

void whip_client::vanish() {
    std::promise<void> done;
    asio::post(context_, [&] {
        if (client_)
            client_->vanish();
        done.set_value();
    });
    done.get_future().get();
}

std::string whip_client::header(const std::string& name) const {
    for (const auto& [key, value] : session_.headers)
        if (key == name)
            return value;
    return {};
}

} // namespace rivulet::test
