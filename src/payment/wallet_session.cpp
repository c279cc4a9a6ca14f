#include "base/ids.hpp"
#include "payment/courier.hpp"
#include "payment/local_signer.hpp"
#include "payment/payment_message.hpp"
#include "payment/seg_data.hpp"
#include "session/keccak.hpp"

#include <fmt/core.h>

#include <optional>

namespace rivulet::payment {
namespace {

constexpr int most_renewals = 2;

// A payment that was made and whose fate is not known yet.
struct made_payment {
    job_headers headers;
    ledger::staged staged;
    amount fee = 0, price = 0;
    payment_record note;
    work_units units = 0;
};

class own_session final : public payment_session {
  public:
    own_session(std::shared_ptr<wallet> w, std::unique_ptr<payee> whom)
        : wallet_(std::move(w)), whom_(std::move(whom)),
          courier_(wallet_->orchestrators, wallet_->post_limit), live_account_(random_hex(16)) {}

    ~own_session() override {
        // A job that went away without a word: what it took may have been used.
        if (open_)
            finish(*open_, ledger::end::spent);
    }

    awaitable<outcome<job_headers>> start(work_units units) override {
        const auto info = co_await fresh_info(*whom_);
        paid_for_ = info && info->price && info->price->per_unit > 0;
        const auto manifest = job_manifest(whom_->capability(), whom_->model());
        const auto account = is_live() ? live_account_ : manifest;
        auto made = co_await make(units, manifest, account);
        if (!made)
            co_return made.error();
        open_ = std::move(*made);
        co_return open_->headers;
    }

    void settle(sent how, work_units used) override {
        if (!open_)
            return;
        const auto one = std::move(*open_);
        open_.reset();
        switch (how) {
        case sent::not_sent:
            finish(one, ledger::end::unsent);
            return;
        case sent::refused:
            finish(one, ledger::end::refused);
            return;
        case sent::lost:
            finish(one, ledger::end::spent);
            return;
        case sent::accepted:
            break;
        }
        count(one);
        // The 60 s that a live job pays up front stay with the orchestrator.
        if (is_live())
            finish(one, ledger::end::spent);
        else
            finish(one, ledger::end::settled, one.price * used);
    }

    awaitable<outcome<paid>> pay(work_units units, std::string manifest) override {
        if (late_) {
            auto report = co_await courier_.deliver_again(*whom_);
            if (report.how == courier::fate::unknown)
                co_return remember(report.why);
            const auto one = std::move(*late_);
            late_.reset();
            if (report.how == courier::fate::taken) {
                finish(one, ledger::end::settled, one.fee);
                count(one);
                ahead_ += one.units; // the caller still counts them as owed
            } else {
                finish(one, ledger::end::refused);
                stale_ = true;
            }
        }
        if (units > ahead_) {
            if (std::exchange(stale_, false))
                (void)co_await whom_->refresh();
            else
                (void)co_await fresh_info(*whom_);
            auto made = co_await make(units - ahead_, manifest, live_account_);
            if (!made)
                co_return made.error();
            auto report = co_await courier_.deliver(*whom_, made->headers);
            if (report.how == courier::fate::unknown) {
                late_ = std::move(*made);
                co_return remember(report.why);
            }
            if (report.how == courier::fate::refused) {
                finish(*made, ledger::end::refused);
                stale_ = true;
                co_return remember(report.why);
            }
            finish(*made, ledger::end::settled, made->fee);
            count(*made);
        }
        ahead_ = 0;
        last_error_.clear();
        co_return paid::yes;
    }

    bool is_paid() const override { return paid_for_; }

    boost::json::object status() const override {
        boost::json::object out;
        out["mode"] = "own key";
        out["sender"] = session::checksum_address(wallet_->key.address());
        out["paid"] = paid_for_;
        out["payments"] = payments_;
        out["tickets"] = tickets_;
        out["value_wei"] = floor_of(value_).str();
        if (!last_error_.empty())
            out["last_error"] = last_error_;
        return out;
    }

  private:
    bool is_live() const { return whom_->capability() == session::capability::live_video_to_video; }

    failure remember(failure why) {
        last_error_ = why.detail;
        return why;
    }

    failure refused(std::string text) {
        wallet_->accounts->not_made();
        return remember(failure(errc::payment_refused, std::move(text)));
    }

    void finish(const made_payment& one, ledger::end how, const amount& debit = 0) {
        if (!one.staged.account.first.empty())
            wallet_->book.finish(one.staged, how, debit, steady_clock::now());
    }

    void count(const made_payment& one) {
        ++payments_;
        tickets_ += one.note.worth.tickets;
        value_ += one.note.worth.value;
        wallet_->accounts->sent(one.note);
    }

    std::string segment(const session::orchestrator_info& info, const std::string& manifest) const {
        segment_credentials credentials;
        credentials.manifest = manifest;
        credentials.capabilities = whom_->wanted();
        credentials.token = info.token;
        credentials.signature = wallet_->key.sign(keccak(segment_preimage(manifest)));
        return segment_header(credentials);
    }

    // Why this price is not paid; empty when it is. The first price of the session is the measure
    // for good: asking again does not move it (P11).
    std::string price_problem(const session::price_info& price) {
        const amount now(price.per_unit, price.pixels_per_unit);
        if (!first_price_)
            first_price_ = now;
        if (now > *first_price_ * 2)
            return fmt::format(
                "Orchestrator price has more than doubled, from {} to {} wei per unit",
                to_string(*first_price_),
                to_string(now)
            );
        return whom_->price_refusal(price);
    }

