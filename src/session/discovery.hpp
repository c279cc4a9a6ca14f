// Who is there: the configured list, webhook, signer or contract, asked in the background, and the
// gathering of answers for one capability and model (spec/orchestrators.md 4).
// Thread: any shard. Runs its own background work on the executor it is given.
// Fails with: not_found (nobody configured), connect_failed and others (a source that never
// answered).
#pragma once

#include "base/log.hpp"
#include "observe/event_queue.hpp"
#include "observe/metrics.hpp"
#include "session/candidate.hpp"
#include "session/info_source.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace rivulet::session {

struct discovery_options {
    duration first_tick = std::chrono::milliseconds(500); // -discoveryTimeout
    duration longest = std::chrono::seconds(6);
    std::size_t extra_nodes = 0;        // -extraNodes
    std::vector<std::string> blocklist; // -orchBlocklist, "0x…" in any case
    std::string min_version;            // -orchMinLivepeerVersion
    // -aiMinRunnerVersion: by pipeline and model.
    std::map<std::pair<std::string, std::string>, std::string> min_runner_versions;
    duration network_poll = std::chrono::minutes(25); // -liveAICapReportInterval
    bool require_ticket_params = false;               // with a wallet or signer

    discovery_options() {}
};

struct discovered {
    info_ptr info;
    std::string dialled; // the address that answered; info->transcoder may differ
    duration latency{};
    double score = 1.0;
    std::string listed_as; // the candidate that it is, or whose sibling
};

class discovery {
  public:
    discovery(
        asio::any_io_executor executor,
        std::shared_ptr<info_source> infos,
        std::shared_ptr<candidate_source> source,
        discovery_options options,
        observe::metrics& metrics,
        std::shared_ptr<observe::event_queue> events, // may be empty
        logger log
    );
    ~discovery();

    // Starts the background poll of network capabilities.
    void start();
    // Cancels what is under way; the loops must turn on for a moment before what was given may go.
    void stop();

    // Asks everybody for `capability` and `model`. Every usable answer goes to `found` as it
    // arrives, late ones too (to the end of `longest`), on the caller's executor; the coroutine
    // itself returns as soon as `wanted` are there (0: everybody), or the first tick has passed and
    // one is there, or nobody is left to wait for; with how many there are and why others were
    // rejected. One transcoder may be reported more than once, with different `dialled`: whom to
    // believe is the caller's choice. Nothing is reported after stop().
    struct summary {
        std::size_t asked = 0, accepted = 0;
        std::vector<std::pair<std::string, std::string>> rejected; // address, reason

        summary() {}
    };

    awaitable<outcome<summary>> gather(
        capability_id capability,
        std::string model,
        std::size_t wanted,
        std::function<void(discovered)> found
    );

    // Whom the source lists now and allows to be asked; waits only when it never had a list.
    awaitable<outcome<std::set<std::string>>> listed();

    // One orchestrator again (token renewal, spec 5.7): to `url`, within 2.5 s.
    awaitable<outcome<info_answer>>
    ask_again(std::string url, capability_id capability, std::string model, bool ignore_capacity);

    // The table that discovery asks with; it goes into the segment credentials too.
    capability_table wanted(capability_id capability, const std::string& model) const;

    // What everybody offers, from the background poll: the body of GET /getNetworkCapabilities.
    boost::json::object network_capabilities() const;
    // The same as data: (info, dialled address).
    std::vector<discovered> network() const;
    // How many candidates the source listed last.
    std::size_t known() const;

  private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::session
