#include "monitoring.hpp"

namespace rivulet {

monitoring::monitoring(const gateway_options& options, const logger& log)
    : log_(log), on_(options.monitor), metrics_(gateway_labels(options.node_id)) {
    if (!on_)
        return;
    live::live_metrics_options wanted;
    wanted.per_stream = options.metrics_per_stream;
    wanted.client_ip = options.metrics_client_ip;
    live_ = std::make_shared<const live::live_metrics>(metrics_, wanted);
}

outcome<std::unique_ptr<monitoring>>
monitoring::open(const gateway_options& options, const logger& log) {
    std::unique_ptr<monitoring> made(new monitoring(options, log));
    if (options.kafka_servers.empty() && options.kafka_topic.empty())
        return made;
    if (!options.monitor || options.kafka_servers.empty() || options.kafka_topic.empty()) {
        log.warn("no events are sent to Kafka: they need -monitor, -kafkaBootstrapServers and "
                 "-kafkaGatewayTopic");
        return made;
    }
    observe::kafka_options wanted;
    wanted.brokers = options.kafka_servers;
    wanted.topic = options.kafka_topic;
    wanted.user = options.kafka_user;
    wanted.password = options.kafka_password;
    wanted.ca_file = options.kafka_ca_file;
    wanted.gateway = options.gateway_host;
    auto opened = observe::kafka_queue::open(wanted, made->metrics_, log.with("kafka"));
    if (!opened)
        return opened.error();
    made->kafka_ = std::move(*opened);
    made->queue_ = made->kafka_;
    return made;
}

outcome<std::uint16_t> monitoring::serve(
    shards& threads, const gateway_options& options, network& orchestrators, gateway_numbers from
) {
    if (options.private_addr.empty())
        return std::uint16_t{0};
    private_front_ =
        std::make_unique<http::server>(threads, http::server_options(), log_.with("private"));
    private_sources sources;
    auto& sessions = orchestrators.sessions();
    sources.network_capabilities = [&sessions] { return sessions.network_capabilities(); };
    sources.pools = [&sessions] { return sessions.pools_info(); };
    sources.orchestrators = [&sessions] { return sessions.orchestrators(); };
    sources.streams = [&streams = from.streams] { return streams.count(); };
    sources.caps = &sessions.caps();
    if (on_) {
        numbers_ = std::make_unique<gateway_metrics>(metrics_, std::move(from));
        sources.metrics = [this] { return numbers_->text(); };
    }
    add_private_routes(*private_front_, std::move(sources));
    return private_front_->listen(options.private_addr);
}

void monitoring::stop(duration drain) {
    if (private_front_)
        private_front_->stop(drain);
    private_front_.reset();
    numbers_.reset();
}

void monitoring::flush() {
    if (kafka_)
        kafka_->close();
}

} // namespace rivulet
