// Credit that orchestrators owe us: tickets are worth more or less than a job's fee, and the
// difference stays for the next one (spec/payments.md 7). An entry is kept per recipient and id;
// the id is the one the orchestrator itself books under, so both sides agree (P4).
// Thread: any; every call takes a lock for a moment. Bounded: idle entries go.
#pragma once

#include "base/asio.hpp"
#include "payment/amount.hpp"

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace rivulet::payment {

class ledger {
  public:
    // Orchestrators drop an account after 10 idle minutes and then pin the price of a payment
    // without tickets to zero; so ours goes first, and the next payment carries tickets again.
    static constexpr auto idle_limit = std::chrono::minutes(8);

    using key = std::pair<std::string, std::string>; // recipient, id

    // A payment being made. `existing` is taken out of the account until finish().
    struct staged {
        key account;
        std::uint64_t tickets = 0;
        amount existing = 0, added = 0;
    };

    enum class end {
        unsent,  // never left: existing goes back
        spent,   // may or may not have arrived: nothing goes back
        refused, // arrived and was turned down: nothing was taken from what the account had
        settled  // taken: what is left over goes back
    };

    // Tickets worth `ev` each until there is credit for `fee` and for one ticket.
    staged stage(key account, const amount& fee, const amount& ev, time_point now);
    void finish(const staged& payment, end how, const amount& debit, time_point now);

    amount balance(const key& account) const;
    std::size_t accounts() const;

  private:
    struct account {
        amount balance = 0;
        time_point used;
    };

    void sweep(time_point now);

    mutable std::mutex guard_;
    std::map<key, account> accounts_;
    time_point swept_{};
};

} // namespace rivulet::payment
