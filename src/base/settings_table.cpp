#include "base/settings_table.hpp"

#include <array>

namespace rivulet {
namespace {

constexpr unsigned gateway = static_cast<unsigned>(command::gateway);
constexpr unsigned worker = static_cast<unsigned>(command::worker);
constexpr unsigned trickle = static_cast<unsigned>(command::trickle);
constexpr unsigned every = gateway | worker | trickle;

constexpr std::int64_t nanoseconds(std::int64_t seconds) {
    return seconds * 1'000'000'000;
}

constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();

// clang-format off
constexpr std::array table{
    setting{.group = "Addresses", .name = "httpAddr", .member = &settings::http_addr, .commands = gateway,
            .help = "Public API: live routes, status, trickle below /ai/trickle/. Plain HTTP.",
            .form = text_form::listen_address},
    setting{.group = "Addresses", .name = "rtmpAddr", .member = &settings::rtmp_addr, .commands = gateway,
            .help = "RTMP, for publishers and players. Empty switches it off.",
            .form = text_form::optional_listen_address},
    setting{.group = "Addresses", .name = "serviceAddr", .member = &settings::service_addr, .commands = worker,
            .help = "Where gateways reach this worker: jobs and trickle. Plain HTTP.",
            .form = text_form::listen_address},
    setting{.group = "Addresses", .name = "addr", .member = &settings::addr, .commands = trickle,
            .help = "Where the trickle server listens. Plain HTTP.",
            .form = text_form::listen_address},
    setting{.group = "Addresses", .name = "cors", .member = &settings::cors, .commands = gateway,
            .help = "Let pages of any origin read every reply of the public API.",
            .old_env = "LIVE_AI_ALLOW_CORS", .present_means_true = true},

    setting{.group = "Orchestrators", .name = "orchAddr", .member = &settings::orch_addr, .commands = gateway,
            .help = "Orchestrators in order of preference, separated by commas. A missing scheme is https, a missing port 8935, a missing host 127.0.0.1. None: the built-in worker."},
    setting{.group = "Orchestrators", .name = "orchestratorTlsVerify", .member = &settings::orchestrator_tls_verify, .commands = gateway,
            .help = "How an orchestrator's certificate is checked. full: chain and host name. pin: trust the first certificate seen, refuse another one later (for self-signed orchestrators). none: accept anything.",
            .choices = "full|pin|none"},
    setting{.group = "Orchestrators", .name = "orchestratorCaFile", .member = &settings::orchestrator_ca_file, .commands = gateway,
            .help = "PEM file of authorities trusted in addition to the system's."},
    setting{.group = "Orchestrators", .name = "orchestratorForeignChannels", .member = &settings::orchestrator_foreign_channels, .commands = gateway,
            .help = "Let an orchestrator name channels on a host that is not its own."},

    setting{.group = "Live streams", .name = "maxStreams", .member = &settings::max_streams, .commands = gateway,
            .help = "Streams at once; further publishers are refused.", .low = 1, .high = 1'000'000},
    setting{.group = "Live streams", .name = "minSegDuration", .member = &settings::min_seg_duration, .commands = gateway,
            .help = "A segment ends at the first keyframe after this time.",
            .old_env = "LIVE_AI_MIN_SEG_DUR", .low = nanoseconds(0), .high = nanoseconds(60)},
    setting{.group = "Live streams", .name = "maxSegDuration", .member = &settings::max_seg_duration, .commands = gateway,
            .help = "A segment ends after this time even without a keyframe.", .low = nanoseconds(1), .high = nanoseconds(600)},
    setting{.group = "Live streams", .name = "segmentBytes", .member = &settings::segment_bytes, .commands = gateway,
            .help = "A segment ends at this size even without a keyframe.", .low = 1 << 16, .high = 1ll << 32},
    setting{.group = "Live streams", .name = "liveOutSegmentTimeout", .member = &settings::live_out_segment_timeout, .commands = gateway,
            .help = "Longest wait for one processed segment. 0: no limit per segment, and 30s without any output end the job.",
            .high = nanoseconds(3600)},
    setting{.group = "Live streams", .name = "playWait", .member = &settings::play_wait, .commands = gateway,
            .help = "How long a player may wait for a stream that has no video yet.", .high = nanoseconds(600)},
    setting{.group = "Live streams", .name = "privateRtmpOutput", .member = &settings::private_rtmp_output, .commands = gateway,
            .help = "Let a publisher's rtmpOutput name loopback, link-local and private hosts."},

    setting{.group = "RTMP", .name = "rtmpMaxConnections", .member = &settings::rtmp_max_connections, .commands = gateway,
            .help = "RTMP connections at once.", .low = 1, .high = 1'000'000},
    setting{.group = "RTMP", .name = "rtmpMaxPerAddress", .member = &settings::rtmp_max_per_address, .commands = gateway,
            .help = "RTMP connections at once from one IP address.", .low = 1, .high = 1'000'000},
    setting{.group = "RTMP", .name = "rtmpHandshakeTimeout", .member = &settings::rtmp_handshake_timeout, .commands = gateway,
            .help = "From the connection to the publish or play command.", .low = nanoseconds(1), .high = nanoseconds(600)},
    setting{.group = "RTMP", .name = "rtmpIdleTimeout", .member = &settings::rtmp_idle_timeout, .commands = gateway,
            .help = "A publisher that sends nothing for so long is disconnected.", .low = nanoseconds(1), .high = nanoseconds(3600)},

    setting{.group = "Worker", .name = "capacity", .member = &settings::capacity, .commands = gateway | worker,
            .help = "Streams that the worker (with rivulet: the built-in one) runs at once. 0: one per core.", .high = 100'000},

    setting{.group = "Trickle", .name = "autocreate", .member = &settings::autocreate, .commands = trickle,
            .help = "A POST to an unknown channel creates it."},
    setting{.group = "Trickle", .name = "path", .member = &settings::path, .commands = trickle,
            .help = "Where the channels are: with / a channel is http://ADDR/NAME.", .form = text_form::url_path},
    setting{.group = "Trickle", .name = "trickleChannels", .member = &settings::trickle_channels, .commands = every,
            .help = "Channels at once.", .low = 4, .high = 10'000'000},
    setting{.group = "Trickle", .name = "trickleReaders", .member = &settings::trickle_readers, .commands = every,
            .help = "Readers at once of one channel.", .low = 1, .high = 10'000'000},
    setting{.group = "Trickle", .name = "trickleSegmentBytes", .member = &settings::trickle_segment_bytes, .commands = every,
            .help = "A longer segment is ended and its writer told.", .low = 1 << 16, .high = 1ll << 36},

    setting{.group = "Process", .name = "gateway", .member = &settings::gateway, .commands = gateway,
            .help = "The role; rivulet without a command is a gateway, so this may be left out.", .alias = "broadcaster"},
    setting{.group = "Process", .name = "shards", .member = &settings::shards, .commands = every,
            .help = "Network threads. 0: one per two cores, so that media threads have the others.", .high = 1'024},
    setting{.group = "Process", .name = "maxConnections", .member = &settings::max_connections, .commands = every,
            .help = "HTTP connections at once.", .low = 1, .high = 1'000'000},
    setting{.group = "Process", .name = "drainTimeout", .member = &settings::drain_timeout, .commands = every,
            .help = "At SIGTERM or SIGINT, replies in progress may take so long.", .high = nanoseconds(3600)},
    setting{.group = "Process", .name = "v", .member = &settings::level, .commands = every,
            .help = "Log level: error, warn, info, debug or trace, or go-livepeer's number (3 is info, 6 and up everything).",
            .alias = "logLevel"},
};

constexpr std::string_view other_role = "Rivulet has no such role in this command; `rivulet worker` is the orchestrator's side";
constexpr std::string_view chain = "this version works off-chain only, without wallet and payments";
constexpr std::string_view transcoding = "it belongs to the transcoding path, which Rivulet does not have";
constexpr std::string_view later = "this version does not have it";
constexpr std::string_view no_need = "Rivulet does not need it";
constexpr std::string_view no_auth = "this version cannot ask it, and starting without it would accept every publisher; take it out to start";
constexpr std::string_view no_discovery = "this version cannot use it and would run streams elsewhere than you asked for; name orchestrators with -orchAddr";
constexpr std::string_view no_filter = "this version cannot obey it and would use orchestrators that you exclude; take it out to start";

constexpr std::array foreign{
    foreign_flag{"aiMinRunnerVersion", false, true, no_filter},
    foreign_flag{"aiModels", false, false, other_role},
    foreign_flag{"aiModelsDir", false, false, other_role},
    foreign_flag{"aiProcessingRetryTimeout", false, false, later},
    foreign_flag{"aiRunnerContainersPerGPU", false, false, other_role},
    foreign_flag{"aiRunnerImage", false, false, other_role},
    foreign_flag{"aiRunnerImageOverrides", false, false, other_role},
    foreign_flag{"aiServerless", true, false, other_role},
    foreign_flag{"aiServiceRegistry", true, false, chain},
    foreign_flag{"aiVerboseLogs", true, false, other_role},
    foreign_flag{"aiWorker", true, false, other_role},
    foreign_flag{"authWebhookUrl", false, false, transcoding},
    foreign_flag{"autoAdjustPrice", true, false, chain},
    foreign_flag{"blockPollingInterval", false, false, chain},
    foreign_flag{"cliAddr", false, false, "this version has no private API"},
    foreign_flag{"currentManifest", true, false, transcoding},
    foreign_flag{"dataDir", false, false, no_need},
    foreign_flag{"datadir", false, false, no_need},
    foreign_flag{"depositMultiplier", false, false, chain},
    foreign_flag{"discoveryTimeout", false, false, later},
    foreign_flag{"ethAcctAddr", false, false, chain},
    foreign_flag{"ethController", false, false, chain},
    foreign_flag{"ethKeystorePath", false, false, chain},
    foreign_flag{"ethOrchAddr", false, false, chain},
    foreign_flag{"ethPassword", false, false, chain},
    foreign_flag{"ethUrl", false, false, chain},
    foreign_flag{"extraNodes", false, false, later},
    foreign_flag{"FVfailGsbucket", false, false, transcoding},
    foreign_flag{"FVfailGskey", false, false, transcoding},
    foreign_flag{"gasLimit", false, false, chain},
    foreign_flag{"gatewayHost", false, false, later},
    foreign_flag{"hevcDecoding", true, false, other_role},
    foreign_flag{"httpIngest", true, false, "publishing is always on; HTTP push of the transcoding path is not there"},
    foreign_flag{"ignoreMaxPriceIfNeeded", true, false, chain},
    foreign_flag{"initializeRound", true, false, chain},
    foreign_flag{"initializeRoundMaxDelay", false, false, chain},
    foreign_flag{"j", true, false, "it describes go-livepeer's flags to MistServer; see -help"},
    foreign_flag{"kafkaBootstrapServers", false, false, later},
    foreign_flag{"kafkaGatewayTopic", false, false, later},
    foreign_flag{"kafkaPassword", false, false, later},
    foreign_flag{"kafkaUser", false, false, later},
    foreign_flag{"liveAIAuthApiKey", false, false, "it goes with -liveAIAuthWebhookUrl, which this version does not have"},
    foreign_flag{"liveAIAuthWebhookUrl", false, true, no_auth},
    foreign_flag{"liveAICapRefreshModels", false, false, "go-livepeer ignores it too"},
    foreign_flag{"liveAICapReportInterval", false, false, later},
    foreign_flag{"liveAIHeartbeatHeaders", false, false, later},
    foreign_flag{"liveAIHeartbeatInterval", false, false, later},
    foreign_flag{"liveAIHeartbeatURL", false, false, later},
    foreign_flag{"liveAISaveNSegments", false, false, later},
    foreign_flag{"liveAITrickleHostForRunner", false, false, other_role},
    foreign_flag{"livePaymentInterval", false, false, chain},
    foreign_flag{"liveRunnerAddr", false, false, other_role},
    foreign_flag{"liveRunnerConfig", false, false, other_role},
    foreign_flag{"liveRunnerProxyUrl", false, false, other_role},
    foreign_flag{"localVerify", true, false, transcoding},
    foreign_flag{"maxAttempts", false, false, transcoding},
    foreign_flag{"maxFaceValue", false, false, chain},
    foreign_flag{"maxGasPrice", false, false, chain},
    foreign_flag{"maxPricePerCapability", false, false, chain},
    foreign_flag{"maxPricePerUnit", false, false, chain},
    foreign_flag{"maxSessions", false, false, "it limits transcoding; -maxStreams limits live streams"},
    foreign_flag{"maxTicketEV", false, false, chain},
    foreign_flag{"maxTotalEV", false, false, chain},
    foreign_flag{"maxTransactionReplacements", false, false, chain},
    foreign_flag{"mediaMTXApiPassword", false, false, "Rivulet takes RTMP itself, without MediaMTX"},
    foreign_flag{"metadataAmqpExchange", false, false, transcoding},
    foreign_flag{"metadataPublishTimeout", false, false, transcoding},
    foreign_flag{"metadataQueueUri", false, false, transcoding},
    foreign_flag{"metricsClientIP", true, false, later},
    foreign_flag{"metricsPerStream", true, false, later},
    foreign_flag{"minGasPrice", false, false, chain},
    foreign_flag{"minPerfScore", false, false, later},
    foreign_flag{"monitor", true, false, later},
    foreign_flag{"netint", false, false, other_role},
    foreign_flag{"network", false, false, chain},
    foreign_flag{"nodes", false, false, other_role},
    foreign_flag{"nvidia", false, false, other_role},
    foreign_flag{"objectStore", false, false, transcoding},
    foreign_flag{"orchBlocklist", false, true, no_filter},
    foreign_flag{"orchMinLivepeerVersion", false, true, no_filter},
    foreign_flag{"orchPerfStatsUrl", false, false, later},
    foreign_flag{"orchSecret", false, false, other_role},
    foreign_flag{"orchWebhookUrl", false, true, no_discovery},
    foreign_flag{"orchestrator", true, false, other_role},
    foreign_flag{"pixelsPerUnit", false, false, chain},
    foreign_flag{"priceFeedAddr", false, false, chain},
    foreign_flag{"pricePerBroadcaster", false, false, chain},
    foreign_flag{"pricePerGateway", false, false, chain},
    foreign_flag{"pricePerUnit", false, false, chain},
    foreign_flag{"recordStore", false, false, transcoding},
    foreign_flag{"redeemer", true, false, chain},
    foreign_flag{"redeemerAddr", false, false, chain},
    foreign_flag{"region", false, false, later},
    foreign_flag{"remoteDiscovery", true, false, other_role},
    foreign_flag{"remoteSigner", true, false, other_role},
    foreign_flag{"remoteSignerAllowNoAuth", true, false, other_role},
    foreign_flag{"remoteSignerHeaders", false, false, chain},
    foreign_flag{"remoteSignerUrl", false, true, no_discovery},
    foreign_flag{"remoteSignerWebhookHeaders", false, false, other_role},
    foreign_flag{"remoteSignerWebhookUrl", false, false, other_role},
    foreign_flag{"reward", true, false, chain},
    foreign_flag{"selectPriceExpFactor", false, false, chain},
    foreign_flag{"selectPriceWeight", false, false, chain},
    foreign_flag{"selectRandFreq", false, false, chain},
    foreign_flag{"selectStakeWeight", false, false, chain},
    foreign_flag{"startupAvailabilityCheck", true, false, other_role},
    foreign_flag{"testTranscoder", true, false, other_role},
    foreign_flag{"ticketEV", false, false, chain},
    foreign_flag{"transactionTimeout", false, false, chain},
    foreign_flag{"transcoder", true, false, other_role},
    foreign_flag{"transcodingOptions", false, false, transcoding},
    foreign_flag{"useLiveRunners", true, false, other_role},
    foreign_flag{"verifierPath", false, false, transcoding},
    foreign_flag{"verifierUrl", false, false, transcoding},
};

constexpr std::array variables{
    foreign_variable{"LIVE_AI_DISABLE_RTMP_OUTPUT", "nothing is pushed unless rtmpOutput says so"},
    foreign_variable{"LIVE_AI_DISABLE_TS_CORRECTION", later},
    foreign_variable{"LIVE_AI_NAT_IP", later},
    foreign_variable{"LIVE_AI_PLAYBACK_HOST", "processed video is served here as NAME-out, without a push"},
    foreign_variable{"LIVE_AI_SERVERLESS_TIMEOUT", other_role},
    foreign_variable{"LIVE_AI_VIDEO_GATHER_TIMEOUT", later},
    foreign_variable{"LIVE_AI_WHEP_ADDR", later},
    foreign_variable{"LIVE_AI_WHEP_MAX_SESSIONS", later},
    foreign_variable{"LIVE_AI_WHEP_URL", later},
    foreign_variable{"LIVE_AI_WHIP_ADDR", later},
};
// clang-format on

} // namespace

std::span<const setting> settings_table() {
    return table;
}

std::span<const foreign_flag> foreign_flags() {
    return foreign;
}

std::span<const foreign_variable> foreign_variables() {
    return variables;
}

} // namespace rivulet
