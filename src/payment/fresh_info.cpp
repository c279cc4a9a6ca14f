#include "payment/payee.hpp"

#include <chrono>

namespace rivulet::payment {
namespace {

// A tenth of a token's 30 minutes.
constexpr std::int64_t renew_before = 180;

} // namespace

awaitable<session::info_ptr> fresh_info(payee& whom) {
    auto info = whom.info();
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch()
    )
                         .count();
    if (!info || !info->token || now <= info->token->expiration - renew_before)
        co_return info;
    auto renewed = co_await whom.refresh();
    if (renewed)
        co_return *renewed;
    co_return info;
}

} // namespace rivulet::payment
