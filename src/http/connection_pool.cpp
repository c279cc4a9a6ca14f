#include "http/connection_pool.hpp"

#include "base/on_every_shard.hpp"

#include <deque>
#include <map>

namespace rivulet::http {
namespace {

std::string key_of(const http_url& peer) {
    return (peer.secure ? "https " : "http ") + peer.endpoint();
}

// Closed by the peer, or it says something that nobody asked for: no reply to us could follow.
bool stale(client_connection& connection) {
    auto& transport = connection.transport();
    if (!connection.reusable() || transport.peer_gone())
        return true;
    error_code failed;
    return !transport.is_tls() && (transport.socket().available(failed) > 0 || failed);
}

} // namespace

// The idle connections of one shard. Only that shard touches it.
struct connection_lease::shelf : std::enable_shared_from_this<shelf> {
    struct idle_connection {
        connection_ptr connection;
        time_point since;

        idle_connection(connection_ptr c, time_point t) : connection(std::move(c)), since(t) {}
    };

    using peers = std::map<std::string, std::deque<idle_connection>, std::less<>>;

    shelf(asio::any_io_executor executor, const pool_limits& l) : limits(l), timer(executor) {}

    connection_ptr take(const http_url& peer);
    void put(connection_ptr connection);
    void drop_oldest();
    void sweep();
    void close();

    const pool_limits limits;
    asio::steady_timer timer; // runs while there are idle ones
    bool ticking = false;
    bool closed = false;
    peers idle; // the newest of a peer last
    std::size_t count = 0;
};

// The one that was used last is the likeliest to be alive.
connection_ptr connection_lease::shelf::take(const http_url& peer) {
    const auto found = idle.find(key_of(peer));
    if (found == idle.end())
        return nullptr;
    auto& of_peer = found->second;
    connection_ptr taken;
    const auto oldest = steady_clock::now() - limits.idle_time;
    while (!taken && !of_peer.empty()) {
        auto newest = std::move(of_peer.back());
        of_peer.pop_back();
        --count;
        if (newest.since > oldest && !stale(*newest.connection))
            taken = std::move(newest.connection);
        else
            newest.connection->close();
    }
    if (of_peer.empty())
        idle.erase(found);
    return taken;
}

void connection_lease::shelf::put(connection_ptr connection) {
    if (closed || limits.idle_per_peer == 0 || limits.idle == 0 || stale(*connection)) {
        connection->close();
        return;
    }
    auto& of_peer = idle[key_of(connection->peer())];
    if (of_peer.size() >= limits.idle_per_peer) {
        of_peer.front().connection->close();
        of_peer.pop_front();
        --count;
    }
    of_peer.emplace_back(std::move(connection), steady_clock::now());
    if (++count > limits.idle)
        drop_oldest();
    sweep();
}

// Seldom: only when a thousand connections are idle at once.
void connection_lease::shelf::drop_oldest() {
    auto oldest = idle.end();
    for (auto it = idle.begin(); it != idle.end(); ++it)
        if (oldest == idle.end() || it->second.front().since < oldest->second.front().since)
            oldest = it;
    oldest->second.front().connection->close();
    oldest->second.pop_front();
    --count;
    if (oldest->second.empty())
        idle.erase(oldest);
}

void connection_lease::shelf::sweep() {
    if (ticking || idle.empty() || closed)
        return;
    ticking = true;
    timer.expires_after(limits.idle_time);
    timer.async_wait([weak = weak_from_this()](error_code ec) {
        const auto self = weak.lock();
        if (!self)
            return;
        self->ticking = false;
        if (ec)
            return;
        const auto oldest = steady_clock::now() - self->limits.idle_time;
        for (auto it = self->idle.begin(); it != self->idle.end();) {
            auto& of_peer = it->second;
            while (!of_peer.empty() && of_peer.front().since <= oldest) {
                of_peer.front().connection->close();
                of_peer.pop_front();
                --self->count;
            }
            it = of_peer.empty() ? self->idle.erase(it) : std::next(it);
        }
        self->sweep();
    });
}

void connection_lease::shelf::close() {
    closed = true;
    timer.cancel();
    for (auto& [key, of_peer] : idle)
        for (auto& each : of_peer)
            each.connection->close();
    idle.clear();
    count = 0;
}

connection_lease::connection_lease(
    connection_ptr connection, std::shared_ptr<shelf> home, bool used_before
)
    : connection_(std::move(connection)), home_(std::move(home)), used_before_(used_before) {}

connection_lease::connection_lease(connection_lease&& other) noexcept
    : connection_(std::move(other.connection_)), home_(std::move(other.home_)),
      used_before_(other.used_before_) {}

connection_lease& connection_lease::operator=(connection_lease&& other) noexcept {
    if (this != &other) {
        give_back();
        connection_ = std::move(other.connection_);
        home_ = std::move(other.home_);
        used_before_ = other.used_before_;
    }
    return *this;
}

connection_lease::~connection_lease() {
    give_back();
}

// Whoever else still holds it (a watcher of the socket) must not find it in a stranger's hands, so
// only the last owner gives it back.
void connection_lease::give_back() {
    auto connection = std::exchange(connection_, nullptr);
    const auto home = std::exchange(home_, nullptr);
    if (!connection)
        return;
    if (home && connection.use_count() == 1 && connection->reusable())
        home->put(std::move(connection));
    else
        connection->close();
}

struct connection_pool::impl {
    impl(shards& s, client_options o, const pool_limits& limits)
        : threads(s), options(std::move(o)) {
        for (std::size_t i = 0; i < s.size(); ++i)
            shelves.push_back(
                std::make_shared<connection_lease::shelf>(s.at(i).get_executor(), limits)
            );
    }

    shards& threads;
    const client_options options;
    std::vector<std::shared_ptr<connection_lease::shelf>> shelves;
};

connection_pool::connection_pool(shards& threads, client_options options, pool_limits limits)
    : impl_(std::make_unique<impl>(threads, std::move(options), limits)) {}

connection_pool::~connection_pool() {
    stop();
}

awaitable<outcome<connection_lease>> connection_pool::take(http_url peer, bool fresh) {
    const auto shard = impl_->threads.current();
    const auto home = shard < impl_->shelves.size() ? impl_->shelves[shard] : nullptr;
    if (home && !fresh)
        if (auto kept = home->take(peer))
            co_return connection_lease(std::move(kept), home, true);
    auto opened = co_await client_connection::open(std::move(peer), impl_->options);
    if (!opened)
        co_return opened.error();
    co_return connection_lease(std::move(*opened), home, false);
}

void connection_pool::stop() {
    // A shard that answers late still finds its shelf: it owns what it closes.
    const auto shelves = impl_->shelves;
    on_every_shard(
        impl_->threads,
        std::chrono::seconds(2),
        [shelves](std::size_t shard) -> awaitable<void> {
            shelves[shard]->close();
            co_return;
        }
    );
}

} // namespace rivulet::http
