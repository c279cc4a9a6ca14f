#include "payment/ledger.hpp"

#include <limits>

namespace rivulet::payment {
namespace {

constexpr duration sweep_every = std::chrono::minutes(1);

} // namespace

ledger::staged ledger::stage(key account, const amount& fee, const amount& ev, time_point now) {
    const std::lock_guard lock(guard_);
    sweep(now);
    auto& entry = accounts_[account];
    if (now - entry.used > idle_limit)
        entry.balance = 0;
    entry.used = now;
    staged out;
    out.account = std::move(account);
    out.existing = std::exchange(entry.balance, amount(0));
    const amount least = fee > ev ? fee : ev;
    if (ev <= 0 || out.existing >= least)
        return out;
    const integer wanted = ceil_of(amount((least - out.existing) / ev));
    // More than any limit allows: the caller refuses it.
    constexpr auto most = std::numeric_limits<std::uint32_t>::max();
    out.tickets = wanted > most ? most : static_cast<std::uint64_t>(wanted);
    out.added = ev * out.tickets;
    return out;
}

void ledger::finish(const staged& payment, end how, const amount& debit, time_point now) {
    const std::lock_guard lock(guard_);
    auto& entry = accounts_[payment.account];
    entry.used = now;
    switch (how) {
    case end::unsent:
    case end::refused:
        entry.balance += payment.existing;
        break;
    case end::settled:
        entry.balance += payment.existing + payment.added - debit;
        break;
    case end::spent:
        break;
    }
}

amount ledger::balance(const key& account) const {
    const std::lock_guard lock(guard_);
    const auto found = accounts_.find(account);
    return found == accounts_.end() ? amount(0) : found->second.balance;
}

std::size_t ledger::accounts() const {
    const std::lock_guard lock(guard_);
    return accounts_.size();
}

void ledger::sweep(time_point now) {
    if (now - swept_ < sweep_every)
        return;
    swept_ = now;
    std::erase_if(accounts_, [now](const auto& row) { return now - row.second.used > idle_limit; });
}

} // namespace rivulet::payment
