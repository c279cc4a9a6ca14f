#include "batch_setup.hpp"

#include "batch/spool.hpp"
#include "network_setup.hpp"
#include "worker/batch_model.hpp"

#include <fmt/core.h>

#include <array>
#include <cerrno>

namespace rivulet {
namespace {

// What an upload will do.
error_code write_as_upload(const std::filesystem::path& folder) {
    batch::spool_limits limits;
    limits.memory = 0;
    limits.folder = folder;
    return batch::spool(limits).write(std::array<std::uint8_t, 1>{});
}

} // namespace

outcome<void> check_upload_folder(const gateway_options& options, const logger& log) {
    const auto& folder = options.batch.upload_folder;
    if (folder.empty()) {
        if (const auto failed = write_as_upload(folder))
            log.warn(
                "large uploads will fail, the system's folder for temporary files can't be "
                "written: {}; name another one with -uploadFolder",
                failed.message()
            );
        return {};
    }
    const auto bad = [&folder](const char* what, const std::string& why) {
        return failure(
            errc::invalid_argument,
            fmt::format(
                "-uploadFolder: {} can't be {}: {}; name a folder that this user may write to",
                folder.string(),
                what,
                why
            )
        );
    };
    std::error_code unmade;
    std::filesystem::create_directories(folder, unmade);
    if (unmade)
        return bad("made", unmade.message());
    const auto failed = write_as_upload(folder);
    // A disk that is full has room again some day, and live streams need none.
    if (failed == boost::system::errc::no_space_on_device ||
        failed == error_code(EDQUOT, boost::system::system_category()))
        log.warn(
            "large uploads fail for now: -uploadFolder {}: {}", folder.string(), failed.message()
        );
    else if (failed)
        return bad("written", failed.message());
    return {};
}

batch::service_options batch_options_of(const gateway_options& options, http::tls_context tls) {
    const auto& wanted = options.batch;
    batch::service_options made;
    made.client.tls = tls;
    made.gateway_host = wanted.result_urls == "path" ? "" : options.gateway_host;
    made.absolute_urls = wanted.result_urls == "absolute" ||
                         (wanted.result_urls == "auto" && !wanted.result_store.empty());
    made.running = wanted.running;
    made.waiting = wanted.waiting;
    made.longest_wait = wanted.longest_wait;
    made.memory = wanted.memory;
    made.done_event = wanted.done_event;

    // The built-in orchestrator has none of the models that the network takes for granted.
    if (needs_built_in(options))
        for (const auto& model : worker::batch_models())
            made.reading.rules.default_models.emplace(
                session::pipeline_of(model.capability), model.name
            );
    made.reading.json_bytes = wanted.json_bytes;
    made.reading.form_bytes = wanted.upload_bytes;
    made.reading.spool_folder = wanted.upload_folder;

    made.dispatch.attempt = wanted.try_timeout;
    made.dispatch.request = wanted.timeout;

    made.results.folder = wanted.result_store;
    made.results.bytes = wanted.result_store_bytes;
    made.results.file_bytes = wanted.result_file_bytes;
    made.results.keep = wanted.result_ttl;

    made.media.client.tls = tls;
    made.media.foreign_hosts = wanted.result_foreign_hosts;
    made.media.limit = wanted.result_timeout;

    made.jobs.folder = wanted.job_store;
    made.jobs.most = wanted.jobs;
    made.jobs.running = wanted.running_jobs;
    made.jobs.keep = wanted.job_ttl;
    made.jobs.webhooks.private_hosts = options.private_targets;
    made.jobs.webhooks.secret = wanted.webhook_secret;
    return made;
}

} // namespace rivulet
