#include "payment/off_chain.hpp"

#include "payment/seg_data.hpp"

namespace rivulet::payment {
namespace {

class free_session final : public payment_session {
  public:
    explicit free_session(std::unique_ptr<payee> whom) : whom_(std::move(whom)) {}

    awaitable<outcome<job_headers>> start(work_units) override {
        const auto info = co_await fresh_info(*whom_);
        segment_credentials credentials;
        credentials.manifest = job_manifest(whom_->capability(), whom_->model());
        credentials.capabilities = whom_->wanted();
        // Without a token the orchestrator decides; those that check none exist.
        if (info)
            credentials.token = info->token;
        job_headers headers;
        headers.segment = segment_header(credentials);
        co_return headers;
    }

    awaitable<outcome<paid>> pay(work_units, std::string) override { co_return paid::nothing_due; }

    void settle(sent, work_units) override {}

    bool is_paid() const override { return false; }

    boost::json::object status() const override { return {{"mode", "off-chain"}}; }

  private:
    std::unique_ptr<payee> whom_;
};

} // namespace

std::unique_ptr<payment_session> off_chain_session(std::unique_ptr<payee> whom) {
    return std::make_unique<free_session>(std::move(whom));
}

} // namespace rivulet::payment
