#include "worker/service.hpp"

#include <fmt/format.h>

namespace rivulet::worker {

service::service(shards& shards, service_options options, logger log)
    : shards_(shards), options_(std::move(options)), log_(std::move(log)),
      http_(std::make_unique<http::server>(shards, options_.http, log_)),
      channels_(std::make_unique<trickle::channel_table>(shards, options_.trickle, log_)) {
    trickle::server_options mounted;
    mounted.base_path = options_.orchestrator.trickle_path;
    trickle_ = std::make_unique<trickle::server>(*channels_, std::move(mounted), log_);
    trickle_->mount(*http_, shards_);
    orchestrator_ =
        std::make_unique<orchestrator>(shards_, *http_, *channels_, options_.orchestrator, log_);
}

service::~service() {
    stop();
}

outcome<std::uint16_t> service::start() {
    auto port = http_->listen(options_.service_addr);
    if (!port)
        return port;
    auto host = options_.service_addr.substr(0, options_.service_addr.rfind(':'));
    if (host.empty() || host == "0.0.0.0" || host == "[::]")
        host = "127.0.0.1";
    url_ = fmt::format("http://{}:{}", host, *port);
    log_.info("orchestrator listens on {}, port {}", options_.service_addr, *port);
    return port;
}

void service::stop(duration drain) {
    if (std::exchange(stopped_, true))
        return;
    orchestrator_->stop(drain);
    channels_->stop();
    http_->stop(drain);
}

std::size_t service::jobs() const {
    return orchestrator_->jobs();
}

} // namespace rivulet::worker
