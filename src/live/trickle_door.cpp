#include "live/trickle_door.hpp"

#include "base/deadline.hpp"
#include "base/ids.hpp"
#include "base/on_every_shard.hpp"
#include "http/target.hpp"
#include "ingest/peer_text.hpp"
#include "live/http_access.hpp"
#include "live/json_text.hpp"
#include "live/trickle_request.hpp"
#include "webrtc/session_http.hpp"

#include <boost/json/object.hpp>
#include <fmt/core.h>

#include <utility>

namespace rivulet::live {

namespace json = boost::json;

namespace {

constexpr std::string_view api = "/live/video-to-video/";
constexpr duration stop_limit = std::chrono::seconds(2);

std::string remote_text(const tcp::endpoint& remote) {
    const auto address = remote.address().to_string();
    return (remote.address().is_v6() ? "[" + address + "]" : address) + ":" +
           std::to_string(remote.port());
}

} // namespace

struct trickle_door::impl : std::enable_shared_from_this<trickle_door::impl> {
    struct part {
        part(asio::io_context& c, const logger& log) : tasks(c.get_executor(), log) {}

        bool stopped = false;
        task_group tasks;
    };

    // What a client is told.
    struct opened {
        std::string request_id, stream_id, whep_url;
        std::string input, output, control, events; // names of channels
    };

    impl(
        rivulet::shards& s,
        trickle_session_services given,
        gate& a,
        trickle_door_options o,
        logger l
    )
        : threads(s), services(std::move(given)), access(a), options(std::move(o)),
          log(std::move(l)) {
        for (std::size_t i = 0; i < threads.size(); ++i)
            parts.push_back(std::make_unique<part>(threads.at(i), log));
    }

    awaitable<http::response> post(const http::request& asked);
    awaitable<outcome<opened>> open(ingest::publish_request request);
    awaitable<outcome<std::shared_ptr<ingest::unit_sink>>>
    admit(ingest::publish_request request, ingest::kick kick);
    http::response
    created(const std::string& stream, const opened& door, const std::string& base) const;

