// Who may be asked, and where that list comes from.
// Thread: any.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <string>
#include <utility>
#include <vector>

namespace rivulet::session {

struct candidate {
    std::string address; // as orchestrator_base() returns it
    double score = 1.0;  // below 0: known, but never asked

    candidate() {}

    candidate(std::string a, double s = 1.0) : address(std::move(a)), score(s) {}
};

class candidate_source {
  public:
    virtual ~candidate_source() = default;
    // The newest list; waits only when there has never been one. Refreshes itself in the
    // background, one request at a time, keeping the last good list on failure.
    virtual awaitable<outcome<std::vector<candidate>>> candidates() = 0;

    virtual void stop() {}
};

// -orchAddr: a list that never changes.
class static_source : public candidate_source {
  public:
    // Addresses as orchestrator_bases() returns them.
    explicit static_source(const std::vector<std::string>& addresses)
        : list_(addresses.begin(), addresses.end()) {}

    awaitable<outcome<std::vector<candidate>>> candidates() override { co_return list_; }

  private:
    std::vector<candidate> list_;
};

} // namespace rivulet::session
