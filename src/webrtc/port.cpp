#include "webrtc/port.hpp"

#include <algorithm>

namespace rivulet::webrtc {
namespace {

constexpr std::size_t send_slots = 1'024;
constexpr int batches_in_a_row = 8; // then the shard's other work gets its turn
constexpr auto soon = std::chrono::milliseconds(50);
constexpr auto later = std::chrono::milliseconds(500);

} // namespace

struct port::entry {
    entry(
        std::shared_ptr<const dtls_identity> identity,
        link_start start,
        peer_events events,
        packet_output& output,
        logger log
    )
        : link(
              std::move(identity),
              std::move(start),
              std::move(events),
              output,
              std::move(log),
              steady_clock::now()
          ) {}

    peer_link link;
    local_transport local;
};

class port::handle final : public peer {
  public:
    handle(std::weak_ptr<port> home, std::shared_ptr<entry> one)
        : home_(std::move(home)), one_(std::move(one)) {}

    ~handle() override { close(); }

    const local_transport& local() const override { return one_->local; }

    const ice_parameters& remote_ice() const override { return one_->link.remote_ice(); }

    const local_transport& restart_ice(ice_parameters remote) override;

    bool
    send_rtp(std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload) override {
        // The port is there as long as the link has not ended.
        return !one_->link.ended() && one_->link.send_rtp(header, payload);
    }

    bool send_rtcp(std::span<const std::uint8_t> compound) override {
        return !one_->link.ended() && one_->link.send_rtcp(compound);
    }

    peer_stats stats() const override { return one_->link.stats(); }

    void close() override {
        if (one_->link.ended())
            return;
        one_->link.close();
        if (auto home = home_.lock())
            home->forget(one_);
    }

