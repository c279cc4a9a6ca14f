#include "network_setup.hpp"

#include "live/heartbeat.hpp"
#include "payment/local_signer.hpp"
#include "payment/remote_signer.hpp"
#include "session/acceptance.hpp"
#include "session/candidate_sources.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <fmt/core.h>

namespace rivulet {
namespace {

namespace json = boost::json;

constexpr auto start_limit = std::chrono::seconds(40); // the signer's own limit is shorter

// [{"model_id":…,"pipeline":…,"minVersion":…}]
outcome<std::map<std::pair<std::string, std::string>, std::string>>
parse_runner_versions(const std::string& text) {
    std::map<std::pair<std::string, std::string>, std::string> versions;
    if (text.empty())
        return versions;
    const auto bad = [&](std::string_view why) {
        return failure(errc::invalid_argument, fmt::format("-aiMinRunnerVersion: {}", why));
    };
    error_code ec;
    const auto value = json::parse(text, ec);
    const auto* rows = ec ? nullptr : value.if_array();
    if (!rows)
        return bad(
            R"(a JSON array is wanted: [{"pipeline":"…","model_id":"…","minVersion":"0.14.0"}])"
        );
    for (const auto& row : *rows) {
        const auto field = [&row](std::string_view name) {
            const auto* object = row.if_object();
            const auto* member = object ? object->if_contains(name) : nullptr;
            const auto* string = member ? member->if_string() : nullptr;
            return string ? std::string(*string) : std::string();
        };
        const auto pipeline = field("pipeline"), model = field("model_id"),
                   version = field("minVersion");
        if (pipeline.empty() || model.empty() || version.empty())
            return bad("every entry needs the texts pipeline, model_id and minVersion");
        versions[{pipeline, model}] = version;
    }
    return versions;
}

outcome<session::discovery_options> discovery_of(const gateway_options& options) {
    session::discovery_options made;
    made.first_tick = options.discovery_timeout;
    made.extra_nodes = options.extra_nodes;
    made.blocklist = options.orch_blocklist;
    made.min_version = options.orch_min_version;
    made.network_poll = options.network_poll;
    made.require_ticket_params =
        !options.remote_signer_url.empty() || !options.eth_keystore.empty();
    if (auto known = session::blocklist::parse(options.orch_blocklist); !known)
        return failure(errc::invalid_argument, "-orchBlocklist: " + known.error().detail);
    auto versions = parse_runner_versions(options.ai_min_runner_version);
    if (!versions)
        return versions.error();
    made.min_runner_versions = std::move(*versions);
    return made;
}

outcome<http::header_list> headers_of(const gateway_options& options) {
    auto headers = live::parse_headers(options.remote_signer_headers);
    if (!headers)
        return failure(errc::invalid_argument, "-remoteSignerHeaders: " + headers.error().detail);
    return headers;
}

bool on_chain(const gateway_options& options) {
    return options.chain != "offchain" && !options.chain.empty() && !options.eth_url.empty();
}

} // namespace

bool needs_built_in(const gateway_options& options) {
    return options.orch_addrs.empty() && options.orch_webhook_url.empty() &&
           options.remote_signer_url.empty() && !on_chain(options);
}

outcome<void> network::choose_source(const gateway_options& options, const std::string& built_in) {
    session::source_settings wanted;
    wanted.webhook_url = options.orch_webhook_url;
    wanted.addresses = options.orch_addrs;
    if (!built_in.empty())
        wanted.addresses.push_back(built_in);
    wanted.signer_url = options.remote_signer_url;
    auto headers = headers_of(options);
    if (!headers)
        return headers.error();
    wanted.signer_headers = std::move(*headers);
    wanted.on_chain = on_chain(options);
    wanted.chain.eth_url = options.eth_url;
    wanted.chain.network = options.chain;
    wanted.chain.controller = options.eth_controller;
    wanted.chain.ai_registry = options.ai_service_registry;
    auto made = session::make_candidate_source(
        threads_.at(0).get_executor(), std::move(wanted), log_.with("discovery")
    );
    if (!made)
        return made.error();
    source_ = std::move(*made);
    if (!source_)
        return failure(
            errc::invalid_argument,
            "no orchestrators are configured: set -orchAddr, -orchWebhookUrl, -remoteSignerUrl, or "
            "-network with -ethUrl"
        );
    return {};
}

outcome<void> network::choose_payments(
    const gateway_options& options,
    observe::metrics& metrics,
    std::shared_ptr<observe::event_queue> events
) {
    auto tls = http::client_tls(options.orch_tls, options.orch_ca_file);
    if (!tls)
        return tls.error();
    http::client_options client;
    client.tls = *tls;
    auto accounts = std::make_shared<payment::records>(metrics, std::move(events));
    if (!options.remote_signer_url.empty())
        return sign_remotely(options, std::move(client), std::move(accounts));
    if (!options.eth_keystore.empty())
        return sign_here(options, std::move(client), metrics, std::move(accounts));
    payments_ = payment::off_chain_payments(discovery_, manager_.get());
    return {};
}

outcome<void> network::sign_remotely(
    const gateway_options& options,
    http::client_options client,
    std::shared_ptr<const payment::records> accounts
) {
    payment::remote_signer_options wanted;
    wanted.url = options.remote_signer_url;
    auto headers = headers_of(options);
    if (!headers)
        return headers.error();
    wanted.headers = std::move(*headers);
    wanted.orchestrators = std::move(client);
    auto made = payment::remote_signer_payments(
        std::move(wanted), discovery_, manager_.get(), std::move(accounts), log_.with("signer")
    );
    if (!made)
        return failure(errc::invalid_argument, "-remoteSignerUrl: " + made.error().detail);
    payments_ = std::move(*made);
    return {};
}

outcome<void> network::sign_here(
    const gateway_options& options,
    http::client_options client,
    observe::metrics& metrics,
    std::shared_ptr<const payment::records> accounts
) {
    if (!on_chain(options))
        return failure(
            errc::invalid_argument,
            "-ethKeystorePath needs the chain whose money it spends: set -network and -ethUrl"
        );
    payment::wallet_options wanted;
    wanted.key.path = options.eth_keystore;
    wanted.key.account = options.eth_account;
    wanted.key.password = options.eth_password;
    wanted.eth_url = options.eth_url;
    wanted.network = options.chain;
    wanted.controller = options.eth_controller;
    wanted.max_ticket_ev = options.max_ticket_ev;
    wanted.max_total_ev = options.max_total_ev;
    wanted.deposit_multiplier = options.deposit_multiplier;
    wanted.orchestrators = std::move(client);
    const auto executor = threads_.at(0).get_executor();
    auto opened =
        payment::open_wallet(executor, wanted, metrics, std::move(accounts), log_.with("wallet"));
    if (!opened)
        return opened.error();
    payments_ = payment::wallet_payments(
        std::move(*opened), discovery_, manager_.get(), log_.with("wallet")
    );
    return {};
}

outcome<std::unique_ptr<network>> network::open(
    shards& threads,
    const gateway_options& options,
    const std::string& built_in,
    observe::metrics& metrics,
    std::shared_ptr<observe::event_queue> events,
    const logger& log
) {
    const bool names_a_chain = options.chain != "offchain" && !options.chain.empty();
    if (names_a_chain != !options.eth_url.empty())
        return failure(
            errc::invalid_argument,
            names_a_chain ? "-network " + options.chain + " needs -ethUrl, a node of that chain"
                          : "-ethUrl needs -network, the chain that its node belongs to"
        );
    if (options.ai_service_registry && !names_a_chain)
        log.warn("-aiServiceRegistry is not used: it needs -network and -ethUrl");
    std::unique_ptr<network> made(new network(threads, log));
    session::grpc_info_options asking;
    asking.verify = options.orch_tls;
    asking.ca_file = options.orch_ca_file;
    auto infos = session::grpc_info::create(asking, log.with("discovery"));
    if (!infos)
        return infos.error();
    made->infos_ = std::move(*infos);
    auto caps = session::price_caps::parse(
        options.max_price_per_unit, options.pixels_per_unit, options.max_price_per_capability
    );
    if (!caps)
        return caps.error();
    made->caps_ = std::move(*caps);
    auto looking = discovery_of(options);
    if (!looking)
        return looking.error();
    if (auto chosen = made->choose_source(options, built_in); !chosen)
        return chosen.error();
    const auto executor = threads.at(0).get_executor();
    made->discovery_ = std::make_shared<session::discovery>(
        executor,
        made->infos_,
        made->source_,
        std::move(*looking),
        metrics,
        events,
        log.with("discovery")
    );
    session::manager_options choosing;
    choosing.ignore_max_price_if_needed = options.ignore_max_price_if_needed;
    made->manager_ = std::make_unique<session::manager>(
        executor, made->discovery_, made->caps_, choosing, metrics, log.with("sessions")
    );
    if (auto chosen = made->choose_payments(options, metrics, std::move(events)); !chosen)
        return chosen.error();
    return made;
}

outcome<void> network::start() {
    auto starting = payments_->start();
    auto started = asio::co_spawn(threads_.at(0), std::move(starting), asio::use_future);
    if (started.wait_for(start_limit) != std::future_status::ready)
        return failure(errc::timed_out, "payments could not be made ready in time");
    if (auto ready = started.get(); !ready)
        return ready;
    infos_->identify(payments_->identity());
    discovery_->start();
    return {};
}

void network::stop() {
    manager_->stop();
    discovery_->stop();
    source_->stop();
    // A stream that would not end in time may still use what follows: it goes with the shards.
    payments_->stop();
    infos_->stop();
}

} // namespace rivulet
