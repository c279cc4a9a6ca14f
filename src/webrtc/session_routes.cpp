#include "webrtc/session_routes.hpp"

#include "base/ids.hpp"
#include "webrtc/sdp_answer.hpp"
#include "webrtc/sdp_line.hpp"
#include "webrtc/session_http.hpp"

#include <boost/asio/co_spawn.hpp>
#include <fmt/core.h>

#include <atomic>
#include <charconv>
#include <future>
#include <unordered_map>

namespace rivulet::webrtc {
namespace {

constexpr std::size_t id_octets = 16; // unguessable: who knows it may end the session
constexpr auto stop_limit = std::chrono::seconds(5);

struct session {
    std::string stream, etag, mid;
    open_session opened;
    bool is_open = false; // else the door still thinks
    bool ended = false;   // while the door thought
};

// What a POST that succeeded brings back to the connection's shard.
struct opening {
    std::optional<failure> failed = failure(errc::closed, "the gateway ends");
    std::string answer, etag;
    std::vector<std::pair<std::string, std::string>> headers;
};

const std::string& param(const http::request& request, std::string_view name) {
    static const std::string none;
    const auto found = request.params.find(name);
    return found == request.params.end() ? none : found->second;
}

std::string new_etag() {
    return '"' + random_hex(8) + '"';
}

// The section whose transport the whole bundle uses.
std::string first_mid(const sdp_offer& offer) {
    for (const auto& section : offer.media)
        if (section.kind != media_kind::other && !section.refused)
            return section.mid;
    return {};
}

std::string address_text(const tcp::endpoint& endpoint) {
    const auto address = endpoint.address().to_string();
    return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
           std::to_string(endpoint.port());
}

http::response empty_reply(http::status status) {
    http::response reply;
    reply.status = status;
    return reply;
}

http::response no_session() {
    return http::error_response(
        http::status::not_found, "no such session: it ended, or the address is wrong"
    );
}

http::response wrong_type(std::string_view header, std::string_view wanted) {
    auto reply = http::error_response(
        http::status::unsupported_media_type, fmt::format("the Content-Type must be {}", wanted)
    );
    reply.headers.emplace_back(header, wanted);
    return reply;
}

} // namespace

struct session_routes::impl {
    // Touched by its shard only.
    struct home {
        std::unordered_map<std::string, session> sessions;
        bool stopping = false;
    };

    impl(shards& all, std::string name, session_routes_options given, logger log_)
        : threads(all), ending(std::move(name)), options(std::move(given)), log(std::move(log_)),
          homes(all.size()) {}

    // The home's number is the id's end, so that no table is shared between threads.
    std::string new_id(std::size_t index) const {
        return random_hex(id_octets) + fmt::format("{:04x}", index);
    }

    std::optional<std::size_t> home_of(std::string_view id) const {
        if (id.size() != id_octets * 2 + 4)
            return {};
        std::size_t index = 0;
        const auto* end = id.data() + id.size();
        const auto read = std::from_chars(end - 4, end, index, 16);
        if (read.ec != std::errc() || read.ptr != end || index >= homes.size())
            return {};
        return index;
    }

    void close_all(std::size_t index);
    http::response patch(std::size_t index, const std::string& id, const http::request& asked);
    http::response end(std::size_t index, const std::string& id, const http::request& asked);
    http::response created(const opening& opened, const session_request& request) const;
    http::response described(bool resource) const;

