#include "payment/courier.hpp"
#include "payment/remote_signer.hpp"
#include "payment/seg_data.hpp"
#include "session/keccak.hpp"

#include <fmt/core.h>

namespace rivulet::payment {
namespace {

constexpr int most_refreshes = 4;

bool costs_money(const session::info_ptr& info) {
    return info && info->price && info->price->per_unit != 0;
}

class remote_session final : public payment_session {
  public:
    remote_session(
        std::shared_ptr<signer_client> signer,
        std::unique_ptr<payee> whom,
        std::shared_ptr<const records> accounts,
        std::string sender
    )
        : signer_(std::move(signer)), whom_(std::move(whom)), accounts_(std::move(accounts)),
          sender_(std::move(sender)),
          courier_(signer_->options().orchestrators, signer_->options().limit) {}

    awaitable<outcome<job_headers>> start(work_units units) override {
        const auto info = co_await fresh_info(*whom_);
        paid_for_ = costs_money(info);
        // A signer signs nothing for those who ask no money; they check no signature either.
        if (!paid_for_)
            co_return free_headers(info);
        const bool live = whom_->capability() == session::capability::live_video_to_video;
        // Named: g++ 12 destroys the temporaries of ?: in a co_await's expression twice.
        const auto name = live ? std::string() : manifest();
        const auto type = live ? std::string("lv2v") : std::string();
        auto reply = co_await ask(name, type, units);
        if (!reply) {
            accounts_->not_made();
            auto why = reply.error();
            // A signer's outage is no fault of the orchestrator, which just can't be had now.
            if (!orchestrator_failed_)
                why.code = make_error_code(errc::payment_refused);
            co_return why;
        }
        if (reply->what != signer_reply::kind::paid) {
            accounts_->not_made();
            co_return remember(failure(errc::payment_refused, reply->text));
        }
        started_with_ = reply->headers;
        co_return reply->headers;
    }

    awaitable<outcome<paid>> pay(work_units units, std::string manifest) override {
        if (courier_.keeps_one()) {
            auto late = co_await courier_.deliver_again(*whom_);
            if (late.how == courier::fate::unknown)
                co_return remember(late.why);
            stale_ = late.how == courier::fate::refused;
            if (late.how == courier::fate::taken)
                record(kept_worth_, manifest);
        }
        auto reply = co_await ask(manifest, "lv2v", units);
        if (!reply) {
            accounts_->not_made();
            co_return reply.error();
        }
        switch (reply->what) {
        case signer_reply::kind::no_tickets:
            co_return paid::nothing_due;
        case signer_reply::kind::over_price:
            accounts_->not_made();
            co_return remember(failure(errc::payment_refused, reply->text));
        case signer_reply::kind::paid:
            break;
        default:
            accounts_->not_made();
            co_return remember(failure(errc::http_status, reply->text));
        }
        kept_worth_ = worth_of(reply->headers.payment).value_or(payment_worth());
        auto report = co_await courier_.deliver(*whom_, reply->headers);
        stale_ = report.how == courier::fate::refused;
        if (report.how != courier::fate::taken)
            co_return remember(std::move(report.why));
        record(kept_worth_, manifest);
        last_error_.clear();
        co_return paid::yes;
    }

    void settle(sent how, work_units) override {
        if (how == sent::accepted && started_with_)
            record(worth_of(started_with_->payment).value_or(payment_worth()), manifest());
        started_with_.reset();
    }

    bool is_paid() const override { return paid_for_; }

    boost::json::object status() const override {
        boost::json::object out;
        out["mode"] = "remote signer";
        out["paid"] = paid_for_;
        out["payments"] = payments_;
        out["tickets"] = tickets_;
        out["value_wei"] = floor_of(value_).str();
        if (!last_error_.empty())
            out["last_error"] = last_error_;
        return out;
    }

  private:
    std::string manifest() const { return job_manifest(whom_->capability(), whom_->model()); }

    outcome<job_headers> free_headers(const session::info_ptr& info) const {
        segment_credentials credentials;
        credentials.manifest = manifest();
        credentials.capabilities = whom_->wanted();
        if (info)
            credentials.token = info->token;
        job_headers headers;
        headers.segment = segment_header(credentials);
        return headers;
    }

