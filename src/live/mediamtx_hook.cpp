#include "live/mediamtx_hook.hpp"

#include "base/deadline.hpp"
#include "base/ids.hpp"
#include "base/private_address.hpp"
#include "base/task_group.hpp"
#include "http/target.hpp"
#include "ingest/peer_text.hpp"
#include "ingest/rtmp_target.hpp"
#include "live/http_access.hpp"
#include "live/mediamtx_api.hpp"
#include "live/stream_params.hpp"
#include "live/target_safety.hpp"

#include <boost/asio/use_future.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <future>

namespace rivulet::live {
namespace {

constexpr std::string_view route = "/live/video-to-video/";
constexpr std::string_view api_port = ":9997";
constexpr std::size_t form_bytes = 64 * 1024;
constexpr duration farewell = std::chrono::seconds(1);

http::response text_for(const failure& why) {
    auto status = http::status::service_unavailable;
    if (why.code == errc::unauthorized)
        status = http::status::forbidden;
    else if (why.code == errc::invalid_argument || why.code == errc::unsupported || why.code == errc::too_large)
        status = http::status::bad_request;
    return http::error_response(
        status, status == http::status::forbidden ? "Forbidden: " + why.detail : why.detail
    );
}

} // namespace

// One path of a MediaMTX that is published here, from the hook's call to the end.
struct mediamtx_hook::pulled {
    pulled(mediamtx_start what, mediamtx_api where)
        : start(std::move(what)), api(std::move(where)) {}

    std::string name;
    mediamtx_start start;
    mediamtx_api api;
    std::string url; // may hold a key: never logged
    asio::ip::address caller;
    bool own_address = false; // `url` names the caller itself
    logger log;
    std::unique_ptr<ingest::rtmp_pull> pull; // null while it is decided over
    bool source_gone = false;
    bool over = false;
};

struct mediamtx_hook::part {
    part(asio::io_context& c, logger log) : context(c), tasks(c.get_executor(), std::move(log)) {}

