#include "worker/capacity_ledger.hpp"

namespace rivulet::worker {

capacity_ledger::capacity_ledger(limits limits)
    : limits_(limits), counts_(std::make_shared<counts>()) {}

result<capacity_ledger::lease> capacity_ledger::take(job_weight weight) {
    if (counts_->closed)
        return make_error_code(errc::no_capacity);
    auto& used = counts_->used[static_cast<std::size_t>(weight)];
    auto now = used.load();
    do {
        if (now >= limit(weight))
            return make_error_code(errc::no_capacity);
    } while (!used.compare_exchange_weak(now, now + 1));
    return lease(counts_, weight);
}

void capacity_ledger::close() {
    counts_->closed = true;
}

std::size_t capacity_ledger::in_use(job_weight weight) const {
    return counts_->used[static_cast<std::size_t>(weight)];
}

void capacity_ledger::lease::release() {
    if (counts_)
        --counts_->used[static_cast<std::size_t>(weight_)];
    counts_.reset();
}

} // namespace rivulet::worker