    shards& threads;
    const std::string ending;
    const session_routes_options options;
    const logger log;
    std::vector<home> homes;
    std::atomic<std::size_t> count = 0;
    std::atomic<bool> stopped = false;
};

namespace {

using impl_ptr = std::shared_ptr<session_routes::impl>;

// Runs on the home shard.
awaitable<opening>
open_at_home(impl_ptr self, std::size_t index, session_door door, session_request request) {
    auto& home = self->homes[index];
    opening made;
    if (home.stopping)
        co_return made;
    const auto id = request.id;
    auto& entry = home.sessions[id];
    entry.stream = request.stream;
    entry.mid = first_mid(request.offer);

    // An exception must not leave the entry behind.
    struct forget {
        std::unordered_map<std::string, session>& sessions;
        const std::string& id;
        bool kept = false;

        ~forget() {
            if (!kept)
                sessions.erase(id);
        }
    } guard{home.sessions, id};

    auto opened = co_await door(std::move(request));
    if (!opened) {
        made.failed = opened.error();
        co_return made;
    }
    auto found = home.sessions.find(id);
    if (home.stopping || found == home.sessions.end()) {
        if (opened->close)
            opened->close("the gateway ends");
        co_return made;
    }
    if (found->second.ended) {
        made.failed = failure(errc::closed, "the session ended before it was answered");
        co_return made;
    }
    guard.kept = true;
    found->second.etag = new_etag();
    made.failed.reset();
    made.etag = found->second.etag;
    made.answer = std::move(opened->answer);
    made.headers = opened->headers;
    found->second.opened = std::move(*opened);
    found->second.is_open = true;
    ++self->count;
    co_return made;
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

    const auto answered_to = request; // the door takes the other
    auto executor = self->threads.at(index).get_executor();
    auto task = open_at_home(self, index, std::move(door), std::move(request));
    auto opened = co_await asio::co_spawn(executor, std::move(task), asio::use_awaitable);
    if (opened.failed) {
        self->log.info(
            "{} from {} refused: {}", self->ending, answered_to.remote, opened.failed->detail
        );
        co_return reply_of(*opened.failed, names_key(answered_to));
    }
    auto reply = self->created(opened, answered_to);
    // Where it was asked for, so that a proxy's routes and the short path stay valid.
    reply.headers.emplace_back("Location", answered_to.base + asked.path + "/" + answered_to.id);
    co_return reply;
}

// Runs on the home shard.
awaitable<http::response>
change_at_home(impl_ptr self, std::size_t index, const http::request& asked) {
    const auto& id = param(asked, "session");
    const auto found = self->homes[index].sessions.find(id);
    if (found == self->homes[index].sessions.end() || !found->second.is_open ||
        found->second.stream != param(asked, "stream"))
        co_return no_session();
    if (asked.header.method() == http::verb::delete_)
        co_return self->end(index, id, asked);
    co_return self->patch(index, id, asked);
}

awaitable<http::response> change(impl_ptr self, const http::request& asked) {
    const auto index = self->home_of(param(asked, "session"));
    if (!index)
        co_return no_session();
    auto executor = self->threads.at(*index).get_executor();
    auto task = change_at_home(self, *index, asked);
    co_return co_await asio::co_spawn(executor, std::move(task), asio::use_awaitable);
}

awaitable<http::response> describe(impl_ptr self, bool resource) {
    co_return self->described(resource);
}

} // namespace

http::response
session_routes::impl::created(const opening& opened, const session_request& request) const {
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
    log.debug("{} from {} opened: session {}", ending, request.remote, request.id);
    return reply;
}

http::response
session_routes::impl::patch(std::size_t index, const std::string& id, const http::request& asked) {
    auto& entry = homes[index].sessions.at(id);
    if (!is_content_type(asked["Content-Type"], fragment_type))
        return wrong_type("Accept-Patch", fragment_type);
    const auto condition = check_if_match(asked["If-Match"], entry.etag);
    if (condition == precondition::missing)
        return http::error_response(
            http::status::precondition_required, "If-Match with the session's ETag is needed"
        );
    if (condition == precondition::failed)
        return http::error_response(
            http::status::precondition_failed,
            "If-Match is not the session's ETag: its ICE was restarted since"
        );
    const auto theirs = parse_fragment(asked.body);
    if (!theirs)
        return reply_of(theirs.error(), false);
    const auto& transport = entry.opened.transport;
    // Their candidates are not needed: they send checks to ours, and we answer.
    if (theirs->ufrag.empty() || !transport || transport->remote_ice() == *theirs)
        return empty_reply(http::status::no_content);
    const auto& ours = transport->restart_ice(*theirs);
    entry.etag = new_etag();
    http::response reply;
    reply.content_type = fragment_type;
    reply.body = write_fragment(ours, entry.mid);
    reply.headers.emplace_back("ETag", entry.etag);
    reply.headers.emplace_back("Access-Control-Expose-Headers", "ETag");
    return reply;
}

http::response
session_routes::impl::end(std::size_t index, const std::string& id, const http::request&) {
    auto taken = homes[index].sessions.extract(id);
    --count;
    if (taken.mapped().opened.close)
        taken.mapped().opened.close("the client ended it");
    return empty_reply(http::status::ok);
}

http::response session_routes::impl::described(bool resource) const {
    auto reply = empty_reply(http::status::no_content);
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

void session_routes::impl::close_all(std::size_t index) {
    auto& home = homes[index];
    home.stopping = true;
    auto sessions = std::exchange(home.sessions, {});
    for (auto& [id, entry] : sessions) {
        if (!entry.is_open)
            continue; // its door finds out when it has thought
        --count;
        if (entry.opened.close)
            entry.opened.close("the gateway ends");
    }
}

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
    const auto forget = [self = impl_, id, index = *index] {
        auto& sessions = self->homes[index].sessions;
        const auto found = sessions.find(id);
        if (found == sessions.end())
            return;
        if (!found->second.is_open) {
            found->second.ended = true;
            return;
        }
        // Its callbacks may be what is running right now: they die after the entry.
        const auto taken = sessions.extract(found);
        --self->count;
    };
    if (impl_->threads.current() == *index)
        forget();
    else
        asio::post(impl_->threads.at(*index), forget);
}

std::size_t session_routes::sessions() const {
    return impl_->count;
}

void session_routes::stop() {
    if (impl_->stopped.exchange(true))
        return;
    std::vector<std::future<void>> waits;
    for (std::size_t i = 0; i < impl_->homes.size(); ++i) {
        auto& context = impl_->threads.at(i);
        if (context.stopped())
            continue;
        auto done = std::make_shared<std::promise<void>>();
        waits.push_back(done->get_future());
        asio::post(context, [self = impl_, i, done] {
            self->close_all(i);
            done->set_value();
        });
    }
    const auto limit = std::chrono::steady_clock::now() + stop_limit;
    for (auto& wait : waits)
        wait.wait_until(limit);
}

} // namespace rivulet::webrtc
