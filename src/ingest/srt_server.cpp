#include "ingest/srt_server.hpp"

#include "base/ids.hpp"
#include "base/on_every_shard.hpp"
#include "base/task_group.hpp"
#include "ingest/peer_text.hpp"
#include "ingest/srt_connection.hpp"
#include "ingest/srt_library.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <netdb.h>
#include <set>
#include <srt/access_control.h>

namespace rivulet::ingest {
namespace {

constexpr int backlog = 512;
constexpr int oldest_version = 0x010300; // the first with stream ids and encryption by default
constexpr duration handshake_limit = std::chrono::seconds(10);
constexpr duration cut_limit = std::chrono::seconds(3);
constexpr duration stop_grace = std::chrono::seconds(5);
constexpr duration log_pause = std::chrono::seconds(1);
constexpr std::size_t most_refusals = 1024;
constexpr std::size_t shortest_passphrase = 10, longest_passphrase = 79;
constexpr int buffer_bytes = 4 << 20, largest_buffer_bytes = 32 << 20;
constexpr std::chrono::milliseconds longest_latency{60'000};

bool is_passphrase(const std::string& text) {
    return text.size() >= shortest_passphrase && text.size() <= longest_passphrase;
}

template <class Value>
bool set(SRTSOCKET socket, SRT_SOCKOPT option, Value value) {
    return srt_setsockflag(socket, option, &value, sizeof value) == 0;
}

std::string host_of(const std::string& remote) {
    return remote.substr(0, remote.rfind(':'));
}

struct address_list {
    addrinfo* first = nullptr;

    ~address_list() {
        if (first)
            freeaddrinfo(first);
    }
};

} // namespace

class srt_server::impl final : public srt_watcher,
                               public std::enable_shared_from_this<srt_server::impl> {
  public:
    impl(shards& shards, srt_options options, srt_callbacks callbacks, logger log);

    ~impl() override { close_listener(); }

    outcome<std::uint16_t> listen();
    void stop(duration drain);
    srt_server_stats stats() const;

    std::vector<srt_session> sessions() const { return given_->book->all(); }

    std::vector<srt_session> readers(const std::string& name) const {
        return counters_->readers == 0 ? std::vector<srt_session>()
                                       : given_->book->readers_of(name);
    }

    void srt_readable() override; // callers whose handshake is over

  private:
    // The connections of one shard; touched on that shard only.
    struct part {
        part(asio::any_io_executor executor, logger log) : tasks(executor, std::move(log)) {}

        task_group tasks;
        std::set<std::shared_ptr<srt_connection>> connections;
    };

    struct waiting {
        std::shared_ptr<srt_connection> connection;
        time_point since;
        std::size_t home = 0; // its shard
    };

    struct refusal {
        int code;
        time_point until;
    };

    struct late_passphrase {
        std::string passphrase;
        time_point until;
    };

    static int on_handshake(
        void* self, SRTSOCKET socket, int version, const sockaddr* peer, const char* stream_id
    );
    int handshake(SRTSOCKET socket, int version, const sockaddr& peer, std::string_view stream_id);
    int refuse(SRTSOCKET socket, int code, const std::string& remote, std::string_view why);
    outcome<SRTSOCKET> open_listener();
    void close_listener();
    std::shared_ptr<void> take_slot(const std::string& host);
    duration wait_budget(time_point now);
    void remember(const srt_caller& caller, const failure& why);
    std::optional<int> remembered(const srt_caller& caller, time_point now);
    void remember_passphrase(const srt_caller& caller, const std::string& passphrase);
    std::string likely_passphrase(const srt_caller& caller, time_point now);
    std::size_t home_of(const srt_caller& caller) const;
    void sweep();
    static awaitable<void>
    run(std::shared_ptr<impl> self,
        std::size_t home,
        std::shared_ptr<srt_connection> connection,
        int socket);
    static awaitable<void> stop_part(std::shared_ptr<impl> self, std::size_t index, duration drain);

    shards& shards_;
    logger log_;
    std::shared_ptr<srt_counters> counters_ = std::make_shared<srt_counters>();
    std::shared_ptr<srt_connection::setup> given_;
    std::vector<std::unique_ptr<part>> parts_;
    std::atomic<int> listener_{-1};
    std::atomic<bool> stopping_{false};

    // The handshake's thread only.
    duration budget_{};
    time_point budget_at_{};
    time_point refusal_logged_{};

    std::mutex lock_; // what follows
    std::map<std::string, std::size_t> per_host_;
    std::map<SRTSOCKET, waiting> waiting_; // between handshake and accept
    std::map<std::pair<std::string, std::string>, refusal> refusals_; // by host and caller's wish
    std::map<std::pair<std::string, std::string>, late_passphrase> passphrases_; // the same
};

srt_server::impl::impl(shards& shards, srt_options options, srt_callbacks callbacks, logger log)
    : shards_(shards), log_(log) {
    given_ = std::make_shared<srt_connection::setup>();
    given_->options = std::move(options);
    given_->callbacks = std::move(callbacks);
    given_->counters = counters_;
    given_->book = std::make_shared<srt_book>();
    given_->log = log;
    for (std::size_t i = 0; i < shards.size(); ++i)
        parts_.push_back(std::make_unique<part>(shards.at(i).get_executor(), log));
}

// --- listening -----------------------------------------------------------------------------------

outcome<SRTSOCKET> srt_server::impl::open_listener() {
    const auto& options = given_->options;
    const auto where = options.host + ":" + std::to_string(options.port);
    auto fail = [&](const std::string& what) {
        // The system's own words say more than libsrt's, where there are any.
        int system = 0;
        srt_getlasterror(&system);
        return failure(
            errc::connect_failed,
            "SRT: " + what + " " + where + ": " +
                (system != 0 ? std::generic_category().message(system) : last_srt_error())
        );
    };
    addrinfo hints{};
    hints.ai_flags = AI_PASSIVE;
    hints.ai_socktype = SOCK_DGRAM;
    address_list found;
    const auto port = std::to_string(options.port);
    const int failed = getaddrinfo(
        options.host.empty() ? nullptr : options.host.c_str(), port.c_str(), &hints, &found.first
    );
    if (failed != 0 || !found.first)
        return failure(
            errc::connect_failed, "SRT: cannot resolve " + where + ": " + gai_strerror(failed)
        );
    start_srt();
    const SRTSOCKET socket = srt_create_socket();
    if (socket == SRT_INVALID_SOCK)
        return fail("cannot open");
    const auto latency = static_cast<int>(options.latency.count());
    // Room for what the latency holds at 32 Mbit/s, and a peer can't ask for more.
    const int buffer = std::clamp(4096 * latency, buffer_bytes, largest_buffer_bytes);
    const bool configured = set(socket, SRTO_RCVSYN, false) && set(socket, SRTO_SNDSYN, false) &&
                            set(socket, SRTO_LATENCY, latency) &&
                            set(socket, SRTO_RCVBUF, buffer) && set(socket, SRTO_SNDBUF, buffer) &&
                            set(socket, SRTO_MINVERSION, oldest_version) &&
                            (found.first->ai_family != AF_INET6 || set(socket, SRTO_IPV6ONLY, 0));
    if (!configured || srt_listen_callback(socket, &impl::on_handshake, this) != 0 ||
        srt_bind(socket, found.first->ai_addr, static_cast<int>(found.first->ai_addrlen)) != 0 ||
        srt_listen(socket, backlog) != 0) {
        auto why = fail("cannot listen on");
        srt_close(socket);
        return why;
    }
    return socket;
}

outcome<std::uint16_t> srt_server::impl::listen() {
    const auto& options = given_->options;
    if (!options.passphrase.empty() && !is_passphrase(options.passphrase))
        return failure(errc::invalid_argument, "SRT: the passphrase must have 10 to 79 characters");
    if (options.latency.count() < 0 || options.latency > longest_latency)
        return failure(errc::invalid_argument, "SRT: the latency must be between 0 and 60 s");
    std::weak_ptr<impl> weak = weak_from_this();
    given_->refused_late = [weak](const srt_caller& caller, const failure& why) {
        if (auto self = weak.lock())
            self->remember(caller, why);
    };
    given_->passphrase_late = [weak](const srt_caller& caller, const std::string& passphrase) {
        if (auto self = weak.lock())
            self->remember_passphrase(caller, passphrase);
    };
    given_->poller = std::make_shared<srt_poller>([weak] {
        if (auto self = weak.lock())
            self->sweep();
    });
    auto opened = open_listener();
    if (!opened)
        return opened.error();
    listener_ = *opened;
    sockaddr_storage bound{};
    int size = sizeof bound;
    srt_getsockname(*opened, reinterpret_cast<sockaddr*>(&bound), &size);
    const auto port = ntohs(
        bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                                    : reinterpret_cast<sockaddr_in&>(bound).sin_port
    );
    given_->poller->add(*opened, shared_from_this());
    log_.info(
        "listening on {}:{}, {}",
        options.host,
        port,
        options.passphrase.empty() ? "without encryption" : "encrypted"
    );
    return port;
}

// Once it returns no handshake is under way any more.
void srt_server::impl::close_listener() {
    if (const int socket = listener_.exchange(-1); socket >= 0) {
        given_->poller->remove(socket);
        srt_close(socket);
    }
}

// --- the handshake, on libsrt's thread of the port -----------------------------------------------

int srt_server::impl::on_handshake(
    void* self, SRTSOCKET socket, int version, const sockaddr* peer, const char* stream_id
) {
    try {
        return static_cast<impl*>(self)->handshake(
            socket, version, *peer, stream_id ? stream_id : ""
        );
    } catch (const std::exception&) { // out of memory: libsrt knows no exceptions
        srt_setrejectreason(socket, SRT_REJX_ISE);
        return -1;
    }
}

int srt_server::impl::refuse(
    SRTSOCKET socket, int code, const std::string& remote, std::string_view why
) {
    ++counters_->refused;
    srt_setrejectreason(socket, code);
    // Callers come again and again.
    const auto now = steady_clock::now();
    if (now - refusal_logged_ >= log_pause) {
        refusal_logged_ = now;
        log_.warn("{} refused ({}): {}", remote, 1000 + code, why);
    }
    return -1;
}

int srt_server::impl::handshake(
    SRTSOCKET socket, int version, const sockaddr& peer, std::string_view stream_id
) {
    const auto remote = to_string(peer);
    if (stopping_)
        return refuse(socket, SRT_REJX_DOWN, remote, "the server is stopping");
    if (version < 5)
        return refuse(socket, SRT_REJX_VERSION, remote, "too old a version of SRT");
    auto target = parse_srt_stream_id(stream_id);
    if (!target)
        return refuse(
            socket, srt_reject_code(target.error(), false), remote, target.error().detail
        );
    srt_caller caller{std::move(*target), remote, random_hex(4)};
    const bool key_shown = !caller.target.key.empty();
    const auto now = steady_clock::now();
    if (const auto code = remembered(caller, now))
        return refuse(socket, *code, remote, "refused a moment ago");
    auto slot = take_slot(host_of(remote));
    if (!slot)
        return refuse(socket, SRT_REJX_OVERLOAD, remote, "too many connections");

    const auto home = home_of(caller);
    auto connection = std::make_shared<srt_connection>(
        shards_.at(home).get_executor(), given_, std::move(caller), std::move(slot)
    );
    asio::post(shards_.at(home), [self = shared_from_this(), home, connection] {
        self->parts_[home]->tasks.spawn("srt decision", connection->decide());
    });
    const auto answer = connection->decision().wait(wait_budget(now));
    budget_ -= steady_clock::now() - now;
    if (answer && !*answer) {
        const auto& why = answer->error();
        return refuse(
            socket,
            srt_reject_code(why, key_shown),
            remote,
            connection->caller().target.stream + ": " + why.detail
        );
    }
    const auto passphrase = connection->decision().settle(
        likely_passphrase(connection->caller(), now), given_->options.passphrase
    );
    if (!passphrase.empty() &&
        (!is_passphrase(passphrase) ||
         srt_setsockflag(
             socket, SRTO_PASSPHRASE, passphrase.data(), static_cast<int>(passphrase.size())
         ) != 0))
        return refuse(socket, SRT_REJX_ISE, remote, "the stream's passphrase can't be used");
    const std::lock_guard guard(lock_);
    waiting_[socket] = {std::move(connection), now, home};
    return 0;
}

std::shared_ptr<void> srt_server::impl::take_slot(const std::string& host) {
    const auto& options = given_->options;
    const std::lock_guard guard(lock_);
    if (counters_->connections >= options.connections)
        return nullptr;
    auto& count = per_host_[host];
    if (count >= options.connections_per_address)
        return nullptr;
    ++count;
    ++counters_->connections;
    auto release = [weak = weak_from_this(), counters = counters_, host](void*) {
        --counters->connections;
        auto self = weak.lock();
        if (!self)
            return;
        const std::lock_guard guard(self->lock_);
        const auto found = self->per_host_.find(host);
        if (found != self->per_host_.end() && --found->second == 0)
            self->per_host_.erase(found);
    };
    return {static_cast<void*>(this), std::move(release)};
}

// The port's data waits as long as a handshake does, so strangers may take a share of the time.
duration srt_server::impl::wait_budget(time_point now) {
    const auto& options = given_->options;
    const auto most = std::max<duration>(options.decision_wait, std::chrono::milliseconds(1)) * 2;
    if (budget_at_ == time_point{})
        budget_ = most;
    else
        budget_ += std::chrono::duration_cast<duration>(
            (now - budget_at_) * std::clamp(options.decision_share, 0.0, 1.0)
        );
    budget_ = std::min(budget_, most);
    budget_at_ = now;
    return std::clamp<duration>(budget_, duration::zero(), options.decision_wait);
}

namespace {

std::pair<std::string, std::string> wish_of(const srt_caller& caller) {
    std::string wish = caller.target.mode == srt_mode::publish ? "publish:" : "read:";
    wish += caller.target.stream + ':' + caller.target.key;
    return {host_of(caller.remote), std::move(wish)};
}

} // namespace

void srt_server::impl::remember(const srt_caller& caller, const failure& why) {
    const auto now = steady_clock::now();
    const int code = srt_reject_code(why, !caller.target.key.empty());
    const std::lock_guard guard(lock_);
    if (refusals_.size() >= most_refusals)
        refusals_.clear();
    refusals_[wish_of(caller)] = {code, now + given_->options.remember_refusal};
}

std::optional<int> srt_server::impl::remembered(const srt_caller& caller, time_point now) {
    const std::lock_guard guard(lock_);
    const auto found = refusals_.find(wish_of(caller));
    if (found == refusals_.end() || found->second.until <= now)
        return std::nullopt;
    return found->second.code;
}

void srt_server::impl::remember_passphrase(
    const srt_caller& caller, const std::string& passphrase
) {
    const auto until = steady_clock::now() + given_->options.admission_limit;
    const std::lock_guard guard(lock_);
    if (passphrases_.size() >= most_refusals)
        passphrases_.clear();
    passphrases_[wish_of(caller)] = {passphrase, until};
}

// Until the decision is there, which may still refuse it.
std::string srt_server::impl::likely_passphrase(const srt_caller& caller, time_point now) {
    const std::lock_guard guard(lock_);
    const auto found = passphrases_.find(wish_of(caller));
    if (found == passphrases_.end() || found->second.until <= now)
        return given_->options.passphrase;
    return found->second.passphrase;
}

// A publisher's name is its stream's; a reader's may name a session of one.
std::size_t srt_server::impl::home_of(const srt_caller& caller) const {
    const auto& name = caller.target.stream;
    const auto& locate = given_->callbacks.locate;
    const bool direct = caller.target.mode == srt_mode::publish || !locate;
    return shards_.index_of(direct ? name : locate(name));
}

// --- connections ---------------------------------------------------------------------------------

void srt_server::impl::srt_readable() {
    for (;;) {
        const int listener = listener_;
        if (listener < 0)
            return;
        const SRTSOCKET socket = srt_accept(listener, nullptr, nullptr);
        if (socket == SRT_INVALID_SOCK)
            return;
        std::shared_ptr<srt_connection> connection;
        std::size_t home = 0;
        {
            const std::lock_guard guard(lock_);
            if (auto found = waiting_.find(socket); found != waiting_.end()) {
                connection = std::move(found->second.connection);
                home = found->second.home;
                waiting_.erase(found);
            }
        }
        if (!connection) {
            srt_close(socket);
            continue;
        }
        ++counters_->accepted;
        asio::post(
            shards_.at(home),
            [self = shared_from_this(), home, connection = std::move(connection), socket](
            ) mutable {
                auto& part = *self->parts_[home];
                auto task = run(self, home, std::move(connection), socket);
                if (!part.tasks.spawn("srt connection", std::move(task)))
                    srt_close(socket);
            }
        );
    }
}

// On the poller's thread: handshakes that failed after our answer, and old refusals.
void srt_server::impl::sweep() {
    const auto now = steady_clock::now();
    std::vector<std::shared_ptr<srt_connection>> gone; // destroyed without the lock
    {
        const std::lock_guard guard(lock_);
        for (auto it = waiting_.begin(); it != waiting_.end();) {
            const auto state = srt_getsockstate(it->first);
            const bool failed = state == SRTS_BROKEN || state == SRTS_CLOSING ||
                                state == SRTS_CLOSED || state == SRTS_NONEXIST;
            if (failed || now - it->second.since > handshake_limit) {
                gone.push_back(std::move(it->second.connection));
                it = waiting_.erase(it);
            } else {
                ++it;
            }
        }
        std::erase_if(refusals_, [&](const auto& entry) { return entry.second.until <= now; });
        std::erase_if(passphrases_, [&](const auto& entry) { return entry.second.until <= now; });
    }
    for (const auto& connection : gone) {
        ++counters_->refused;
        log_.warn(
            "{} {}: the handshake failed: wrong, missing or unexpected passphrase, or it left",
            connection->caller().target.stream,
            connection->caller().remote
        );
    }
}

awaitable<void> srt_server::impl::run(
    std::shared_ptr<impl> self,
    std::size_t home,
    std::shared_ptr<srt_connection> connection,
    int socket
) {
    auto& here = *self->parts_[home];
    here.connections.insert(connection);
    auto leave = std::shared_ptr<void>(nullptr, [&here, &connection](void*) {
        here.connections.erase(connection);
    });
    if (self->stopping_)
        connection->cut("the server is stopping");
    co_await connection->run(socket);
}

awaitable<void>
srt_server::impl::stop_part(std::shared_ptr<impl> self, std::size_t index, duration drain) {
    auto& here = *self->parts_[index];
    const auto connections = here.connections; // cut() may end one at once
    for (const auto& connection : connections)
        connection->cut("the server is stopping");
    if (drain > duration::zero())
        co_await here.tasks.join(drain);
    here.tasks.close();
    co_await here.tasks.join(cut_limit);
}

void srt_server::impl::stop(duration drain) {
    if (stopping_.exchange(true))
        return;
    close_listener();
    on_every_shard(
        shards_,
        drain + cut_limit + stop_grace,
        [self = shared_from_this(), drain](std::size_t i) { return stop_part(self, i, drain); }
    );
    if (given_->poller)
        given_->poller->stop();
    std::map<SRTSOCKET, waiting> gone; // destroyed without the lock
    const std::lock_guard guard(lock_);
    gone.swap(waiting_);
}

srt_server_stats srt_server::impl::stats() const {
    srt_server_stats s;
    s.connections = counters_->connections;
    s.publishers = counters_->publishers;
    s.readers = counters_->readers;
    s.accepted = counters_->accepted;
    s.refused = counters_->refused;
    s.bytes_in = counters_->bytes_in;
    s.bytes_out = counters_->bytes_out;
    return s;
}

srt_server::srt_server(shards& shards, srt_options options, srt_callbacks callbacks, logger log)
    : impl_(std::make_shared<impl>(shards, std::move(options), std::move(callbacks), std::move(log))
      ) {}

srt_server::~srt_server() {
    impl_->stop(duration::zero());
}

outcome<std::uint16_t> srt_server::listen() {
    return impl_->listen();
}

void srt_server::stop(duration drain) {
    impl_->stop(drain);
}

srt_server_stats srt_server::stats() const {
    return impl_->stats();
}

std::vector<srt_session> srt_server::sessions() const {
    return impl_->sessions();
}

std::vector<srt_session> srt_server::readers(const std::string& name) const {
    return impl_->readers(name);
}

} // namespace rivulet::ingest
