// One SRT connection, from the caller's first word: a decision during the handshake, then it
// publishes or reads. Lives on the home shard of its stream's name.
// Thread: the shard, but for what is marked.
// Owns: the socket; the sink, demuxer and transcoders while it publishes.
#pragma once

#include "base/log.hpp"
#include "base/notifier.hpp"
#include "ingest/srt_payload.hpp"
#include "ingest/srt_poller.hpp"
#include "ingest/srt_server.hpp"

#include <boost/json/object.hpp>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

namespace rivulet::ingest {

// Counters of a server, shared with its connections. Any thread.
struct srt_counters {
    std::atomic<std::size_t> connections{0}, publishers{0}, readers{0};
    std::atomic<std::uint64_t> accepted{0}, refused{0}, bytes_in{0}, bytes_out{0};
};

// What the sessions of a server looked like last. Any thread.
class srt_book {
  public:
    void put(const void* whose, const srt_session& session);
    void remove(const void* whose);
    std::vector<srt_session> all() const;
    std::vector<srt_session> readers_of(const std::string& name) const;

  private:
    mutable std::mutex lock_;
    std::map<const void*, srt_session> sessions_;
};

// The answer to a caller. Given on the shard, waited for by the handshake's thread.
class srt_decision {
  public:
    struct terms {
        std::optional<std::string> passphrase; // nothing: the server's
    };

    // False when it allows a connection that was settled with another passphrase than its own, or
    // without one.
    bool give(outcome<terms> answer);
    // Nothing when it is not given in time.
    std::optional<outcome<terms>> wait(duration limit);
    // The passphrase to use: the answer's, without an answer `otherwise`, and `standard` when the
    // answer names none. What is given later has to fit.
    std::string settle(std::string otherwise, const std::string& standard);

  private:
    std::mutex lock_;
    std::condition_variable given_;
    std::optional<outcome<terms>> answer_;
    std::optional<std::string> settled_;
    std::string standard_;
};

class srt_connection final : public srt_watcher,
                             public std::enable_shared_from_this<srt_connection> {
  public:
    struct setup {
        srt_options options;
        srt_callbacks callbacks;
        std::shared_ptr<srt_counters> counters;
        std::shared_ptr<srt_book> book;
        std::shared_ptr<srt_poller> poller;
        // A refusal that came after the handshake; the caller's next one is told.
        std::function<void(const srt_caller&, const failure&)> refused_late;
        // A passphrase that came after the handshake; the caller's next one goes by it.
        std::function<void(const srt_caller&, const std::string&)> passphrase_late;
        logger log;
    };

    // Any thread. `slot` is released with the connection (limits).
    srt_connection(
        asio::any_io_executor executor,
        std::shared_ptr<const setup> given,
        srt_caller caller,
        std::shared_ptr<void> slot
    );
    ~srt_connection() override;

    // Any thread.
    const srt_caller& caller() const { return caller_; }

    // Any thread.
    srt_decision& decision() { return decision_; }

    // Asks the callbacks; once, while the handshake waits.
    awaitable<void> decide();
    // The handshake is over: waits for the decision, serves until the end, then closes.
    awaitable<void> run(int socket);
    void cut(std::string reason);

    // --- srt_watcher, on the poller's thread ---
    void srt_readable() override;

  private:
    awaitable<outcome<srt_decision::terms>> ask();
    awaitable<std::string> publish();
    awaitable<std::string> publish_until_end();
    awaitable<std::string> read();
    awaitable<std::string> send_channel(trickle::channel_ptr channel);
    awaitable<std::string> send(std::span<const std::uint8_t> message);
    awaitable<void> drain();
    awaitable<std::string> wait_for_end();
    void received(std::span<const std::uint8_t> data);
    std::string refuse(const failure& why);
    void end(std::string reason);
    void look_for_break();
    void note_session();
    boost::json::object report();

    const asio::any_io_executor executor_;
    const std::shared_ptr<const setup> given_;
    const srt_caller caller_;
    const std::shared_ptr<void> slot_;
    srt_decision decision_;
    std::atomic<int> socket_{-1};
    std::atomic<std::size_t> queued_{0};       // bytes posted to the shard
    std::atomic<std::uint64_t> overflowed_{0}; // bytes dropped since the shard was behind
    std::atomic<bool> failed_{false};          // the poller said so; once

    notifier changed_;
    std::optional<outcome<void>> decided_;
    bool wrong_passphrase_ = false; // by the decision, which came too late for the handshake
    std::optional<std::string> end_reason_;
    std::shared_ptr<ts_publisher> publisher_;
    time_point last_data_{};
    srt_session session_;
    int broken_beats_ = 0;
    unsigned in_a_row_ = 0; // messages sent without a pause
    logger log_;
};

} // namespace rivulet::ingest
