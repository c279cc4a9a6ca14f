#include "worker/service.hpp"

#include "http/client_url.hpp"
#include "session/orchestrator_address.hpp"

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <unistd.h>

namespace rivulet::worker {

namespace {

std::string_view without_final_slash(std::string_view text) {
    while (text.ends_with('/'))
        text.remove_suffix(1);
    return text;
}

// A gateway's caps and a worker's prices are written alike; only the options differ.
failure renamed(failure why) {
    boost::algorithm::replace_all(why.detail, "-maxPricePer", "-pricePer");
    return why;
}

outcome<void> check_addresses(orchestrator_options& options) {
    if (!options.public_url.empty() && !http::parse_http_url(options.public_url))
        return failure(
            errc::invalid_argument,
            fmt::format(
                "-serviceUrl {}: http://HOST:PORT or https://HOST:PORT is wanted",
                options.public_url
            )
        );
    auto nodes = session::orchestrator_bases(options.nodes);
    if (!nodes)
        return failure(nodes.error().code, "-nodes: " + nodes.error().detail);
    options.nodes = std::move(*nodes);
    return {};
}

} // namespace

service::service(shards& shards, service_options options, logger log)
    : shards_(shards), options_(std::move(options)), log_(std::move(log)),
      http_(std::make_unique<http::server>(shards, options_.http, log_)),
      channels_(std::make_unique<trickle::channel_table>(shards, options_.trickle, log_)) {
    trickle::server_options mounted;
    mounted.base_path = options_.orchestrator.trickle_path;
    trickle_ = std::make_unique<trickle::server>(*channels_, std::move(mounted), log_);
    trickle_->mount(*http_, shards_);
    auto prices = session::price_caps::parse(
        options_.price_per_unit, options_.pixels_per_unit, options_.price_per_capability
    );
    if (prices)
        options_.orchestrator.prices = std::move(*prices);
    else
        price_fault_ = renamed(prices.error());
    if (auto good = check_addresses(options_.orchestrator); !good)
        address_fault_ = good.error();
    orchestrator_ =
        std::make_unique<orchestrator>(shards_, *http_, *channels_, options_.orchestrator, log_);
    const auto describe = [this](std::string_view authority) {
        auto made = orchestrator_->offer();
        made.url = url_for(authority);
        return made;
    };
    rpc_ = std::make_unique<rpc_server>(describe, orchestrator_->tokens(), log_);
    http_->on_http2([this](int socket) {
        if (ready_)
            rpc_->take(socket);
        else
            ::close(socket); // as if it had come before the port was open
    });
}

service::~service() {
    stop();
}

outcome<http::tls_context> service::tls(const std::string& host) {
    if (!options_.tls_certificate.empty() || !options_.tls_key.empty()) {
        auto opened = http::reloading_tls::open(options_.tls_certificate, options_.tls_key, log_);
        if (!opened)
            return opened.error();
        certificate_ = std::move(*opened);
        certificate_->watch(shards_.at(0).get_executor());
        return certificate_->context();
    }
    if (options_.tls_self_signed)
        return http::self_signed_tls(host);
    return http::tls_context{};
}

outcome<std::uint16_t> service::start() {
    if (price_fault_)
        return *price_fault_;
    if (address_fault_)
        return *address_fault_;
    if (orchestrator_->fault())
        return *orchestrator_->fault();
    const auto listen_host = options_.service_addr.substr(0, options_.service_addr.rfind(':'));
    any_address_ = listen_host.empty() || listen_host == "0.0.0.0" || listen_host == "[::]";
    const auto host = any_address_ ? std::string("127.0.0.1") : listen_host;
    auto context = tls(host);
    if (!context)
        return context.error();
    const bool secure = *context != nullptr;
    auto port = http_->listen(options_.service_addr, std::move(*context));
    if (!port)
        return port;
    url_ = fmt::format("{}://{}:{}", secure ? "https" : "http", host, *port);
    orchestrator_->begin(url_);
    ready_ = true;
    log_.info(
        "orchestrator listens on {}, port {}{}", options_.service_addr, *port, secure ? ", TLS" : ""
    );
    return port;
}

std::string service::url_for(std::string_view authority) const {
    if (!options_.orchestrator.public_url.empty())
        return std::string(without_final_slash(options_.orchestrator.public_url));
    // Behind an address of every interface, the gateway knows best which one it reached.
    const auto usable = [](unsigned char c) {
        return std::isalnum(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
    };
    if (!any_address_ || authority.empty() || authority.size() > 300 ||
        !std::all_of(authority.begin(), authority.end(), usable))
        return url_;
    return fmt::format("{}://{}", url_.starts_with("https") ? "https" : "http", authority);
}

void service::stop(duration drain) {
    if (std::exchange(stopped_, true))
        return;
    rpc_->stop();
    orchestrator_->stop(drain);
    channels_->stop();
    http_->stop(drain);
    certificate_.reset();
}

std::size_t service::jobs() const {
    return orchestrator_->jobs();
}

node_offer service::offer() const {
    auto made = orchestrator_->offer();
    made.url = url_;
    return made;
}

} // namespace rivulet::worker