    asio::io_context& context;
    std::vector<std::shared_ptr<pulled>> sessions;
    task_group tasks; // kicks; last, so that its coroutines go first
};

mediamtx_hook::mediamtx_hook(
    shards& shards, ingest::admit_publisher admit, mediamtx_options options, logger log
)
    : shards_(shards), admit_(std::move(admit)), options_(std::move(options)),
      log_(std::move(log)) {
    for (std::size_t i = 0; i < shards_.size(); ++i)
        parts_.push_back(std::make_unique<part>(shards_.at(i), log_));
}

mediamtx_hook::~mediamtx_hook() {
    stop();
}

void mediamtx_hook::add_routes(http::server& server) {
    const auto handle = [this](const http::request& request) { return start(request); };
    const std::string base(route);
    server.route(http::verb::post, base + "{stream}/start", form_bytes, handle);
    server.route(http::verb::post, base + "{prefix}/{stream}/start", form_bytes, handle);
}

awaitable<http::response> mediamtx_hook::start(const http::request& request) {
    const auto& name = request.params.at("stream");
    // Any page may post a form anywhere, and the caller's own machine may be pulled from.
    if (!request["Origin"].empty())
        co_return http::error_response(
            http::status::forbidden, "the hook is for MediaMTX, not for web pages"
        );
    // MediaMTX calls for what this gateway pushes to it as well.
    if (name.ends_with(output_suffix))
        co_return http::response();
    if (const auto problem = name_problem(name))
        co_return http::error_response(http::status::bad_request, *problem);
    const auto form = parse_form(request["Content-Type"], request.body);
    if (!form)
        co_return text_for(form.error());
    auto what = parse_mediamtx_start(*form);
    if (!what)
        co_return text_for(what.error());
    const auto caller = request.remote.address();
    const bool trusted = !options_.api_url.empty() || is_private_address(caller);
    const auto api_base = options_.api_url.empty()
                              ? "http://" + url_host(caller) + std::string(api_port)
                              : options_.api_url;
    mediamtx_api api(
        api_base,
        trusted ? options_.api_password : std::string(),
        options_.client,
        options_.api_limit
    );
    auto session = std::make_shared<pulled>(std::move(*what), std::move(api));
    session->name = name;
    session->caller = caller;
    session->log = log_.with(name + " " + session->start.source_id);
    const auto prefix = request.params.find("prefix");
    auto path = http::percent_encode(name);
    if (prefix != request.params.end())
        path = http::percent_encode(prefix->second) + "/" + path;
    session->url = session->start.rtmp_url;
    if (session->url.empty())
        session->url = pull_url(caller, path);
    auto deciding = begin(session, bearer_of(request["Authorization"]));
    co_return co_await asio::co_spawn(
        shards_.of(name).get_executor(), std::move(deciding), asio::use_awaitable
    );
}

awaitable<bool> mediamtx_hook::still_there(std::shared_ptr<pulled> session) {
    if (!session)
        co_return false;
    const auto presence =
        co_await session->api.look(session->start.api_kind, session->start.source_id);
    // Who has no API to ask is pulled from until nothing comes for long.
    session->source_gone = presence == source_presence::gone;
    co_return !session->source_gone;
}

awaitable<void> mediamtx_hook::kick_source(std::shared_ptr<pulled> session) {
    auto kicked = co_await session->api.kick(session->start.api_kind, session->start.source_id);
    if (!kicked)
        session->log.warn("its publisher stays connected: {}", kicked.error().detail);
}

void mediamtx_hook::end(const std::shared_ptr<pulled>& session, bool kick, std::string reason) {
    if (std::exchange(session->over, true))
        return;
    auto& here = *parts_[shards_.index_of(session->name)];
    std::erase(here.sessions, session);
    --pulls_;
    session->log.info("ended: {}", ingest::peer_text(reason));
    if (session->pull)
        session->pull->stop(std::move(reason));
    if (kick)
        here.tasks.spawn("kick", kick_source(session));
}

awaitable<http::response>
mediamtx_hook::begin(std::shared_ptr<pulled> session, std::string bearer) {
    auto& here = *parts_[shards_.index_of(session->name)];
    const auto target = ingest::parse_rtmp_url(session->url);
    if (!target)
        co_return text_for(failure(errc::invalid_argument, "rtmp_url: " + target.error().detail));
    session->own_address =
        target->host == session->caller.to_string() || target->host == url_host(session->caller);
    if (!options_.private_targets && !session->own_address) {
        auto allowed = co_await check_target(
            std::string("rtmp_url"), target->host, target->port, options_.resolve_limit
        );
        if (!allowed)
            co_return text_for(failure(errc::invalid_argument, allowed.error().detail));
    }
    if (stopping_)
        co_return text_for(failure(errc::closed, "the gateway is stopping"));

    ingest::publish_request request;
    request.protocol = "mediamtx-" + session->start.protocol;
    request.stream = session->name;
    request.query = session->start.query;
    request.remote = fmt::format("{} of {}", session->start.source_id, session->caller.to_string());
    request.session_id = random_hex(4);
    request.key = std::move(bearer);
    ingest::kick kick = [this,
                         weak = std::weak_ptr(session),
                         context = &here.context](ingest::kick_cause cause, std::string reason) {
        // Later: the live side is in the middle of something.
        asio::post(*context, [this, weak, cause, reason = std::move(reason)]() mutable {
            const auto kicked = weak.lock();
            if (!kicked)
                return;
            const auto& others = parts_[shards_.index_of(kicked->name)]->sessions;
            // The same source was announced again: it is not to be ended.
            const bool again = cause == ingest::kick_cause::replaced &&
                               std::ranges::any_of(others, [&kicked](const auto& other) {
                                   return other != kicked && other->name == kicked->name &&
                                          other->start.source_id == kicked->start.source_id;
                               });
            end(kicked, !again, std::move(reason));
        });
    };
    here.sessions.push_back(session);
    ++pulls_;
    session->log.info(
        "{} source announced by {}", session->start.protocol, session->caller.to_string()
    );
    auto admitted = co_await admit_(std::move(request), std::move(kick));
    if (!admitted) {
        const auto why = admitted.error();
        session->log.info("refused: {}", why.detail);
        end(session, false, why.detail);
        co_await kick_source(session);
        co_return text_for(why);
    }
    if (session->over) {
        // Ended between the decision and here.
        (*admitted)->ended("ended before its first frame");
        co_return http::response();
    }
    auto options = options_.pull;
    if (!options_.private_targets && !session->own_address)
        options.allowed = [](const asio::ip::address& address) {
            return !is_private_address(address);
        };
    // Held weakly: the session owns the pull.
    options.exists = [weak = std::weak_ptr(session)]() -> awaitable<bool> {
        return still_there(weak.lock());
    };
    options.ended = [this, weak = std::weak_ptr(session)](std::string reason) {
        if (const auto ended = weak.lock())
            end(ended, !ended->source_gone, std::move(reason));
    };
    session->pull = std::make_unique<ingest::rtmp_pull>(
        here.context.get_executor(),
        session->url,
        std::move(*admitted),
        std::move(options),
        session->log
    );
    co_return http::response();
}

awaitable<void> mediamtx_hook::stop_part(part& on) {
    for (const auto& session : std::vector(on.sessions))
        end(session, false, "the gateway is stopping");
    const auto until = steady_clock::now() + farewell;
    while (on.tasks.running() > 0 && steady_clock::now() < until)
        co_await expire_after(std::chrono::milliseconds(10));
    on.tasks.close();
    co_await on.tasks.join(farewell);
}

void mediamtx_hook::stop() {
    stopping_ = true;
    if (std::exchange(stopped_, true))
        return;
    std::vector<std::future<void>> ends;
    for (auto& each : parts_)
        ends.push_back(
            asio::co_spawn(each->context.get_executor(), stop_part(*each), asio::use_future)
        );
    for (auto& end : ends)
        end.wait();
}

} // namespace rivulet::live