    rivulet::shards& threads;
    const trickle_session_services services;
    gate& access;
    const trickle_door_options options;
    const logger log;
    std::vector<std::unique_ptr<part>> parts; // each touched by its shard only
    bool stopped = false;                     // the owner's thread
};

awaitable<http::response> trickle_door::impl::post(const http::request& asked) {
    // Any page may post a form anywhere; this type asks for leave first.
    if (!asked["Origin"].empty() &&
        !webrtc::is_content_type(asked["Content-Type"], "application/json"))
        co_return webrtc::wrong_type("Accept-Post", "application/json");
    auto query = read_trickle_request(asked.body, asked.query);
    if (!query)
        co_return webrtc::reply_of(query.error(), false);
    ingest::publish_request request;
    request.protocol = "trickle";
    request.stream = asked.params.at("stream");
    request.query = std::move(*query);
    request.remote = remote_text(asked.remote);
    request.session_id = random_hex(4);
    request.key = key_of(asked);
    request.base = webrtc::base_of(asked);
    request.request_id = random_hex(4);
    request.keeps_times = true;
    const auto base = access.public_base(request.base);
    const auto prefix =
        options.playback_prefix.empty() ? base + std::string(api) : options.playback_prefix;
    request.whep_url = playback_url(prefix, request.stream, request.request_id);
    const auto stream = request.stream;
    const bool key_given = !request.key.empty();
    auto task = open(std::move(request));
    auto executor = threads.of(stream).get_executor();
    auto door = co_await asio::co_spawn(executor, std::move(task), asio::use_awaitable);
    if (!door) {
        // A name that nobody has checked yet.
        log.info(
            "{} from {} refused: {}",
            ingest::peer_text(stream),
            remote_text(asked.remote),
            ingest::peer_text(door.error().detail, 300)
        );
        co_return webrtc::reply_of(door.error(), key_given);
    }
    co_return created(stream, *door, base);
}

awaitable<outcome<std::shared_ptr<ingest::unit_sink>>>
trickle_door::impl::admit(ingest::publish_request request, ingest::kick kick) {
    using namespace asio::experimental::awaitable_operators;
    auto answer = access.publish(std::move(request), std::move(kick));
    auto either = co_await (std::move(answer) || expire_after(options.admission_limit));
    if (either.index() == 1)
        co_return failure(errc::timed_out, "the decision about this stream took too long");
    co_return std::move(std::get<0>(either));
}

// On the stream's home shard.
awaitable<outcome<trickle_door::impl::opened>>
trickle_door::impl::open(ingest::publish_request request) {
    const auto self = shared_from_this();
    auto& here = *parts[threads.index_of(request.stream)];
    if (here.stopped)
        co_return failure(errc::closed, "the gateway is stopping");
    // Before its lines are named after it.
    auto wanted = parse_stream_params(request.stream, request.query);
    if (!wanted)
        co_return wanted.error();
    opened door;
    door.whep_url = request.whep_url;
    const auto remote = request.remote;
    auto session = std::make_shared<trickle_session>(
        threads.of(request.stream).get_executor(),
        services,
        request.stream,
        request.session_id,
        options.session,
        log.with(request.stream + " " + request.session_id)
    );
    // Who may not publish gets no channels, however long the decision takes.
    auto kick = session->kick();
    auto sink = co_await admit(std::move(request), std::move(kick));
    if (!sink) {
        session->end(sink.error().detail);
        co_return sink.error();
    }
    door.request_id = (*sink)->request_id();
    door.stream_id = (*sink)->stream_id();
    auto begun = session->begin(std::move(*sink), here.tasks);
    if (!begun) {
        session->end(begun.error().detail);
        co_return begun.error();
    }
    door.input = session->channels().input->name();
    door.output = session->channels().output->name();
    door.control = session->channels().control->name();
    door.events = session->channels().events->name();
    co_return door;
}

http::response trickle_door::impl::created(
    const std::string& stream, const opened& door, const std::string& base
) const {
    const auto path = std::string(api) + http::percent_encode(stream);
    const auto channel = [&](const std::string& name) {
        return base + options.channel_path + http::percent_encode(name);
    };
    json::object body;
    body["stream"] = stream;
    body["stream_id"] = door.stream_id;
    body["request_id"] = door.request_id;
    body["publish_url"] = channel(door.input);
    body["subscribe_url"] = channel(door.output);
    body["control_url"] = channel(door.control);
    body["events_url"] = channel(door.events);
    body["status_url"] = base + path + "/status";
    body["whep_url"] = door.whep_url;
    http::response reply;
    reply.status = http::status::created;
    reply.content_type = "application/json";
    reply.body = to_text(body);
    reply.headers.emplace_back("Location", path);
    reply.headers.emplace_back("Cache-Control", "no-store");
    reply.headers.emplace_back("Access-Control-Expose-Headers", "Location");
    return reply;
}

trickle_door::trickle_door(
    shards& threads,
    trickle::channel_table& table,
    door_channels& channels,
    gate& access,
    std::shared_ptr<event_hub> events,
    trickle_door_options options,
    logger log
)
    : impl_(std::make_shared<impl>(
          threads,
          trickle_session_services{table, channels, std::move(events)},
          access,
          std::move(options),
          std::move(log)
      )) {}

trickle_door::~trickle_door() {
    stop();
}

void trickle_door::add_route(http::server& server) {
    server.route(
        http::verb::post,
        std::string(api) + "{stream}/trickle",
        trickle_request_bytes,
        [impl = impl_](const http::request& asked) { return impl->post(asked); }
    );
}

void trickle_door::stop() {
    if (std::exchange(impl_->stopped, true))
        return;
    on_every_shard(impl_->threads, stop_limit, [impl = impl_](std::size_t i) -> awaitable<void> {
        auto& here = *impl->parts[i];
        here.stopped = true;
        // Their streams ended: readers get the last words.
        static_cast<void>(co_await here.tasks.join(std::chrono::milliseconds(500)));
        here.tasks.close();
        static_cast<void>(co_await here.tasks.join(std::chrono::milliseconds(500)));
    });
}

} // namespace rivulet::live
