#include "ingest/rtmp_server.hpp"

#include "base/on_every_shard.hpp"
#include "base/task_group.hpp"
#include "ingest/rtmp_connection.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace rivulet::ingest {
namespace {

constexpr int backlog = 1024;
constexpr duration accept_pause = std::chrono::milliseconds(100); // out of descriptors
constexpr duration cut_limit = std::chrono::seconds(3);
constexpr duration stop_grace = std::chrono::seconds(5);

} // namespace

class rtmp_server::impl : public std::enable_shared_from_this<rtmp_server::impl> {
  public:
    impl(shards& shards, rtmp_options options, rtmp_callbacks callbacks, logger log)
        : shards_(shards), log_(log), acceptor_(shards.at(0)) {
        auto given = std::make_shared<rtmp_connection::setup>();
        given->options = std::move(options);
        given->callbacks = std::move(callbacks);
        given->counters = counters_;
        given->log = log;
        given_ = std::move(given);
        for (std::size_t i = 0; i < shards.size(); ++i)
            parts_.push_back(std::make_unique<part>(shards.at(i).get_executor(), log));
    }

    outcome<std::uint16_t> listen();
    void stop(duration drain);
    rtmp_server_stats stats() const;

  private:
    // The connections of one shard; touched on that shard only.
    struct part {
        part(asio::any_io_executor executor, logger log) : tasks(executor, std::move(log)) {}

        task_group tasks;
        std::set<std::shared_ptr<rtmp_connection>> connections;
    };

    // Counts one connection of an address while it lives.
    std::shared_ptr<void> take_slot(const asio::ip::address& address);
    awaitable<void> accept_loop();
    static awaitable<void> run_new(std::shared_ptr<impl> self, std::shared_ptr<rtmp_connection> c);
    static awaitable<void>
    run_home(std::shared_ptr<impl> self, std::size_t home, std::shared_ptr<rtmp_connection> c);
    static awaitable<void> stop_part(std::shared_ptr<impl> self, std::size_t index, duration drain);

    shards& shards_;
    logger log_;
    std::shared_ptr<const rtmp_connection::setup> given_;
    std::shared_ptr<rtmp_counters> counters_ = std::make_shared<rtmp_counters>();
    tcp::acceptor acceptor_; // shard 0, as the next two
    std::map<asio::ip::address, std::size_t> per_address_;
    time_point limit_logged_{};
    std::vector<std::unique_ptr<part>> parts_;
    std::atomic<bool> stopping_{false};
    bool listening_ = false;
};

outcome<std::uint16_t> rtmp_server::impl::listen() {
    const auto& options = given_->options;
    const auto where = options.host + ":" + std::to_string(options.port);
    error_code ec;
    tcp::resolver resolver(shards_.at(0));
    const auto found =
        resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, ec);
    if (ec || found.empty())
        return failure(ec, "RTMP: cannot resolve " + where + ": " + ec.message());
    const tcp::endpoint endpoint = *found.begin();
    acceptor_.open(endpoint.protocol(), ec);
    if (!ec)
        acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec)
        acceptor_.bind(endpoint, ec);
    if (!ec)
        acceptor_.listen(backlog, ec);
    if (ec)
        return failure(ec, "RTMP: cannot listen on " + where + ": " + ec.message());
    const auto port = acceptor_.local_endpoint(ec).port();
    listening_ = true;
    asio::post(shards_.at(0), [self = shared_from_this()] {
        self->parts_[0]->tasks.spawn("rtmp accept", self->accept_loop());
    });
    log_.info("listening on {}:{}", options.host, port);
    return port;
}

std::shared_ptr<void> rtmp_server::impl::take_slot(const asio::ip::address& address) {
    const auto& options = given_->options;
    if (counters_->connections >= options.connections)
        return nullptr;
    auto& count = per_address_[address];
    if (count >= options.connections_per_address)
        return nullptr;
    ++count;
    ++counters_->connections;
    auto release = [weak = weak_from_this(),
                    counters = counters_,
                    address,
                    executor = shards_.at(0).get_executor()](void*) {
        --counters->connections;
        asio::post(executor, [weak, address] {
            auto self = weak.lock();
            if (!self)
                return;
            const auto found = self->per_address_.find(address);
            if (found != self->per_address_.end() && --found->second == 0)
                self->per_address_.erase(found);
        });
    };
    return {static_cast<void*>(this), std::move(release)};
}

