// Payment sessions where nobody pays: segment credentials without a signature, no money.
#pragma once

#include "payment/payee.hpp"
#include "payment/payments.hpp"

namespace rivulet::payment {

std::unique_ptr<payment_session> off_chain_session(std::unique_ptr<payee> whom);

} // namespace rivulet::payment
