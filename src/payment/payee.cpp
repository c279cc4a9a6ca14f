#include "payment/payee.hpp"

namespace rivulet::payment {
namespace {

class attempt_payee final : public payee {
  public:
    attempt_payee(
        const session::attempt& with,
        std::shared_ptr<session::discovery> discovery,
        session::manager* manager
    )
        : with_(with), discovery_(std::move(discovery)), manager_(manager) {}

    std::string url() const override { return with_.url(); }

    session::info_ptr info() const override { return with_.info(); }

    session::capability_id capability() const override { return with_.need().id; }

    std::string model() const override { return with_.need().model; }

    session::capability_table wanted() const override {
        const auto& need = with_.need();
        return discovery_ ? discovery_->wanted(need.id, need.model)
                          : session::wanted_capabilities(need.id, need.model);
    }

    std::string price_refusal(const session::price_info& price) const override {
        return manager_ ? manager_->price_refusal(with_.need(), session::price::of(price))
                        : std::string();
    }

    awaitable<outcome<session::info_ptr>> refresh() override {
        if (!manager_)
            co_return failure(errc::unsupported, "nobody can be asked for fresh parameters");
        auto renewed = co_await manager_->refresh(with_, true);
        co_return renewed;
    }

    void replace(session::info_ptr info) override {
        if (manager_)
            manager_->replace_info(with_, std::move(info));
    }

  private:
    const session::attempt& with_;
    std::shared_ptr<session::discovery> discovery_;
    session::manager* manager_;
};

} // namespace

std::unique_ptr<payee> payee_of(
    const session::attempt& with,
    std::shared_ptr<session::discovery> discovery,
    session::manager* manager
) {
    return std::make_unique<attempt_payee>(with, std::move(discovery), manager);
}

} // namespace rivulet::payment
