// RTMP server: encoders publish, players play. Handshake, chunks and commands are pure machines
// (rtmp_session_fsm); this is the Asio shell around them.
// Thread: construct, listen and stop from the owner's thread (never from a shard); callbacks run on
// the home shard of the stream's name, where the connection moves as soon as the name is known.
// Owns: its acceptor and every connection.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "http/tls.hpp"
#include "ingest/rtmp_message.hpp"
#include "ingest/source.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rivulet::ingest {

struct rtmp_options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 1935; // 0: the system chooses, see listen()
    http::tls_context tls;     // set: RTMPS, every connection starts with TLS
    duration handshake_limit = std::chrono::seconds(10); // from accept to publish or play
    duration admission_limit =
        std::chrono::seconds(30);                    // for the answer of rtmp_callbacks::publish
    duration idle_limit = std::chrono::seconds(30);  // without a byte from a publisher
    duration stall_limit = std::chrono::seconds(10); // a peer that takes none of our bytes is cut
    duration no_media_limit = std::chrono::seconds(10);  // a publisher must send media within
    duration audio_only_limit = std::chrono::seconds(5); // audio without any video is refused after
    duration linger = std::chrono::seconds(1);           // so that a refusal's text arrives
    std::size_t message_bytes = 8u << 20;
    std::size_t chunk_streams = 64;
    std::size_t connections = 4'000;
    std::size_t connections_per_address = 3'000;
};

// A player that asked for a stream.
struct play_request {
    std::string stream; // the name, without application and query
    std::vector<std::pair<std::string, std::string>> query;
    std::string remote;
    std::string session_id;
};

// The connection as the code that serves a player sees it.
class rtmp_viewer {
  public:
    virtual ~rtmp_viewer() = default;
    virtual const play_request& request() const = 0;
    // Tells the player that the stream begins; once, before send().
    virtual void begin() = 0;
    // Writes the messages (payloads shared, not copied), chunk stream and message stream filled in.
    // Returns when the kernel has them. Fails with errc::lagged when the player took nothing for
    // stall_limit, or the socket's error.
    virtual awaitable<error_code> send(std::vector<rtmp_message> messages) = 0;
    // One onStatus command; goes out with the next write.
    virtual void status(std::string level, std::string code, std::string description) = 0;
};

// Serves one player until its stream or its connection ends; returning closes the connection after
// what was queued went out. Returns the reason for the log. Cancelled when the player leaves.
using serve_player = std::function<awaitable<std::string>(std::shared_ptr<rtmp_viewer>)>;

struct rtmp_callbacks {
    admit_publisher publish;
    serve_player play; // egress::rtmp_play(...); empty: playing is refused
};

struct rtmp_server_stats {
    std::size_t connections = 0, publishers = 0, players = 0;
    std::uint64_t accepted = 0, refused = 0, protocol_errors = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
};

class rtmp_server {
  public:
    rtmp_server(shards& shards, rtmp_options options, rtmp_callbacks callbacks, logger log);
    ~rtmp_server(); // stop(0)
    rtmp_server(const rtmp_server&) = delete;
    rtmp_server& operator=(const rtmp_server&) = delete;

    // Binds and accepts; returns the port. Fails with a text that names the address.
    outcome<std::uint16_t> listen();
    // Accepts no more, tells every peer, waits at most `drain`, then cuts. Idempotent.
    void stop(duration drain);
    rtmp_server_stats stats() const;

    class impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::ingest
