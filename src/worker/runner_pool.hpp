// The external runners that a worker stands in front of.
// Thread: any; begin and stop from outside the shards.
#pragma once

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/shards.hpp"
#include "worker/node_offer.hpp"
#include "worker/runner_link.hpp"

#include <memory>
#include <string>
#include <vector>

namespace rivulet::worker {

class runner_pool {
  public:
    // `common` is each one's, but for the URL. Fails with invalid_argument when a URL can't be
    // used.
    static outcome<std::unique_ptr<runner_pool>>
    make(shards& shards, const std::vector<std::string>& urls, runner_options common, logger log);
    ~runner_pool(); // stop()s

    void begin();
    // Blocks for about a second at most; idempotent.
    void stop();

    // Some runner has this model, busy or not. Without a model, any of the capability.
    bool knows(session::capability_id capability, const std::string& model) const;

    // Empty when none is free. Without a model, any of the capability.
    runner_lease take(session::capability_id capability, const std::string& model);

    // Prices are the caller's to fill in.
    std::vector<offered_model> offers() const;
    std::vector<session::hardware_info> hardware() const;

  private:
    runner_pool() = default;

    std::vector<std::shared_ptr<runner_link>> links_;
    std::vector<asio::any_io_executor> homes_; // of links_
    bool begun_ = false, stopped_ = false;     // the owner's thread
};

} // namespace rivulet::worker
