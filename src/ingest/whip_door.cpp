#include "ingest/whip_door.hpp"

#include "base/deadline.hpp"
#include "base/ids.hpp"
#include "base/on_every_shard.hpp"
#include "ingest/access.hpp"
#include "media/rtp_depayloader.hpp"
#include "media/timestamp_corrector.hpp"
#include "webrtc/sdp_answer.hpp"
#include "webrtc/whip_choice.hpp"

#include <fmt/core.h>

#include <atomic>
#include <map>

namespace rivulet::ingest {

namespace {

media::rtp_track track_of(const webrtc::chosen_track& chosen) {
    media::rtp_track track;
    track.type = chosen.type;
    track.payload_type = chosen.payload_type;
    track.rtx = chosen.rtx;
    track.parameters = chosen.codec->parameters;
    track.nack = chosen.nack;
    track.pli = chosen.pli;
    track.fir = chosen.fir;
    return track;
}

} // namespace

struct whip_door::impl : std::enable_shared_from_this<whip_door::impl> {
    struct entry {
        std::shared_ptr<whip_publisher> publisher;
        std::string stream, remote, user_agent;
    };

    // Of one shard.
    struct part {
        std::map<std::string, entry> sessions; // by id
        bool stopped = false;
    };

    // Between the live side's "yes" and the session's beginning, the session can be ended already.
    struct ticket {
        bool kicked = false;
        std::string reason;
    };

    impl(rivulet::shards& s, webrtc::network& n, whip_hooks h, whip_options o, logger l)
        : shards(s), network(n), hooks(std::move(h)), options(std::move(o)), log(std::move(l)) {
        for (std::size_t i = 0; i < shards.size(); ++i)
            parts.push_back(std::make_shared<part>());
        wishes.transcode = options.publisher.transcode;
        wishes.h265 =
            media::can_depayload(media::codec::h265) && media::can_decode(media::codec::h265);
    }

    rivulet::shards& shards;
    webrtc::network& network;
    const whip_hooks hooks;
    const whip_options options;
    const logger log;
    webrtc::whip_wishes wishes;
    std::vector<std::shared_ptr<part>> parts;
    std::atomic<std::size_t> count{0};
    bool stopped = false; // the owner's thread

