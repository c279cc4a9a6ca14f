#include "payment/local_signer.hpp"
#include "session/keccak.hpp"

#include <utility>

namespace rivulet::payment {
namespace {

class own_payments final : public payments {
  public:
    own_payments(
        std::shared_ptr<wallet> wallet,
        std::shared_ptr<session::discovery> discovery,
        session::manager* manager,
        logger log
    )
        : wallet_(std::move(wallet)), discovery_(std::move(discovery)), manager_(manager),
          log_(std::move(log)) {}

    ~own_payments() override { stop(); }

    void stop() override {
        if (!std::exchange(stopped_, true))
            wallet_->chain->stop();
    }

    std::unique_ptr<payment_session> open(const session::attempt& with) override {
        return wallet_session(wallet_, payee_of(with, discovery_, manager_));
    }

    session::caller_identity identity() const override {
        session::caller_identity out;
        out.address = wallet_->key.address();
        out.signature = wallet_->key.sign(info_request_message(out.address));
        return out;
    }

    awaitable<outcome<void>> start() override {
        auto known = co_await wallet_->chain->start();
        if (!known)
            co_return failure(known.error().code, "the wallet: " + known.error().detail);
        const auto funds = wallet_->chain->now().funds;
        const auto sender = session::checksum_address(wallet_->key.address());
        log_.info(
            "payments come from {}: deposit {} ETH, reserve {} ETH",
            sender,
            eth_text(funds.deposit),
            eth_text(funds.reserve)
        );
        if (funds.deposit == 0 || funds.reserve == 0)
            log_.warn("{} can't pay: it needs a deposit and a reserve", sender);
        co_return outcome<void>();
    }

  private:
    std::shared_ptr<wallet> wallet_;
    std::shared_ptr<session::discovery> discovery_;
    session::manager* manager_;
    logger log_;
    bool stopped_ = false;
};

} // namespace

std::unique_ptr<payments> wallet_payments(
    std::shared_ptr<wallet> wallet,
    std::shared_ptr<session::discovery> discovery,
    session::manager* manager,
    logger log
) {
    return std::make_unique<own_payments>(
        std::move(wallet), std::move(discovery), manager, std::move(log)
    );
}

} // namespace rivulet::payment
