#include "access_setup.hpp"

namespace rivulet {

outcome<std::unique_ptr<live::gate>> make_gate(
    live::registry& streams,
    const gateway_options& options,
    observe::metrics& metrics,
    const logger& log
) {
    live::gate_options wanted;
    wanted.gateway_host = options.gateway_host;
    wanted.webhook_publish_only = options.webhook_publish_only;
    wanted.playback_prefix = options.whep_url;
    if (!options.stream_keys.empty()) {
        auto keys = live::key_file::open(options.stream_keys, log.with("keys"));
        if (!keys)
            return failure(keys.error().code, "-streamKeys: " + keys.error().detail);
        wanted.keys = std::move(*keys);
    }
    if (!options.auth_webhook_url.empty()) {
        live::auth_webhook_options asked;
        asked.url = options.auth_webhook_url;
        asked.api_key = options.auth_api_key;
        asked.timing = live::auth_webhook_histogram(metrics);
        auto webhook = live::auth_webhook::create(std::move(asked), log.with("auth"));
        if (!webhook)
            return failure(
                webhook.error().code, "-liveAIAuthWebhookUrl: " + webhook.error().detail
            );
        wanted.webhook = std::move(*webhook);
    }
    return std::make_unique<live::gate>(streams, std::move(wanted), log.with("auth"));
}

outcome<std::unique_ptr<live::heartbeat>> make_heartbeat(
    shards& threads, live::registry& streams, const gateway_options& options, const logger& log
) {
    if (options.heartbeat_url.empty())
        return std::unique_ptr<live::heartbeat>();
    live::heartbeat_options wanted;
    wanted.url = options.heartbeat_url;
    wanted.interval = options.heartbeat_interval;
    auto headers = live::parse_headers(options.heartbeat_headers);
    if (!headers)
        return failure(headers.error().code, "-liveAIHeartbeatHeaders: " + headers.error().detail);
    wanted.headers = std::move(*headers);
    return std::make_unique<live::heartbeat>(
        threads, streams, std::move(wanted), log.with("heartbeat")
    );
}

} // namespace rivulet