awaitable<void> rtmp_server::impl::accept_loop() {
    auto self = shared_from_this();
    auto executor = co_await asio::this_coro::executor;
    while (!stopping_ && acceptor_.is_open()) {
        auto [ec, socket] = co_await acceptor_.async_accept(as_tuple);
        if (ec == asio::error::operation_aborted || stopping_)
            co_return;
        if (ec) {
            // Usually no descriptors are left; the peers wait in the backlog meanwhile.
            log_.warn("accept: {}", ec.message());
            asio::steady_timer pause(executor, accept_pause);
            co_await pause.async_wait(as_tuple);
            continue;
        }
        error_code gone;
        const auto remote = socket.remote_endpoint(gone);
        if (gone)
            continue;
        auto slot = take_slot(remote.address());
        if (!slot) {
            ++counters_->refused;
            const auto now = steady_clock::now();
            if (now - limit_logged_ > std::chrono::seconds(1)) {
                limit_logged_ = now;
                log_.warn(
                    "{} refused: too many connections ({} in all)",
                    remote.address().to_string(),
                    counters_->connections.load()
                );
            }
            continue;
        }
        ++counters_->accepted;
        auto made = std::make_shared<rtmp_connection>(std::move(socket), given_, std::move(slot));
        parts_[0]->tasks.spawn("rtmp handshake", run_new(self, std::move(made)));
    }
}

awaitable<void>
rtmp_server::impl::run_new(std::shared_ptr<impl> self, std::shared_ptr<rtmp_connection> c) {
    auto& here = *self->parts_[0];
    here.connections.insert(c);
    auto leave = std::shared_ptr<void>(nullptr, [&here, &c](void*) { here.connections.erase(c); });
    const bool go_on = co_await c->introduce();
    if (!go_on)
        co_return;
    leave.reset();
    const auto home = self->shards_.index_of(c->stream_name());
    auto& context = self->shards_.at(home);
    c->move_to(context.get_executor());
    asio::post(context, [self, home, c = std::move(c)]() mutable {
        auto& part = *self->parts_[home];
        part.tasks.spawn("rtmp connection", run_home(self, home, std::move(c)));
    });
}

awaitable<void> rtmp_server::impl::run_home(
    std::shared_ptr<impl> self, std::size_t home, std::shared_ptr<rtmp_connection> c
) {
    auto& here = *self->parts_[home];
    here.connections.insert(c);
    auto leave = std::shared_ptr<void>(nullptr, [&here, &c](void*) { here.connections.erase(c); });
    if (self->stopping_)
        co_return;
    co_await c->serve();
}

awaitable<void>
rtmp_server::impl::stop_part(std::shared_ptr<impl> self, std::size_t index, duration drain) {
    auto& here = *self->parts_[index];
    if (index == 0) {
        error_code ignored;
        self->acceptor_.close(ignored);
    }
    const auto connections = here.connections; // cut() may end one at once
    for (const auto& connection : connections)
        connection->cut(kick_cause::stopped, "the server is stopping");
    if (drain > duration::zero())
        co_await here.tasks.join(drain);
    here.tasks.close();
    co_await here.tasks.join(cut_limit);
}

void rtmp_server::impl::stop(duration drain) {
    if (stopping_.exchange(true))
        return;
    on_every_shard(
        shards_,
        drain + cut_limit + stop_grace,
        [self = shared_from_this(), drain](std::size_t i) { return stop_part(self, i, drain); }
    );
}

rtmp_server_stats rtmp_server::impl::stats() const {
    rtmp_server_stats s;
    s.connections = counters_->connections;
    s.publishers = counters_->publishers;
    s.players = counters_->players;
    s.accepted = counters_->accepted;
    s.refused = counters_->refused;
    s.protocol_errors = counters_->protocol_errors;
    s.bytes_in = counters_->bytes_in;
    s.bytes_out = counters_->bytes_out;
    return s;
}

rtmp_server::rtmp_server(shards& shards, rtmp_options options, rtmp_callbacks callbacks, logger log)
    : impl_(std::make_shared<impl>(shards, std::move(options), std::move(callbacks), std::move(log))
      ) {}

rtmp_server::~rtmp_server() {
    impl_->stop(duration::zero());
}

outcome<std::uint16_t> rtmp_server::listen() {
    return impl_->listen();
}

void rtmp_server::stop(duration drain) {
    impl_->stop(drain);
}

rtmp_server_stats rtmp_server::stats() const {
    return impl_->stats();
}

} // namespace rivulet::ingest
