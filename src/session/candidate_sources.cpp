#include "session/candidate_sources.hpp"

#include "session/orchestrator_address.hpp"
#include "session/signer_url.hpp"
#include "session/webhook_source.hpp"

namespace rivulet::session {

outcome<std::shared_ptr<candidate_source>>
make_candidate_source(asio::any_io_executor executor, source_settings settings, logger log) {
    if (!settings.webhook_url.empty()) {
        webhook_source_options options;
        options.url = settings.webhook_url;
        options.client = settings.client;
        auto source = make_webhook_source(executor, std::move(options), log);
        if (!source)
            return failure(source.error().code, "-orchWebhookUrl: " + source.error().detail);
        return source;
    }
    auto addresses = orchestrator_bases(settings.addresses);
    if (!addresses)
        return failure(addresses.error().code, "-orchAddr: " + addresses.error().detail);
    if (!addresses->empty())
        return std::make_shared<static_source>(*addresses);
    if (!settings.signer_url.empty()) {
        auto url = signer_endpoint(settings.signer_url, "/discover-orchestrators");
        if (!url)
            return failure(url.error().code, "-remoteSignerUrl: " + url.error().detail);
        webhook_source_options options;
        options.name = "signer's discovery";
        options.url = std::move(*url);
        options.headers = settings.signer_headers;
        options.client = settings.client;
        options.no_score = 1;
        return make_webhook_source(executor, std::move(options), log);
    }
    if (settings.on_chain)
        return make_chain_source(executor, std::move(settings.chain), log.with("chain"));
    return std::shared_ptr<candidate_source>();
}

} // namespace rivulet::session
