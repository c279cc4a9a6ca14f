#include "egress/whep_door.hpp"

#include "base/ids.hpp"
#include "base/on_every_shard.hpp"
#include "media/h264.hpp"
#include "webrtc/sdp_answer.hpp"
#include "webrtc/whep_choice.hpp"

#include <fmt/core.h>

#include <atomic>
#include <charconv>
#include <map>
#include <unordered_map>

namespace rivulet::egress {
namespace {

constexpr std::string_view playout_delay_extension =
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

std::uint32_t random_u32() {
    const auto hex = random_hex(4);
    std::uint32_t value = 0;
    std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
    return value;
}

// An SSRC; 0 stands for none.
std::uint32_t random_ssrc() {
    for (;;)
        if (const auto ssrc = random_u32())
            return ssrc;
}

std::string base_of(std::string_view name) {
    constexpr std::string_view out = "-out";
    if (name.size() > out.size() && name.ends_with(out))
        name.remove_suffix(out.size());
    return std::string(name);
}

webrtc::h264_profile profile_of(const media::video_format& format) {
    if (const auto sps = media::h264::parse_sps(format.sps))
        return {
            static_cast<std::uint8_t>(sps->profile),
            static_cast<std::uint8_t>(sps->constraints),
            static_cast<std::uint8_t>(sps->level)};
    return {};
}

rtp_track_setup track_setup(const webrtc::chosen_track& track, std::uint32_t ssrc) {
    rtp_track_setup setup;
    setup.payload_type = track.payload_type;
    setup.ssrc = ssrc;
    // In the lower half, so that no roll-over comes while SRTP still learns the first number.
    setup.first_sequence = static_cast<std::uint16_t>(random_u32() & 0x7fff);
    return setup;
}

} // namespace

struct whep_door::impl : std::enable_shared_from_this<whep_door::impl> {
    struct entry {
        std::shared_ptr<whep_session> session;
        std::string channel;
        std::shared_ptr<void> slot;
    };

    // Of one shard.
    struct part {
        std::map<std::string, entry> sessions; // by id
        std::unordered_map<std::string, std::weak_ptr<rtp_feed>> feeds;
        std::unordered_map<std::string, std::size_t> taken; // slots by channel
        bool stopped = false;
    };

    impl(
        rivulet::shards& s,
        webrtc::network& n,
        feed_table& f,
        whep_hooks h,
        whep_options o,
        logger l
    )
        : shards(s), network(n), feeds(f), hooks(std::move(h)), options(o), log(std::move(l)) {
        for (std::size_t i = 0; i < shards.size(); ++i)
            parts.push_back(std::make_shared<part>());
    }

    rivulet::shards& shards;
    webrtc::network& network;
    feed_table& feeds;
    const whep_hooks hooks;
    const whep_options options;
    const logger log;
    std::vector<std::shared_ptr<part>> parts;
    std::atomic<std::size_t> count{0};
    bool stopped = false; // the owner's thread

    // Null when all are taken. Given back when the last copy goes.
    std::shared_ptr<void> take_slot(const std::shared_ptr<part>& here, const std::string& channel) {
        auto& taken = here->taken[channel];
        if (options.sessions_per_stream != 0 && taken >= options.sessions_per_stream)
            return nullptr;
        ++taken;
        return {here.get(), [here, channel](void*) {
                    if (const auto found = here->taken.find(channel);
                        found != here->taken.end() && --found->second == 0)
                        here->taken.erase(found);
                }};
    }

    std::unique_ptr<rtp_feed::use> use_feed(part& here, const std::string& channel) {
        auto& known = here.feeds[channel];
        auto feed = known.lock();
        if (!feed || feed->ended()) {
            std::erase_if(here.feeds, [](const auto& one) { return one.second.expired(); });
            feed = rtp_feed::create(
                shards.of(channel).get_executor(),
                channel,
                feeds.finder(),
                hooks.request_keyframe,
                options.feed,
                log
            );
            here.feeds[channel] = feed;
        }
        return std::make_unique<rtp_feed::use>(std::move(feed));
    }

    struct place {
        std::string channel;
        std::shared_ptr<void> slot;
        std::unique_ptr<rtp_feed::use> feed; // ready
    };