    awaitable<outcome<made_payment>>
    make(work_units units, std::string manifest, std::string account) {
        for (int renewals = 0;; ++renewals) {
            const auto info = whom_->info();
            if (!info)
                co_return refused("nothing is known to pay");
            if (!info->price && !info->tickets) {
                // Off-chain: nobody there looks at a payment.
                made_payment free;
                free.headers.segment = segment(*info, manifest);
                co_return free;
            }
            if (!info->price)
                co_return refused("missing orchestrator price");
            const auto& price = *info->price;
            if (price.per_unit < 0 || price.pixels_per_unit <= 0)
                co_return refused("the orchestrator's price can't be used");
            if (auto problem = price_problem(price); !problem.empty())
                co_return refused(std::move(problem));
            auto made = tickets(*info, units, manifest, account);
            if (made)
                co_return std::move(*made);
            if (made.error().code != errc::lagged || renewals == most_renewals)
                co_return refused(made.error().detail);
            auto renewed = co_await whom_->refresh();
            if (!renewed)
                co_return remember(renewed.error());
        }
    }

    // Fails with lagged when fresh parameters would help.
    outcome<made_payment> tickets(
        const session::orchestrator_info& info,
        work_units units,
        const std::string& manifest,
        const std::string& account
    ) {
        const auto& price = *info.price;
        const auto chain = wallet_->chain->now();
        made_payment out;
        out.price = amount(price.per_unit, price.pixels_per_unit);
        out.fee = out.price * units;
        out.units = units;
        payment_message message;
        message.sender = wallet_->key.address();
        message.expected_price = price;
        if (price.per_unit > 0) {
            const auto check = [&](std::uint64_t count) {
                return check_tickets(
                    info.tickets, count, chain.l1_block, chain.funds, wallet_->limits
                );
            };
            if (const auto problem = check(1); problem != ticket_problem::none)
                return unusable(problem);
            const auto& params = *info.tickets;
            const auto ev = expected_value(params);
            const auto now = steady_clock::now();
            out.staged = wallet_->book.stage({params.recipient, account}, out.fee, ev, now);
            const auto count = out.staged.tickets;
            if (const auto problem = check(count); problem != ticket_problem::none) {
                finish(out, ledger::end::unsent);
                return unusable(problem);
            }
            const auto first = wallet_->nonces.take(ticket_session_id(params), count, now);
            if (!first) {
                finish(out, ledger::end::unsent);
                return failure(
                    count > nonce_book::most ? errc::payment_refused : errc::lagged,
                    fmt::format("{} tickets are more than one set of parameters allows", count)
                );
            }
            fill(message, info, chain, *first, count);
            out.note.worth.recipient = params.recipient;
            out.note.worth.tickets = count;
            out.note.worth.face_value = from_big_endian(params.face_value);
            out.note.worth.win_prob = from_big_endian(params.win_prob);
            out.note.worth.value = ev * count;
        }
        out.headers.payment = payment_header(message);
        out.headers.segment = segment(info, manifest);
        out.note.price = price;
        out.note.pipeline = session::pipeline_of(whom_->capability());
        out.note.manifest = manifest;
        out.note.session_id = info.token ? info.token->session_id : std::string();
        out.note.orchestrator = whom_->url();
        out.note.sender = wallet_->key.address();
        return out;
    }

    static failure unusable(ticket_problem problem) {
        return failure(
            problem == ticket_problem::expired ? errc::lagged : errc::payment_refused,
            std::string(to_string(problem))
        );
    }

    void fill(
        payment_message& message,
        const session::orchestrator_info& info,
        const chain_state& chain,
        std::uint32_t first,
        std::uint64_t count
    ) const {
        const auto& params = *info.tickets;
        message.params = params;
        message.created.round = params.creation_round;
        message.created.block_hash = params.creation_round_block_hash;
        // The orchestrator's round only when it named both parts.
        const ticket_round hash_only{0, params.creation_round_block_hash};
        if (params.creation_round == 0 || !hash_only.known())
            message.created = chain.round;
        for (std::uint64_t i = 0; i < count; ++i) {
            ticket one;
            one.recipient = params.recipient;
            one.sender = wallet_->key.address();
            one.face_value = from_big_endian(params.face_value);
            one.win_prob = from_big_endian(params.win_prob);
            one.nonce = first + static_cast<std::uint32_t>(i);
            one.recipient_rand_hash = params.recipient_rand_hash;
            one.created = message.created;
            message.tickets.push_back({one.nonce, wallet_->key.sign(ticket_hash(one))});
        }
    }

    std::shared_ptr<wallet> wallet_;
    std::unique_ptr<payee> whom_;
    courier courier_;
    std::string live_account_; // of this job alone: the start's payment is never skipped

    std::optional<made_payment> open_; // start()'s
    std::optional<made_payment> late_; // the courier keeps it
    std::optional<amount> first_price_;
    work_units ahead_ = 0;
    bool paid_for_ = false;
    bool stale_ = false; // what is known of the orchestrator was refused by itself
    std::uint64_t payments_ = 0, tickets_ = 0;
    amount value_ = 0;
    std::string last_error_;
};

} // namespace

std::unique_ptr<payment_session>
wallet_session(std::shared_ptr<wallet> wallet, std::unique_ptr<payee> whom) {
    return std::make_unique<own_session>(std::move(wallet), std::move(whom));
}

} // namespace rivulet::payment
