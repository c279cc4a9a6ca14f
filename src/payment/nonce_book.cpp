#include "payment/nonce_book.hpp"

namespace rivulet::payment {
namespace {

constexpr duration kept = std::chrono::minutes(30);
constexpr duration sweep_every = std::chrono::minutes(1);

} // namespace

std::optional<std::uint32_t>
nonce_book::take(const std::string& session_id, std::uint64_t count, time_point now) {
    const std::lock_guard lock(guard_);
    if (now - swept_ >= sweep_every) {
        swept_ = now;
        std::erase_if(entries_, [now](const auto& row) { return now - row.second.used > kept; });
    }
    auto& one = entries_[session_id];
    one.used = now;
    if (count > most - one.last)
        return std::nullopt;
    const auto first = one.last + 1;
    one.last += static_cast<std::uint32_t>(count);
    return first;
}

std::size_t nonce_book::sessions() const {
    const std::lock_guard lock(guard_);
    return entries_.size();
}

} // namespace rivulet::payment