    // One question, with fresh parameters as often as the signer wants them. When it fails,
    // orchestrator_failed_ tells whose failure it is.
    awaitable<outcome<signer_reply>> ask(std::string manifest, std::string type, work_units units) {
        orchestrator_failed_ = false;
        if (std::exchange(stale_, false))
            (void)co_await whom_->refresh();
        for (int refreshes = 0;; ++refreshes) {
            const auto info = whom_->info();
            if (!info)
                co_return failure(errc::protocol_violation, "nothing is known to pay");
            // The price may have changed since it was chosen, and the signer has a limit of its
            // own.
            if (info->price)
                if (auto problem = whom_->price_refusal(*info->price); !problem.empty())
                    co_return remember(failure(errc::payment_refused, std::move(problem)));
            payment_question question;
            question.orchestrator = info->raw;
            question.capabilities = session::to_protobuf(whom_->wanted());
            question.state = state_;
            question.manifest = manifest;
            question.type = type;
            question.units = units;
            auto reply = co_await signer_->generate(std::move(question));
            if (!reply)
                co_return remember(reply.error());
            if (reply->what == signer_reply::kind::paid)
                state_ = reply->state;
            if (reply->what != signer_reply::kind::refresh)
                co_return std::move(*reply);
            if (refreshes == most_refreshes) {
                co_return remember(failure(
                    errc::http_status,
                    fmt::format(
                        "too many consecutive session refreshes: {} gives parameters that the "
                        "remote signer does not take",
                        whom_->url()
                    )
                ));
            }
            auto renewed = co_await whom_->refresh();
            if (!renewed) {
                orchestrator_failed_ = true;
                co_return remember(renewed.error());
            }
        }
    }

    failure remember(failure why) {
        last_error_ = why.detail;
        return why;
    }

    void record(const payment_worth& worth, const std::string& manifest) {
        ++payments_;
        tickets_ += worth.tickets;
        value_ += worth.value;
        payment_record out;
        out.worth = worth;
        const auto info = whom_->info();
        if (info && info->price)
            out.price = *info->price;
        if (info && info->token)
            out.session_id = info->token->session_id;
        out.pipeline = session::pipeline_of(whom_->capability());
        out.manifest = manifest;
        out.orchestrator = whom_->url();
        out.sender = sender_;
        accounts_->sent(out);
    }

    std::shared_ptr<signer_client> signer_;
    std::unique_ptr<payee> whom_;
    std::shared_ptr<const records> accounts_;
    std::string sender_;
    courier courier_;

    std::optional<boost::json::object> state_; // the signer's, of this attempt only (P1)
    bool paid_for_ = false;
    std::optional<job_headers> started_with_;
    payment_worth kept_worth_;
    bool orchestrator_failed_ = false;
    bool stale_ = false; // what is known of the orchestrator was refused by itself
    std::uint64_t payments_ = 0, tickets_ = 0;
    amount value_ = 0;
    std::string last_error_;
};

class remote_payments final : public payments {
  public:
    remote_payments(
        std::shared_ptr<signer_client> signer,
        std::shared_ptr<session::discovery> discovery,
        session::manager* manager,
        std::shared_ptr<const records> accounts,
        logger log
    )
        : signer_(std::move(signer)), discovery_(std::move(discovery)), manager_(manager),
          accounts_(std::move(accounts)), log_(std::move(log)) {}

    std::unique_ptr<payment_session> open(const session::attempt& with) override {
        return signer_session(
            signer_, payee_of(with, discovery_, manager_), accounts_, identity_.address
        );
    }

    session::caller_identity identity() const override { return identity_; }

    awaitable<outcome<void>> start() override {
        auto identity = co_await signer_->identify();
        if (!identity)
            co_return identity.error();
        identity_ = std::move(*identity);
        log_.info("payments come from {}", session::checksum_address(identity_.address));
        co_return outcome<void>();
    }

  private:
    std::shared_ptr<signer_client> signer_;
    std::shared_ptr<session::discovery> discovery_;
    session::manager* manager_;
    std::shared_ptr<const records> accounts_;
    session::caller_identity identity_;
    logger log_;
};

} // namespace

std::unique_ptr<payment_session> signer_session(
    std::shared_ptr<signer_client> signer,
    std::unique_ptr<payee> whom,
    std::shared_ptr<const records> accounts,
    std::string sender
) {
    return std::make_unique<remote_session>(
        std::move(signer), std::move(whom), std::move(accounts), std::move(sender)
    );
}

outcome<std::unique_ptr<payments>> remote_signer_payments(
    remote_signer_options options,
    std::shared_ptr<session::discovery> discovery,
    session::manager* manager,
    std::shared_ptr<const records> accounts,
    logger log
) {
    auto signer = signer_client::create(std::move(options));
    if (!signer)
        return signer.error();
    return std::unique_ptr<payments>(std::make_unique<remote_payments>(
        std::move(*signer), std::move(discovery), manager, std::move(accounts), std::move(log)
    ));
}

} // namespace rivulet::payment
