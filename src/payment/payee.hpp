// The orchestrator that a payment session pays, as far as payments need it. The live one stands on
// an attempt of the session manager; tests have their own.
// Thread: the session's shard.
#pragma once

#include "base/asio.hpp"
#include "session/discovery.hpp"
#include "session/manager.hpp"

#include <memory>
#include <string>

namespace rivulet::payment {

class payee {
  public:
    virtual ~payee() = default;
    virtual std::string url() const = 0; // base of its HTTP calls, no final slash
    virtual session::info_ptr info() const = 0;
    virtual session::capability_id capability() const = 0;
    virtual std::string model() const = 0;
    // The table that discovery asked with.
    virtual session::capability_table wanted() const = 0;
    // Why this price is not paid here; empty when it is.
    virtual std::string price_refusal(const session::price_info& price) const = 0;
    // Asks it again for a fresh token and ticket parameters.
    virtual awaitable<outcome<session::info_ptr>> refresh() = 0;
    // It said something newer by itself (the answer to a payment).
    virtual void replace(session::info_ptr info) = 0;
};

// `with` and `manager` (which may be null: then nothing is ever refreshed) outlive it.
std::unique_ptr<payee> payee_of(
    const session::attempt& with,
    std::shared_ptr<session::discovery> discovery,
    session::manager* manager
);

// The newest info, renewed first when its token is about to expire. An orchestrator that can't be
// asked now is taken as it was known: it may still accept the token.
awaitable<session::info_ptr> fresh_info(payee& whom);

} // namespace rivulet::payment
