#include "webrtc/session_routes.hpp"

#include "base/ids.hpp"
#include "base/on_every_shard.hpp"
#include "webrtc/session_http.hpp"
#include "webrtc/session_table.hpp"

#include <boost/asio/co_spawn.hpp>
#include <fmt/core.h>

#include <charconv>
#include <deque>

namespace rivulet::webrtc {
namespace {

constexpr std::size_t id_octets = 16; // unguessable: who knows it may end the session
constexpr auto stop_limit = std::chrono::seconds(5);

const std::string& param(const http::request& request, std::string_view name) {
    static const std::string none;
    const auto found = request.params.find(name);
    return found == request.params.end() ? none : found->second;
}

std::string address_text(const tcp::endpoint& endpoint) {
    const auto address = endpoint.address().to_string();
    return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
           std::to_string(endpoint.port());
}

} // namespace

struct session_routes::impl {
    impl(shards& all, std::string name, session_routes_options given, logger log_)
        : threads(all), ending(std::move(name)), options(std::move(given)), log(std::move(log_)) {
        for (std::size_t i = 0; i < all.size(); ++i)
            homes.emplace_back(count);
    }

    // The home's number is the id's end, so that no table is shared between threads.
    std::string new_id(std::size_t index) const {
        return random_hex(id_octets) + fmt::format("{:04x}", index);
    }

    std::optional<std::size_t> home_of(std::string_view id) const;
    http::response created(const session_opening& opened) const;
    http::response described(bool resource) const;

