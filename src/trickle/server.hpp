// The trickle HTTP endpoints over a channel table: create, write, read, `next`, delete.
// What each request answers in which state: the numbered trickle conformance tests.
// Thread: handlers run on the home shard of the channel's name; connections move there.
#pragma once

#include "http/server.hpp"
#include "trickle/channel_table.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::trickle {

// Why a hook refused. `request_error` with a status of 400–499 is sent as it is, with any other as
// 400; everything else is a 500 (spec 2.7).
struct hook_refusal {
    bool request_error = true;
    int status = 400;
    std::string message; // empty: the status's standard phrase
};

// Called before the change, with the request's head and the channel's name.
using hook = std::function<std::optional<hook_refusal>(
    const http::beast_http::request_header<>&, const std::string& name
)>;

// The same before a channel is read; may ask somebody else. The exchange outlives the answer. It is
// asked about names that have no channel too, so that strangers can't tell which ones do.
using read_hook = std::function<
    awaitable<std::optional<hook_refusal>>(http::exchange& now, const std::string& name)>;

struct server_options {
    std::string base_path = "/";                     // begins and ends with '/'
    bool autocreate = false;                         // a POST creates the channel
    hook before_create;                              // create, and a POST that would autocreate
    hook before_write;                               // POST of a segment to an existing channel
    hook before_delete;                              // DELETE of a channel or a segment
    read_hook before_read;                           // GET of a segment or `next`
    duration keepalive = std::chrono::seconds(10);   // 100 Continue on an idle POST
    duration reader_grace = std::chrono::seconds(2); // for a reader whose segment left the window
    duration write_limit = std::chrono::seconds(30); // for 256 KiB to one reader
};

struct server_counters {
    std::atomic<std::uint64_t> bytes_in{0}, bytes_out{0};
    std::atomic<std::uint64_t> segments_in{0}, segments_out{0};
    std::atomic<std::uint64_t> readers_cut{0}; // lagged past the window, or stuck
};

class server {
  public:
    server(channel_table& table, server_options options, logger log);

    // Adds the routes below base_path; call before front.listen(). The server, the table and
    // `front` live until front.stop() has returned.
    void mount(http::server& front, shards& shards);

    const server_counters& counters() const { return counters_; }

  private:
    awaitable<void> handle(http::exchange& now);
    awaitable<void> create(http::exchange& now, const std::string& name);
    awaitable<void> remove(http::exchange& now, const std::string& name);
    awaitable<void> remove_segment(http::exchange& now, const std::string& name, std::string seq);
    awaitable<void> next(http::exchange& now, const std::string& name);
    awaitable<void> write(http::exchange& now, const std::string& name, std::string seq);
    awaitable<void> read(http::exchange& now, const std::string& name, std::string seq);
    std::optional<http::response>
    refused(const hook& asked, http::exchange& now, const std::string& name) const;
    // True when the read was refused, and the reply sent.
    awaitable<bool> read_refused(http::exchange& now, const std::string& name) const;

    channel_table& table_;
    server_options options_;
    logger log_;
    server_counters counters_;
};

} // namespace rivulet::trickle
