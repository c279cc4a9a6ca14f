// Whether an orchestrator's answer to discovery makes it one that may be used
// (spec/orchestrators.md 3.3 and 4.7). Pure.
#pragma once

#include "session/orchestrator_info.hpp"

#include <set>
#include <string>
#include <vector>

namespace rivulet::session {

// Addresses of Ethereum that are never used, by raw bytes.
class blocklist {
  public:
    blocklist() = default;

    // "0x…" in any case, blanks around are ignored, empty entries too. Fails with invalid_argument
    // and quotes the entry.
    static outcome<blocklist> parse(const std::vector<std::string>& entries);

    // An orchestrator that names no address, or zeros as off-chain ones do, is on no list.
    bool contains(const std::string& address) const { return addresses_.contains(address); }

    void add(const blocklist& other) {
        addresses_.insert(other.addresses_.begin(), other.addresses_.end());
    }

    std::size_t size() const { return addresses_.size(); }

  private:
    std::set<std::string> addresses_;
};

struct acceptance_rules {
    const blocklist& blocked;
    bool require_ticket_params = false;
};

// Empty when the answer may be used for `capability` and `model`, else why not, for people.
std::string rejection(
    const orchestrator_info& info,
    const capability_table& wanted,
    capability_id capability,
    const std::string& model,
    const acceptance_rules& rules
);

// What holds whatever is asked of it: it does work itself, is not blocked, gave a token and, where
// it wants money and we pay, usable ticket parameters with a price.
std::string rejection(const orchestrator_info& info, const acceptance_rules& rules);

} // namespace rivulet::session
