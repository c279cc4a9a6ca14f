#include "webrtc/network.hpp"

#include "webrtc/port.hpp"

#include <future>

namespace rivulet::webrtc {
namespace {

// When the system chooses, the number that UDP got may be taken for TCP.
constexpr int free_choices = 20;

} // namespace

struct network::impl {
    impl(shards& threads, network_options given, logger to)
        : home(threads), options(std::move(given)), log(std::move(to)),
          counters(std::make_shared<port_counters>()) {}

    error_code bind(port& one, std::uint32_t& next) const;
    outcome<std::vector<std::uint16_t>> open();
    void stop();

    shards& home;
    network_options options;
    logger log;
    std::shared_ptr<port_counters> counters;
    std::vector<std::shared_ptr<port>>
        ports; // one per shard; empty before open(), never changed after
};

error_code network::impl::bind(port& one, std::uint32_t& next) const {
    error_code ec = asio::error::address_in_use;
    if (options.first_port == 0) {
        for (int i = 0; i < free_choices && ec == asio::error::address_in_use; ++i)
            ec = one.bind(0);
        return ec;
    }
    while (next <= options.last_port && ec == asio::error::address_in_use)
        ec = one.bind(static_cast<std::uint16_t>(next++));
    return ec;
}

outcome<std::vector<std::uint16_t>> network::impl::open() {
    error_code ec;
    port_options each;
    each.host = asio::ip::make_address(options.host, ec);
    if (ec)
        return failure(
            errc::invalid_argument,
            "WebRTC's host \"" + options.host + "\" is no literal IPv4 or IPv6 address"
        );
    if (!options.nat_ip.empty()) {
        asio::ip::make_address(options.nat_ip, ec);
        if (ec)
            return failure(
                errc::invalid_argument,
                "the NAT address \"" + options.nat_ip + "\" is no literal IPv4 or IPv6 address"
            );
    }
    auto identity = dtls_identity::make();
    if (!identity)
        return identity.error();
    each.nat_ip = options.nat_ip;
    each.tcp = options.tcp;
    each.limits = {options.connect_limit, options.silence_limit};
    std::uint32_t next = options.first_port;
    std::vector<std::shared_ptr<port>> made;
    std::vector<std::uint16_t> numbers;
    for (std::size_t i = 0; i < home.size(); ++i) {
        auto one = std::make_shared<port>(home.at(i), *identity, each, counters, log);
        ec = bind(*one, next);
        if (ec)
            return failure(
                ec,
                fmt::format(
                    "WebRTC finds no free port on {} between {} and {} for network thread {} of "
                    "{}: {}",
                    options.host,
                    options.first_port,
                    options.last_port,
                    i + 1,
                    home.size(),
                    ec.message()
                )
            );
        numbers.push_back(one->number());
        made.push_back(std::move(one));
    }
    ports = std::move(made);
    for (std::size_t i = 0; i < ports.size(); ++i)
        asio::post(home.at(i), [one = ports[i]] { one->start(); });
    return numbers;
}

void network::impl::stop() {
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const auto done = std::make_shared<std::promise<void>>();
        auto ended = done->get_future();
        asio::post(home.at(i), [one = ports[i], done] {
            one->stop("the gateway ends");
            done->set_value();
        });
        // A shard whose loop has ended runs nothing more, and has nothing more to tell either.
        while (!home.at(i).stopped() &&
               ended.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
        }
    }
}

network::network(shards& shards, network_options options, logger log)
    : impl_(std::make_shared<impl>(shards, std::move(options), std::move(log))) {}

network::~network() {
    stop();
}

outcome<std::vector<std::uint16_t>> network::open() {
    return impl_->open();
}

void network::stop() {
    impl_->stop();
}

outcome<std::shared_ptr<peer>>
network::make_peer(remote_transport remote, peer_events events, logger log) {
    const auto shard = impl_->home.current();
    if (shard >= impl_->ports.size())
        return failure(errc::closed, "WebRTC is not open");
    if (impl_->counters->peers >= impl_->options.peers)
        return failure(
            errc::too_many, fmt::format("there are {} WebRTC peers already", impl_->options.peers)
        );
    auto fingerprint = parse_fingerprint(remote.fingerprint_algorithm, remote.fingerprint);
    if (!fingerprint)
        return fingerprint.error();
    auto made = impl_->ports[shard]->make_peer(
        std::move(remote), std::move(*fingerprint), std::move(events), std::move(log)
    );
    if (!made)
        return failure(errc::closed, "the gateway ends");
    return made;
}

network_stats network::stats() const {
    const auto& from = *impl_->counters;
    return {from.peers, from.datagrams_in, from.datagrams_out, from.foreign_in};
}

} // namespace rivulet::webrtc