    shards& threads;
    const std::string ending;
    const session_routes_options options;
    const logger log;
    std::atomic<std::size_t> count = 0;
    std::deque<session_table> homes; // each touched by its shard only
    std::atomic<bool> stopped = false;
};

std::optional<std::size_t> session_routes::impl::home_of(std::string_view id) const {
    if (id.size() != id_octets * 2 + 4)
        return {};
    std::size_t index = 0;
    const auto* end = id.data() + id.size();
    const auto read = std::from_chars(end - 4, end, index, 16);
    if (read.ec != std::errc() || read.ptr != end || index >= homes.size())
        return {};
    return index;
}

http::response session_routes::impl::created(const session_opening& opened) const {
    http::response reply;
    reply.status = http::status::created;
    reply.content_type = sdp_type;
    reply.body = opened.answer;
    reply.headers.emplace_back("ETag", opened.etag);
    reply.headers.emplace_back("Accept-Patch", fragment_type);
    reply.headers.emplace_back("Cache-Control", "no-store");
    for (const auto& server : options.ice_servers)
        reply.headers.emplace_back("Link", link_text(server));
    std::string exposed = "Location, ETag, Link, Accept-Patch";
    for (const auto& [name, value] : opened.headers) {
        reply.headers.emplace_back(name, value);
        exposed += ", " + name;
    }
    reply.headers.emplace_back("Access-Control-Expose-Headers", exposed);
    return reply;
}

http::response session_routes::impl::described(bool resource) const {
    http::response reply;
    reply.status = http::status::no_content;
    const std::string methods = resource ? "DELETE, PATCH, OPTIONS" : "POST, OPTIONS";
    reply.headers.emplace_back("Allow", methods);
    if (resource) {
        reply.headers.emplace_back("Accept-Patch", fragment_type);
    } else {
        reply.headers.emplace_back("Accept-Post", sdp_type);
        // Anybody may ask: a TURN login is for those whose POST was accepted.
        for (const auto& server : options.ice_servers)
            if (server.username.empty())
                reply.headers.emplace_back("Link", link_text(server));
    }
    reply.headers.emplace_back("Access-Control-Allow-Methods", methods);
    reply.headers.emplace_back(
        "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match"
    );
    reply.headers.emplace_back("Access-Control-Expose-Headers", "Accept-Post, Accept-Patch, Link");
    reply.headers.emplace_back("Access-Control-Max-Age", "86400");
    return reply;
}

namespace {

using impl_ptr = std::shared_ptr<session_routes::impl>;

// Runs on the home shard.
awaitable<session_opening>
open_at_home(impl_ptr self, std::size_t index, session_door door, session_request request) {
    auto& home = self->homes[index];
    if (!home.begin(request))
        co_return session_opening();
    const auto id = request.id;
    try {
        auto decided = co_await door(std::move(request));
        co_return home.finish(id, std::move(decided));
    } catch (...) {
        home.abandon(id);
        throw; // the server logs it and answers 500
    }
}

awaitable<http::response>
post(impl_ptr self, session_routes::locate where, session_door door, const http::request& asked) {
    if (!is_content_type(asked["Content-Type"], sdp_type))
        co_return wrong_type("Accept-Post", sdp_type);
    session_request request;
    request.stream = param(asked, "stream");
    request.query = asked.query;
    request.bearer = bearer_of(asked["Authorization"]);
    request.user_agent = asked["User-Agent"];
    request.remote = address_text(asked.remote);
    request.base = base_of(asked);
    auto offer = parse_offer(asked.body);
    if (!offer)
        co_return reply_of(offer.error(), false);
    request.offer = std::move(*offer);

    std::string name;
    if (where)
        name = co_await where(request.stream);
    if (name.empty())
        name = request.stream;
    const auto index = self->threads.index_of(name);
    request.id = self->new_id(index);

    // Where it was asked for, so that a proxy's routes and the short path stay valid.
    const auto location = request.base + asked.path + "/" + request.id;
    const auto remote = request.remote;
    const bool key_given = names_key(request);
    auto executor = self->threads.at(index).get_executor();
    auto task = open_at_home(self, index, std::move(door), std::move(request));
    auto opened = co_await asio::co_spawn(executor, std::move(task), asio::use_awaitable);
    if (opened.failed) {
        self->log.info("{} from {} refused: {}", self->ending, remote, opened.failed->detail);
        co_return reply_of(*opened.failed, key_given);
    }
    auto reply = self->created(opened);
    reply.headers.emplace_back("Location", location);
    co_return reply;
}

// Runs on the home shard.
awaitable<http::response>
change_at_home(impl_ptr self, std::size_t index, const http::request& asked) {
    auto& home = self->homes[index];
    const auto& id = param(asked, "session");
    const auto& stream = param(asked, "stream");
    if (asked.header.method() == http::verb::delete_)
        co_return home.end(id, stream);
    co_return home.patch(id, stream, asked);
}

awaitable<http::response> change(impl_ptr self, const http::request& asked) {
    // A malformed id is some table's unknown one.
    const auto index = self->home_of(param(asked, "session")).value_or(0);
    auto executor = self->threads.at(index).get_executor();
    auto task = change_at_home(self, index, asked);
    co_return co_await asio::co_spawn(executor, std::move(task), asio::use_awaitable);
}

awaitable<http::response> describe(impl_ptr self, bool resource) {
    co_return self->described(resource);
}

} // namespace

session_routes::session_routes(
    shards& shards, std::string ending, session_routes_options options, logger log
)
    : impl_(std::make_shared<impl>(shards, std::move(ending), std::move(options), std::move(log))) {
}

session_routes::~session_routes() {
    stop();
}

void session_routes::add(
    http::server& server, const std::string& pattern, locate where, session_door door
) {
    const auto limit = impl_->options.body_bytes;
    const auto self = impl_;
    server.route(http::verb::post, pattern, limit, [self, where, door](const http::request& asked) {
        return post(self, where, door, asked);
    });
    server.route(http::verb::options, pattern, [self](const http::request&) {
        return describe(self, false);
    });
    const auto resource = pattern + "/{session}";
    const auto changes = [self](const http::request& asked) { return change(self, asked); };
    server.route(http::verb::delete_, resource, limit, changes);
    server.route(http::verb::patch, resource, limit, changes);
    server.route(http::verb::options, resource, [self](const http::request&) {
        return describe(self, true);
    });
}

void session_routes::session_ended(const std::string& id) {
    const auto index = impl_->home_of(id);
    if (!index)
        return;
    if (impl_->threads.current() == *index)
        impl_->homes[*index].forget(id);
    else
        asio::post(impl_->threads.at(*index), [self = impl_, id, index = *index] {
            self->homes[index].forget(id);
        });
}

std::size_t session_routes::sessions() const {
    return impl_->count;
}

void session_routes::stop() {
    if (impl_->stopped.exchange(true))
        return;
    on_every_shard(impl_->threads, stop_limit, [self = impl_](std::size_t i) -> awaitable<void> {
        self->homes[i].stop("the gateway ends");
        co_return;
    });
}

} // namespace rivulet::webrtc
