// One connection of the server: reads requests, finds their route, answers, repeats. Private to
// src/http.
// Thread: the shard it currently lives on; close_soon() from any.
#pragma once

#include "http/request_reader.hpp"
#include "http/server.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

namespace rivulet::http {

class connection;

struct route_entry {
    verb method;
    std::string pattern;
    std::size_t body_limit;
    handler handle;        // of whole requests
    exchange_handler take; // or who reads the body itself
};

struct stream_route_entry {
    std::string prefix;
    server::home_of home;
    stream_handler handle;
};

struct upgrade_route_entry {
    std::string pattern;
    upgrade_handler decide;
};

struct server::impl {
    impl(shards& s, server_options o, logger l) : shards_(s), options(o), log(std::move(l)) {}

    static awaitable<void> accept_loop(
        std::shared_ptr<impl> self, std::shared_ptr<tcp::acceptor> acceptor, tls_context tls
    );
    const route_entry*
    find_route(verb method, std::string_view path, request& into, std::string& allowed) const;
    const stream_route_entry* find_stream_route(std::string_view path) const;
    const upgrade_route_entry* find_upgrade_route(std::string_view path, request& into) const;

    void add(connection* c);
    void remove(connection* c);
    void close_connections(bool idle_only);
    void stop(duration drain);

    shards& shards_;
    server_options options;
    logger log;
    std::vector<route_entry> routes; // immutable once listening
    std::vector<stream_route_entry> stream_routes;
    std::vector<upgrade_route_entry> upgrade_routes;
    std::function<void(int socket)> take_http2;
    std::atomic<std::size_t> http2_count{0};
    std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
    std::atomic<bool> stopping{false};
    std::atomic<std::size_t> count{0};
    std::mutex guard; // the set of connections: taken when one opens or closes
    std::condition_variable all_closed;
    std::set<connection*> open;
};

class connection : public std::enable_shared_from_this<connection> {
  public:
    connection(std::shared_ptr<server::impl> owner, tcp::socket socket);
    ~connection();

    // The life of the connection. Returns early when it moves to another shard, where it goes on.
    static awaitable<void> run(std::shared_ptr<connection> self, tls_context tls);
    // Ends it: at once, or, with `idle_only`, when no request is being answered.
    void close_soon(bool idle_only);

  private:
    enum class next { again, close, moved };

    static awaitable<void> serve(std::shared_ptr<connection> self, bool head_was_read);
    awaitable<error_code> refuse_bad_head(error_code why);
    awaitable<void> give_http2(std::string received);
    awaitable<next> answer(std::shared_ptr<connection> self);
    awaitable<void> answer_stream(const stream_route_entry& route, exchange& now);
    awaitable<void> answer_whole(exchange& now);
    awaitable<void> answer_upgrade(const upgrade_route_entry& route, request& asked, exchange& now);
    awaitable<void> give_away(const upgrade_answer& answer, websocket_offer offer);
    awaitable<void> answer_route(const route_entry& route, request& asked, exchange& now);
    awaitable<void> answer_exchange(const route_entry& route, request& asked, exchange& now);
    response refuse(status why, std::string_view message) const;
    awaitable<result<std::string>> read_whole_body(exchange& now, std::size_t limit);

    std::shared_ptr<server::impl> owner_;
    std::shared_ptr<stream> io_;
    request_reader reader_;
    std::atomic<bool> answering_{false};
    std::atomic<std::size_t> shard_; // where a foreign thread reaches it
};

} // namespace rivulet::http
