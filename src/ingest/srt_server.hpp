// SRT server: callers publish MPEG-TS and read channels, many on one UDP port, told apart by their
// stream id (srt_stream_id.hpp). libsrt does the protocol on threads of its own.
// Thread: construct, listen and stop from the owner's thread (never from a shard); stats() and
// sessions() from any; callbacks run on the home shard of the stream's name.
// Owns: the port, one thread that waits for all connections, and every connection.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "ingest/access.hpp"
#include "ingest/source.hpp"
#include "ingest/srt_stream_id.hpp"
#include "ingest/ts_publisher.hpp"
#include "trickle/channel.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::ingest {

struct srt_options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8890; // 0: the system chooses, see listen()
    // 10 to 79 characters: every caller must encrypt with it. Empty: callers must not encrypt.
    std::string passphrase;
    // The receiver's buffer against loss, in both directions; the longer one of both ends counts.
    std::chrono::milliseconds latency{120};
    std::size_t connections = 1'000;
    std::size_t connections_per_address = 500;
    // SRT refuses with a reason only during the handshake, and the handshakes of a port share one
    // thread with its data. So a decision is waited for so long, and over all callers for no more
    // than `decision_share` of the time; one that takes longer ends the connection afterwards, and
    // the caller's next attempt is told.
    std::chrono::milliseconds decision_wait{100};
    double decision_share = 0.2;
    duration remember_refusal = std::chrono::seconds(5);
    duration admission_limit = std::chrono::seconds(30); // for the answer of srt_callbacks
    duration idle_limit = std::chrono::seconds(15);      // without data from a publisher
    duration stall_limit = std::chrono::seconds(10);     // a reader that takes no data is cut
    std::size_t queue_bytes = 8u << 20; // received, not yet demultiplexed; above it data is dropped
    ts_publisher_options publisher;
};

// Who calls, before the connection exists.
struct srt_caller {
    srt_target target;
    std::string remote;
    std::string session_id;
};

struct srt_callbacks {
    // Asked once the connection is encrypted as it must be, since it may end another publisher.
    admit_publisher publish;
    // Asked during the handshake; must have no side effects. Both may be empty: anybody may.
    std::function<awaitable<outcome<void>>(srt_caller)> check_publish;
    check_access access; // watch; its stream is the name as the caller wrote it ("cam-out")
    // The channel to read, for names that are not there null. Empty: reading is refused.
    std::function<trickle::channel_ptr(const std::string& name)> find;
    // The stream that a reader's name means, on whose home shard it lives; any thread. Empty: the
    // name is the stream's.
    std::function<std::string(const std::string& name)> locate;
    // The passphrase of one stream; nothing: srt_options::passphrase counts. Asked during the
    // handshake.
    std::function<awaitable<std::optional<std::string>>(srt_caller)> passphrase;
};

struct srt_session {
    std::string stream, session_id, remote;
    srt_mode mode = srt_mode::publish;
    bool encrypted = false;
    int latency_ms = 0; // as negotiated
    double rtt_ms = 0;
    std::uint64_t bytes = 0; // of media, received or sent
    std::uint64_t packets = 0, packets_lost = 0, packets_retransmitted = 0;
    std::uint64_t packets_dropped = 0; // came too late to be played
    std::uint64_t bytes_dropped = 0;   // by us: the stream's shard was behind
    bool transcoding = false;
    double transcoder_cpu_s = 0;
};

struct srt_server_stats {
    std::size_t connections = 0, publishers = 0, readers = 0;
    std::uint64_t accepted = 0, refused = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
};

class srt_server {
  public:
    srt_server(shards& shards, srt_options options, srt_callbacks callbacks, logger log);
    ~srt_server(); // stop(0)
    srt_server(const srt_server&) = delete;
    srt_server& operator=(const srt_server&) = delete;

    // Binds and accepts; returns the port. Fails with a text that names the address or the option.
    outcome<std::uint16_t> listen();
    // Accepts no more, ends every connection, waits at most about `drain`. Idempotent.
    void stop(duration drain);
    srt_server_stats stats() const;
    // The connections that publish or read, as they were within the last second.
    std::vector<srt_session> sessions() const;
    // Those that read under this name. Every stream asks each second: quick, most of all when
    // nobody reads.
    std::vector<srt_session> readers(const std::string& name) const;

    class impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::ingest
