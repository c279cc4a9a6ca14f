// An orchestrator to pay, kept in the test's hands: what it says, how often it was asked again.
#pragma once

#include "payment/payee.hpp"

#include <functional>

namespace rivulet::test {

// What it has seen; the test keeps it while the session owns the payee itself.
struct payee_state {
    std::string url = "https://orchestrator:8935";
    session::info_ptr info;
    session::capability_id capability = session::capability::live_video_to_video;
    std::string model = "noop";
    std::string price_refusal;
    int refreshes = 0;
    // What the next refresh gives; none: it fails.
    std::function<session::info_ptr()> renewed;
    std::vector<session::info_ptr> replaced;
};

class fake_payee final : public payment::payee {
  public:
    explicit fake_payee(std::shared_ptr<payee_state> state) : state_(std::move(state)) {}

    std::string url() const override { return state_->url; }

    session::info_ptr info() const override { return state_->info; }

    session::capability_id capability() const override { return state_->capability; }

    std::string model() const override { return state_->model; }

    session::capability_table wanted() const override {
        return session::wanted_capabilities(state_->capability, state_->model);
    }

    std::string price_refusal(const session::price_info&) const override {
        return state_->price_refusal;
    }

    awaitable<outcome<session::info_ptr>> refresh() override {
        ++state_->refreshes;
        auto info = state_->renewed ? state_->renewed() : nullptr;
        if (!info)
            co_return failure(errc::connect_failed, "the test gives nothing new");
        state_->info = info;
        co_return info;
    }

    void replace(session::info_ptr info) override {
        state_->info = info;
        state_->replaced.push_back(std::move(info));
    }

  private:
    std::shared_ptr<payee_state> state_;
};

} // namespace rivulet::test