    awaitable<outcome<place>> find_place(const webrtc::session_request& request);
    awaitable<outcome<void>> may_watch(const webrtc::session_request& request, std::string stream);
    awaitable<outcome<webrtc::open_session>> open(webrtc::session_request request);
    outcome<webrtc::open_session> begin(const webrtc::session_request& request, place at);
    void ended(part& here, const std::string& id, const std::string& reason);
    void end(const std::string& channel, const std::string& id, const std::string& reason);
};

awaitable<outcome<void>>
whep_door::impl::may_watch(const webrtc::session_request& request, std::string stream) {
    if (!hooks.access)
        co_return outcome<void>();
    ingest::access_request question;
    question.action = ingest::access_action::watch;
    question.protocol = "whep";
    question.stream = std::move(stream);
    question.key = request.bearer.empty() ? ingest::key_of(request.query) : request.bearer;
    question.remote = request.remote;
    co_return co_await hooks.access(std::move(question));
}

// The channel with its first picture, waited for.
awaitable<outcome<whep_door::impl::place>>
whep_door::impl::find_place(const webrtc::session_request& request) {
    const auto here = parts[shards.current()];
    const auto give_up = steady_clock::now() + options.wait;
    asio::steady_timer pause(co_await asio::this_coro::executor);
    std::optional<std::string> allowed;
    bool found = false;
    place at;
    for (;;) {
        const auto channel = hooks.resolve(request.stream);
        const auto base = base_of(channel.value_or(request.stream));
        if (allowed != base) {
            auto answer = co_await may_watch(request, base);
            if (!answer)
                co_return answer.error();
            allowed = base;
        }
        if (here->stopped)
            co_return failure(errc::no_capacity, "the gateway ends");
        // Everything of a stream lives on its home shard; elsewhere it must not be touched.
        if (channel && parts[shards.index_of(*channel)] != here)
            co_return failure(errc::not_found, fmt::format("{} is not served here", base));
        if (channel && *channel != at.channel) {
            at.slot.reset();
            at.slot = take_slot(here, *channel);
            at.channel = *channel;
            if (!at.slot)
                co_return failure(
                    errc::too_many,
                    fmt::format(
                        "{} has {} viewers, which is the limit", base, options.sessions_per_stream
                    )
                );
        }
        // No feed is made for a name that is not there.
        if (channel && feeds.find(*channel)) {
            at.feed = use_feed(*here, *channel);
            auto& feed = **at.feed;
            while (!feed.ready() && !feed.ended() && steady_clock::now() < give_up)
                co_await feed.changed(give_up);
            found = found || feed.found();
            if (feed.ready() && !feed.ended())
                co_return at;
            at.feed.reset();
        }
        if (steady_clock::now() >= give_up) {
            if (found)
                co_return failure(
                    errc::timed_out, fmt::format("{} has no picture yet", request.stream)
                );
            co_return failure(
                errc::not_found, fmt::format("there is no stream {} to watch", request.stream)
            );
        }
        pause.expires_after(options.feed.poll);
        co_await pause.async_wait(as_tuple);
    }
}

awaitable<outcome<webrtc::open_session>> whep_door::impl::open(webrtc::session_request request) {
    const auto self = shared_from_this();
    const auto current = shards.current();
    if (current >= parts.size() || parts[current]->stopped)
        co_return failure(errc::no_capacity, "the gateway ends");
    // An offer that nothing could satisfy is told so without a wait.
    webrtc::whep_channel anything;
    anything.video.emplace();
    anything.audio = true;
    const auto possible = webrtc::choose_whep(request.offer, anything, {});
    if (!possible)
        co_return possible.error();
    auto at = co_await find_place(request);
    if (!at)
        co_return at.error();
    co_return begin(request, std::move(*at));
}

outcome<webrtc::open_session>
whep_door::impl::begin(const webrtc::session_request& request, place at) {
    auto& here = *parts[shards.current()];
    if (here.stopped)
        return failure(errc::no_capacity, "the gateway ends");
    const auto session_log = log.with(fmt::format("{} {}", at.channel, request.id));

    webrtc::whep_channel channel;
    channel.video = profile_of(*(*at.feed)->video());
    channel.audio = true; // a source may get sound later
    webrtc::whep_sources sources;
    sources.video_ssrc = random_ssrc();
    sources.video_rtx_ssrc = random_ssrc();
    sources.audio_ssrc = random_ssrc();
    sources.cname = request.id;
    auto choice = webrtc::choose_whep(request.offer, channel, sources);
    if (!choice)
        return choice.error();

    rtp_viewer_setup setup;
    setup.cname = sources.cname;
    if (choice->video) {
        const auto& track = *choice->video;
        auto& video = setup.video.emplace(track_setup(track, sources.video_ssrc));
        if (track.rtx)
            video.rtx = rtx_setup{
                *track.rtx,
                sources.video_rtx_ssrc,
                static_cast<std::uint16_t>(random_u32() & 0x7fff)};
        const auto id = request.offer.media[track.section].extension(playout_delay_extension);
        // Ids from 15 on need longer extension headers.
        if (options.show_at_once && id && *id >= 1 && *id <= 14) {
            video.playout_delay = *id;
            choice->answer[track.section].extensions.push_back(
                {*id, std::string(playout_delay_extension)}
            );
        }
    }
    if (choice->audio)
        setup.audio = track_setup(*choice->audio, sources.audio_ssrc);

    const auto weak = weak_from_this();
    const auto part_of_here = parts[shards.current()];
    auto session = whep_session::create(
        shards.of(at.channel).get_executor(),
        request.id,
        std::move(at.feed),
        std::move(setup),
        [weak, part_of_here, id = request.id](std::string reason) {
            if (auto self = weak.lock())
                self->ended(*part_of_here, id, reason);
        },
        session_log
    );
    auto transport = network.make_peer(request.offer.transport, session->events(), session_log);
    if (!transport) {
        session->end(transport.error().detail, true);
        return transport.error();
    }
    session->start(*transport);

    webrtc::open_session opened;
    opened.answer = webrtc::write_answer(request.offer, (*transport)->local(), choice->answer);
    opened.transport = *transport;
    opened.close = [weak, channel = at.channel, id = request.id](std::string reason) {
        if (auto self = weak.lock())
            self->end(channel, id, reason);
    };
    session_log.info(
        "viewer from {}{}{}",
        request.remote,
        choice->video ? fmt::format(", video {}", choice->video->payload_type) : "",
        choice->profile_fits ? "" : ", which did not offer the stream's H.264 profile"
    );
    here.sessions[request.id] = {session, at.channel, std::move(at.slot)};
    ++count;
    if (hooks.joined)
        hooks.joined(base_of(at.channel), request.id);
    return opened;
}

// Takes the session out; its slot and its use of the feed go with it.
void whep_door::impl::ended(part& here, const std::string& id, const std::string& reason) {
    const auto found = here.sessions.find(id);
    if (found == here.sessions.end())
        return;
    const auto gone = std::move(found->second);
    here.sessions.erase(found);
    --count;
    if (hooks.session_ended)
        hooks.session_ended(id);
    if (hooks.left)
        hooks.left(base_of(gone.channel), id, reason);
}

// Asked from outside: the resource is gone already.
void whep_door::impl::end(
    const std::string& channel, const std::string& id, const std::string& reason
) {
    auto& here = *parts[shards.index_of(channel)];
    const auto found = here.sessions.find(id);
    if (found == here.sessions.end())
        return;
    const auto gone = std::move(found->second);
    here.sessions.erase(found);
    --count;
    gone.session->end(reason, true);
    if (hooks.left)
        hooks.left(base_of(gone.channel), id, reason);
}

whep_door::whep_door(
    shards& shards,
    webrtc::network& network,
    feed_table& feeds,
    whep_hooks hooks,
    whep_options options,
    logger log
)
    : impl_(
          std::make_shared<impl>(shards, network, feeds, std::move(hooks), options, std::move(log))
      ) {}

whep_door::~whep_door() {
    stop();
}

webrtc::session_door whep_door::door() {
    return
        [impl = impl_](webrtc::session_request request) { return impl->open(std::move(request)); };
}

std::optional<whep_channel_stats> whep_door::stats(const std::string& channel) const {
    const auto& here = *impl_->parts[impl_->shards.index_of(channel)];
    const auto known = here.feeds.find(channel);
    const auto feed = known == here.feeds.end() ? nullptr : known->second.lock();
    if (!feed || feed->ended())
        return std::nullopt;
    whep_channel_stats said;
    said.feed = feed->stats();
    for (const auto& [id, entry] : here.sessions)
        if (entry.channel == channel)
            said.viewers.push_back(entry.session->stats());
    return said;
}

std::size_t whep_door::sessions() const {
    return impl_->count.load();
}

void whep_door::stop() {
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
                entry.session->end("the gateway ends", true);
            co_return;
        }
    );
}

} // namespace rivulet::egress