  private:
    std::weak_ptr<port> home_;
    std::shared_ptr<entry> one_;
};

const local_transport& port::handle::restart_ice(ice_parameters remote) {
    auto home = home_.lock();
    if (!home || one_->link.ended())
        return one_->local;
    one_->local.ice = make_ice_parameters();
    const auto retired = one_->link.restart_ice(one_->local.ice, std::move(remote));
    if (retired)
        home->by_fragment_.erase(*retired);
    home->by_fragment_[one_->local.ice.ufrag] = one_;
    return one_->local;
}

port::port(
    asio::io_context& context,
    std::shared_ptr<const dtls_identity> identity,
    port_options options,
    std::shared_ptr<port_counters> counters,
    logger log
)
    : context_(context), identity_(std::move(identity)), options_(std::move(options)),
      counters_(std::move(counters)), log_(std::move(log)), socket_(context), acceptor_(context),
      receiver_(options_.host.is_unspecified()), sender_(send_slots, packet_room), timer_(context),
      tasks_(context.get_executor(), log_) {}

port::~port() {
    for (const auto& one : entries_)
        one->link.close();
}

void port::start() {
    wait_readable();
    if (acceptor_.is_open())
        tasks_.spawn("ICE-TCP", accept());
}

void port::stop(const std::string& reason) {
    if (stopped_)
        return;
    while (!entries_.empty()) {
        const auto one = *entries_.begin();
        one->link.end(reason);
        forget(one);
    }
    flush();
    stopped_ = true;
    error_code ignored;
    socket_.close(ignored);
    acceptor_.close(ignored);
    timer_.cancel();
    const auto links = std::exchange(tcp_links_, {});
    for (const auto& [id, link] : links)
        link->close();
    tasks_.close();
}

std::shared_ptr<peer> port::make_peer(
    remote_transport remote, dtls_fingerprint fingerprint, peer_events events, logger log
) {
    if (stopped_)
        return {};
    link_start start;
    start.local = make_ice_parameters();
    start.remote = std::move(remote.ice);
    start.fingerprint = std::move(fingerprint);
    start.role = remote.active ? dtls_role::server : dtls_role::client;
    start.limits = options_.limits;
    local_transport local;
    local.ice = start.local;
    local.fingerprint = identity_->fingerprint();
    local.candidates = candidates_;
    auto one = std::make_shared<entry>(
        identity_, std::move(start), std::move(events), *this, std::move(log)
    );
    one->local = std::move(local);
    entries_.insert(one);
    by_fragment_[one->local.ice.ufrag] = one;
    ++counters_->peers;
    arm(true);
    return std::make_shared<handle>(weak_from_this(), std::move(one));
}

void port::wait_readable() {
    const auto again = [self = shared_from_this()](error_code ec) {
        if (ec || self->stopped_)
            return;
        self->receive_udp();
        if (!self->stopped_)
            self->wait_readable();
    };
    socket_.async_wait(udp::socket::wait_read, again);
}

void port::receive_udp() {
    const auto each = [this](const path& from, std::span<std::uint8_t> datagram) {
        if (!stopped_)
            receive(from, datagram);
    };
    for (int i = 0; i < batches_in_a_row && !stopped_; ++i) {
        const auto got = receiver_.receive(socket_.native_handle(), each);
        if (!got)
            return; // nothing more; or an ICMP error, which belongs to no one in particular
        counters_->datagrams_in += *got;
        if (*got < udp_receiver::batch)
            return;
    }
}

bool port::receive(const path& from, std::span<std::uint8_t> datagram) {
    if (looks_like_stun(datagram))
        return receive_check(from, datagram);
    const auto found = by_path_.find(from.remote);
    if (found == by_path_.end()) {
        ++counters_->foreign_in;
        return false;
    }
    const auto one = found->second;
    one->link.receive(datagram, from.remote, steady_clock::now());
    settle(one);
    return true;
}

bool port::receive_check(const path& from, std::span<std::uint8_t> datagram) {
    const auto message = parse_stun(datagram);
    if (!message || message->kind != stun_class::request) {
        // An answer to nothing, or a keep-alive that wants none.
        const bool known = by_path_.contains(from.remote);
        if (!known)
            ++counters_->foreign_in;
        return known;
    }
    const auto fragment = message->username.substr(0, message->username.find(':'));
    const auto found = by_fragment_.find(std::string(fragment));
    if (found == by_fragment_.end()) {
        ++counters_->foreign_in;
        return false;
    }
    const auto one = found->second;
    const auto heard = one->link.check(datagram, *message, from, steady_clock::now());
    if (heard.retired)
        by_fragment_.erase(*heard.retired);
    if (heard.forgotten)
        drop_path(*heard.forgotten, *one);
    if (heard.accepted && !one->link.ended()) {
        auto& owner = by_path_[from.remote];
        if (owner && owner != one)
            owner->link.lost(from.remote); // its address was given to somebody else
        owner = one;
        if (from.remote.tcp)
            if (const auto link = tcp_links_.find(from.remote); link != tcp_links_.end())
                link->second->adopt();
    }
    settle(one);
    return heard.accepted;
}

void port::settle(const std::shared_ptr<entry>& one) {
    if (one->link.ended())
        forget(one);
}

void port::forget(const std::shared_ptr<entry>& one) {
    if (entries_.erase(one) == 0)
        return;
    --counters_->peers;
    for (const auto& fragment : one->link.ice().fragments())
        by_fragment_.erase(fragment);
    for (const auto& id : one->link.ice().paths())
        drop_path(id, *one);
}

void port::path_lost(const path_id& id) {
    const auto found = by_path_.find(id);
    if (found == by_path_.end())
        return;
    found->second->link.lost(id);
    by_path_.erase(found);
}

void port::drop_path(const path_id& id, const entry& of) {
    const auto found = by_path_.find(id);
    if (found == by_path_.end() || found->second.get() != &of)
        return;
    by_path_.erase(found);
    if (!id.tcp)
        return;
    if (const auto link = tcp_links_.find(id); link != tcp_links_.end()) {
        // Later: its last frame, a close_notify, is still to be sent.
        const auto close = [link = link->second] { link->close(); };
        asio::post(context_, close);
    }
}

std::span<std::uint8_t> port::room(const path& to) {
    filling_ = nullptr;
    if (stopped_)
        return {};
    if (to.remote.tcp) {
        const auto found = tcp_links_.find(to.remote);
        if (found == tcp_links_.end())
            return {};
        filling_ = found->second.get();
        if (to_flush_.empty() || to_flush_.back() != found->second)
            to_flush_.push_back(found->second);
        return filling_->room(packet_room);
    }
    if (sender_.waiting() == send_slots && !waiting_writable_)
        flush();
    return sender_.room(to);
}

void port::commit(std::size_t length) {
    if (filling_)
        filling_->commit(length);
    else
        sender_.commit(length);
    if (flush_posted_)
        return;
    flush_posted_ = true;
    const auto later_this_turn = [self = weak_from_this()] {
        if (const auto here = self.lock())
            here->flush();
    };
    asio::post(context_, later_this_turn);
}

void port::flush() {
    flush_posted_ = false;
    for (const auto& link : std::exchange(to_flush_, {}))
        link->flush();
    if (stopped_ || sender_.waiting() == 0)
        return;
    const auto done = sender_.flush(socket_.native_handle());
    counters_->datagrams_out += done.sent;
    if (!done.blocked || waiting_writable_)
        return;
    waiting_writable_ = true;
    const auto again = [self = shared_from_this()](error_code ec) {
        self->waiting_writable_ = false;
        if (!ec)
            self->flush();
    };
    socket_.async_wait(udp::socket::wait_write, again);
}

void port::arm(bool need_soon) {
    if (stopped_ || (ticking_ && (ticking_soon_ || !need_soon)))
        return;
    ticking_ = true;
    ticking_soon_ = need_soon;
    timer_.expires_after(need_soon ? duration(soon) : duration(later));
    const auto next = [self = weak_from_this()](error_code ec) {
        const auto here = self.lock();
        if (!ec && here)
            here->tick();
    };
    timer_.async_wait(next);
}

void port::tick() {
    ticking_ = false;
    const auto now = steady_clock::now();
    // Events of a link may make or end others.
    const std::vector<std::shared_ptr<entry>> all(entries_.begin(), entries_.end());
    for (const auto& one : all) {
        one->link.tick(now);
        settle(one);
    }
    if (entries_.empty())
        return;
    arm(std::any_of(entries_.begin(), entries_.end(), [](const auto& one) {
        return one->link.connecting();
    }));
}

} // namespace rivulet::webrtc
