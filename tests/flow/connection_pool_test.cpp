// Connections that are used again, over real sockets.
#include "http/connection_pool.hpp"
#include "http/server.hpp"
#include "support/run_on.hpp"
#include "support/trickle_rig.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace rivulet::test {
namespace {

using namespace std::chrono_literals;
using http::connection_lease;
using http::connection_pool;
using http::verb;

class pool_rig {
  public:
    explicit pool_rig(http::pool_limits limits = {}, http::server_options options = {})
        : shards_(1), server_(shards_, options, logger("test")),
          pool_(shards_, http::client_options(), limits) {
        set_log_level(log_level::off);
        server_.route(verb::get, "/ok", [](const http::request&) { return ok(); });
        port_ = *server_.listen("127.0.0.1:0");
        second_port_ = *server_.listen("127.0.0.1:0");
    }

    ~pool_rig() {
        pool_.stop();
        server_.stop(milliseconds(0));
    }

    void run(awaitable<void> work) { run_on(shards_.at(0).get_executor(), std::move(work)); }

    http::http_url peer(bool second = false) const {
        return *http::parse_http_url(
            "http://127.0.0.1:" + std::to_string(second ? second_port_ : port_) + "/"
        );
    }

    std::size_t accepted() const { return server_.connections(); }

    connection_pool& pool() { return pool_; }

    http::server& server() { return server_; }

  private:
    static awaitable<http::response> ok() { co_return http::json_response({{"ok", true}}); }

    shards shards_;
    http::server server_;
    connection_pool pool_;
    std::uint16_t port_ = 0, second_port_ = 0;
};

awaitable<void> exchange_once(connection_lease& on) {
    http::client_request asked(verb::get, "/ok");
    auto unsent = co_await on->send(std::move(asked));
    EXPECT_FALSE(unsent);
    auto failed = co_await on->read_head(2s);
    EXPECT_FALSE(failed);
    auto body = co_await on->read_text(1000, 2s);
    EXPECT_TRUE(body);
}

awaitable<void> use(pool_rig& rig, bool& used_before, bool fresh = false, bool second = false) {
    auto taken = co_await rig.pool().take(rig.peer(second), fresh);
    EXPECT_TRUE(taken);
    if (!taken)
        co_return;
    auto lease = std::move(*taken);
    used_before = lease.used_before();
    co_await exchange_once(lease);
}

TEST(connection_pool, a_connection_is_used_again_for_the_same_peer) {
    pool_rig rig;
    bool used = true;
    rig.run(use(rig, used));
    EXPECT_FALSE(used);
    for (int i = 0; i < 3; ++i) {
        rig.run(use(rig, used));
        EXPECT_TRUE(used);
    }
    EXPECT_EQ(rig.accepted(), 1u);
    rig.run(use(rig, used, false, true));
    EXPECT_FALSE(used) << "another peer";
    rig.run(use(rig, used, true));
    EXPECT_FALSE(used) << "a new one was wanted";
}

awaitable<void> leave_unread(pool_rig& rig) {
    auto taken = co_await rig.pool().take(rig.peer());
    auto lease = std::move(*taken);
    http::client_request asked(verb::get, "/ok");
    co_await lease->send(std::move(asked));
}

TEST(connection_pool, a_reply_that_was_not_read_ends_the_connection) {
    pool_rig rig;
    bool used = true;
    rig.run(leave_unread(rig));
    EXPECT_TRUE(eventually([&] { return rig.accepted() == 0; }));
    rig.run(use(rig, used));
    EXPECT_FALSE(used);
}

awaitable<void> two_at_once(pool_rig& rig) {
    auto first = co_await rig.pool().take(rig.peer());
    auto second = co_await rig.pool().take(rig.peer());
    auto one = std::move(*first), other = std::move(*second);
    co_await exchange_once(one);
    co_await exchange_once(other);
    one = std::move(other); // the first goes back
    EXPECT_FALSE(other);
    EXPECT_TRUE(one);
}

TEST(connection_pool, keeps_no_more_than_its_limits) {
    http::pool_limits limits;
    limits.idle_per_peer = 1;
    pool_rig rig(limits);
    rig.run(two_at_once(rig));
    EXPECT_TRUE(eventually([&] { return rig.accepted() == 1; }));
    http::pool_limits one;
    one.idle = 1;
    pool_rig other(one);
    bool used = false;
    other.run(use(other, used));
    other.run(use(other, used, false, true));
    EXPECT_TRUE(eventually([&] { return other.accepted() == 1; }));
    other.run(use(other, used));
    EXPECT_FALSE(used) << "the older one went";
    other.run(use(other, used));
    EXPECT_TRUE(used);
}

TEST(connection_pool, idle_connections_end_in_time) {
    http::pool_limits limits;
    limits.idle_time = 40ms;
    pool_rig rig(limits);
    bool used = false;
    rig.run(use(rig, used));
    EXPECT_EQ(rig.accepted(), 1u);
    EXPECT_TRUE(eventually([&] { return rig.accepted() == 0; }));
    rig.run(use(rig, used));
    EXPECT_FALSE(used);
}

TEST(connection_pool, a_connection_that_the_peer_has_closed_is_not_handed_out) {
    http::server_options options;
    options.limits.idle = 30ms;
    pool_rig rig({}, options);
    bool used = false;
    rig.run(use(rig, used));
    EXPECT_TRUE(eventually([&] { return rig.accepted() == 0; }));
    rig.run(use(rig, used));
    EXPECT_FALSE(used);
}

TEST(connection_pool, a_stopped_pool_keeps_nothing) {
    pool_rig rig;
    bool used = false;
    rig.run(use(rig, used));
    rig.pool().stop();
    EXPECT_TRUE(eventually([&] { return rig.accepted() == 0; }));
    rig.run(use(rig, used));
    EXPECT_FALSE(used);
    EXPECT_TRUE(eventually([&] { return rig.accepted() == 0; }));
}

awaitable<void> take_from_nobody(pool_rig& rig) {
    auto nobody = rig.peer();
    nobody.port = 1;
    auto taken = co_await rig.pool().take(nobody);
    EXPECT_FALSE(taken);
    if (!taken) {
        EXPECT_EQ(taken.error().code, errc::connect_failed);
    }
}

TEST(connection_pool, says_why_a_peer_cannot_be_reached) {
    pool_rig rig;
    rig.run(take_from_nobody(rig));
}

} // namespace
} // namespace rivulet::test