    awaitable<outcome<webrtc::open_session>> open(webrtc::session_request request);
    awaitable<outcome<std::shared_ptr<unit_sink>>>
    admit(const webrtc::session_request& request, std::string request_id, kick ended);
    outcome<webrtc::open_session> begin(
        const webrtc::session_request& request,
        const webrtc::whip_choice& choice,
        std::shared_ptr<unit_sink> sink,
        const std::string& request_id
    );
    std::string playback_url(const webrtc::session_request& request, const std::string& id) const;
    // By itself (`told` false: the resource is still there), or asked from outside.
    void end(std::size_t shard, const std::string& id, const std::string& reason, bool told);
};

awaitable<outcome<std::shared_ptr<unit_sink>>>
whip_door::impl::admit(const webrtc::session_request& request, std::string request_id, kick ended) {
    using namespace asio::experimental::awaitable_operators;
    publish_request wanted;
    wanted.protocol = "whip";
    wanted.stream = request.stream;
    wanted.query = request.query;
    wanted.remote = request.remote;
    wanted.session_id = request.id;
    wanted.key = request.bearer.empty() ? key_of(request.query) : request.bearer;
    wanted.base = request.base;
    wanted.whep_url = playback_url(request, request_id);
    wanted.request_id = std::move(request_id);
    auto answer = hooks.publish(std::move(wanted), std::move(ended));
    auto either = co_await (std::move(answer) || expire_after(options.admission_limit));
    if (either.index() == 1)
        co_return failure(errc::timed_out, "the decision about this stream took too long");
    co_return std::move(std::get<0>(either));
}

// Codecs first, since a refusal costs nobody anything; then the live side, which may end another
// publisher; the answer last, so that a client that has one is published.
awaitable<outcome<webrtc::open_session>> whip_door::impl::open(webrtc::session_request request) {
    const auto self = shared_from_this();
    const auto shard = shards.current();
    if (shard >= parts.size() || parts[shard]->stopped)
        co_return failure(errc::no_capacity, "the gateway ends");
    auto choice = webrtc::choose_whip(request.offer, wishes);
    if (!choice)
        co_return choice.error();

    auto ticket = std::make_shared<impl::ticket>();
    kick ended =
        [weak = weak_from_this(), ticket, shard, id = request.id](kick_cause, std::string reason) {
            ticket->kicked = true;
            ticket->reason = reason;
            if (auto self = weak.lock())
                self->end(shard, id, reason, false);
        };
    const std::string request_id = random_hex(4);
    auto sink = co_await admit(request, request_id, std::move(ended));
    if (!sink)
        co_return sink.error();
    if (ticket->kicked || parts[shard]->stopped) {
        (*sink)->ended("ended before it began");
        co_return failure(errc::no_capacity, ticket->kicked ? ticket->reason : "the gateway ends");
    }
    co_return begin(request, *choice, std::move(*sink), request_id);
}

outcome<webrtc::open_session> whip_door::impl::begin(
    const webrtc::session_request& request,
    const webrtc::whip_choice& choice,
    std::shared_ptr<unit_sink> sink,
    const std::string& request_id
) {
    const auto shard = shards.current();
    const auto session_log = log.with(fmt::format("{} {}", request.stream, request.id));
    const auto playback =
        playback_url(request, sink->request_id().empty() ? request_id : sink->request_id());
    auto publisher = std::make_shared<whip_publisher>(
        shards.at(shard).get_executor(), std::move(sink), options.publisher, session_log
    );
    auto transport =
        network.make_peer(request.offer.transport, publisher->peer_events(), session_log);
    if (!transport) {
        publisher->end(transport.error().detail);
        return transport.error();
    }
    media::rtp_ingest_options tracks;
    tracks.video = track_of(choice.video);
    if (choice.audio)
        tracks.audio = track_of(*choice.audio);
    tracks.transport_cc = choice.video.transport_cc;
    if (!tracks.transport_cc && choice.audio)
        tracks.transport_cc = choice.audio->transport_cc;
    tracks.correct_timestamps = media::may_count_microseconds(request.user_agent);
    auto started = publisher->start(
        *transport,
        std::move(tracks),
        [weak = weak_from_this(), shard, id = request.id](std::string reason) {
            if (auto self = weak.lock())
                self->end(shard, id, reason, false);
        }
    );
    if (!started) {
        publisher->end(started.error().detail);
        (*transport)->close();
        return started.error();
    }

    webrtc::open_session opened;
    opened.answer = webrtc::write_answer(request.offer, (*transport)->local(), choice.answer);
    opened.transport = *transport;
    opened.headers.emplace_back("Livepeer-Playback-URL", playback);
    opened.close = [weak = weak_from_this(), shard, id = request.id](std::string reason) {
        if (auto self = weak.lock())
            self->end(shard, id, reason, true);
    };
    session_log.info(
        "publisher from {}: {}{}{}",
        request.remote,
        codec_name(choice.video.type),
        choice.transcoded() ? " (transcoded to H.264)" : "",
        choice.audio ? ", Opus" : ", no audio"
    );
    parts[shard]->sessions[request.id] = {
        std::move(publisher), request.stream, request.remote, request.user_agent};
    ++count;
    return opened;
}

std::string
whip_door::impl::playback_url(const webrtc::session_request& request, const std::string& id) const {
    const auto prefix = options.playback_prefix.empty() ? request.base + "/live/video-to-video/"
                                                        : options.playback_prefix;
    return fmt::format("{}{}-{}-out/whep", prefix, request.stream, id);
}

void whip_door::impl::end(
    std::size_t shard, const std::string& id, const std::string& reason, bool told
) {
    auto& here = *parts[shard];
    const auto found = here.sessions.find(id);
    if (found == here.sessions.end())
        return;
    const auto gone = std::move(found->second);
    here.sessions.erase(found);
    --count;
    if (!told && hooks.session_ended)
        hooks.session_ended(id);
    gone.publisher->end(reason);
}

whip_door::whip_door(
    shards& shards, webrtc::network& network, whip_hooks hooks, whip_options options, logger log
)
    : impl_(std::make_shared<impl>(
          shards, network, std::move(hooks), std::move(options), std::move(log)
      )) {}

whip_door::~whip_door() {
    stop();
}

webrtc::session_door whip_door::door() {
    return
        [impl = impl_](webrtc::session_request request) { return impl->open(std::move(request)); };
}

std::vector<whip_session_stats> whip_door::stats(const std::string& stream) const {
    std::vector<whip_session_stats> out;
    for (const auto& [id, entry] : impl_->parts[impl_->shards.index_of(stream)]->sessions) {
        if (entry.stream != stream)
            continue;
        auto one = entry.publisher->stats();
        one.session_id = id;
        if (one.remote.empty())
            one.remote = entry.remote;
        one.user_agent = entry.user_agent;
        out.push_back(std::move(one));
    }
    return out;
}

std::size_t whip_door::sessions() const {
    return impl_->count.load();
}

void whip_door::stop() {
    if (std::exchange(impl_->stopped, true))
        return;
    on_every_shard(
        impl_->shards,
        std::chrono::seconds(5),
        [impl = impl_](std::size_t i) -> awaitable<void> {
            auto& here = *impl->parts[i];
            here.stopped = true;
            const auto sessions = std::exchange(here.sessions, {});
            impl->count -= sessions.size();
            for (const auto& [id, entry] : sessions)
                entry.publisher->end("the gateway ends");
            // After what those have posted.
            co_await asio::post(impl->shards.at(i), asio::use_awaitable);
        }
    );
}

} // namespace rivulet::ingest
