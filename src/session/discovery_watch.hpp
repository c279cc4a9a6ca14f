// What discovery tells operators: one log line when an orchestrator becomes unusable or usable
// again, counted errors, what the network offers as metrics, and the events discovery_results and
// network_capabilities. Bounded however many names orchestrators and clients think up.
// Thread: any.
#pragma once

#include "base/log.hpp"
#include "observe/event_queue.hpp"
#include "observe/metrics.hpp"
#include "session/log_budget.hpp"
#include "session/orchestrator_info.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet::session {

struct discovered;

class discovery_watch {
  public:
    // `metrics` outlives the watch.
    discovery_watch(
        observe::metrics& metrics, std::shared_ptr<observe::event_queue> events, logger log
    );

    // A question that failed; `code` as in error_name().
    void failed(const std::string& address, const failure& why);
    // An answer that can't be used for what was asked.
    void rejected(const std::string& address, const std::string& asked_for, const std::string& why);
    void accepted(const std::string& address, const std::string& asked_for);
    // How many may be used for a model, as a gathering knows by now.
    void available(capability_id capability, const std::string& model, std::size_t count);
    void gathered(const std::vector<discovered>& found);
    void network(const std::vector<discovered>& all);

  private:
    struct offer {
        observe::gauge gauge;
        std::size_t count = 0;
    };

    void
    say(const std::string& key,
        const std::string& address,
        std::string kind,
        const std::string& line);
    void forget_an_unserved_model();

    static constexpr std::size_t most_series = 2'000;

    observe::metrics& metrics_;
    std::shared_ptr<observe::event_queue> events_;
    logger log_;

    std::mutex guard_;
    std::map<std::string, std::string> complaints_; // kinds, by address and what was asked for
    std::map<std::pair<std::string, std::string>, observe::counter> errors_;
    std::map<std::pair<capability_id, std::string>, offer> available_;
    log_budget budget_;
    std::vector<observe::gauge> network_; // of the last poll; older ones leave the text
};

// The label of a failed question: "OrchestratorCapped", "DeadlineExceeded", "Unreachable", …
std::string error_name(const failure& why);

} // namespace rivulet::session
