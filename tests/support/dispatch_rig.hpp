// A dispatcher over doubles of orchestrators, the first of which is preferred, with a purse that
// notes what each try was told. No gateway around it: requests are made, not read.
// Thread: the test's; the dispatcher has one of its own.
#pragma once

#include "batch/dispatcher.hpp"
#include "support/fake_batch_orchestrator.hpp"
#include "support/known_orchestrators.hpp"
#include "support/run_on.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <fmt/core.h>

#include <condition_variable>
#include <deque>
#include <mutex>

namespace rivulet::test {

// Takes part in every try; its headers are numbered.
class noted_payments final : public payment::payments {
  public:
    struct entry {
        std::string orchestrator;
        std::int64_t units = 0;
        std::optional<payment::payment_session::sent> settled;
        std::int64_t used = 0;
    };

    std::unique_ptr<payment::payment_session> open(const session::attempt& with) override {
        const std::scoped_lock lock(mutex_);
        entries_.push_back({with.url(), 0, std::nullopt, 0});
        return std::make_unique<purse>(*this, entries_.size() - 1);
    }

    awaitable<outcome<void>> start() override { co_return outcome<void>(); }

    // The next payment can't be made.
    void refuse_next(failure why) {
        const std::scoped_lock lock(mutex_);
        refusals_.push_back(std::move(why));
    }

    std::vector<entry> entries() {
        const std::scoped_lock lock(mutex_);
        return entries_;
    }

  private:
    class purse final : public payment::payment_session {
      public:
        purse(noted_payments& book, std::size_t at) : book_(book), at_(at) {}

        awaitable<outcome<payment::job_headers>> start(payment::work_units units) override {
            const std::scoped_lock lock(book_.mutex_);
            book_.entries_[at_].units = units;
            if (!book_.refusals_.empty()) {
                auto why = std::move(book_.refusals_.front());
                book_.refusals_.pop_front();
                co_return why;
            }
            payment::job_headers out;
            out.segment = fmt::format("segment-{}", at_);
            out.payment = fmt::format("payment-{}", at_);
            co_return out;
        }

        awaitable<outcome<paid>> pay(payment::work_units, std::string) override {
            co_return paid::nothing_due;
        }

        void settle(sent how, payment::work_units used) override {
            const std::scoped_lock lock(book_.mutex_);
            book_.entries_[at_].settled = how;
            book_.entries_[at_].used = used;
        }

        bool is_paid() const override { return true; }

        boost::json::object status() const override { return {}; }

      private:
        noted_payments& book_;
        const std::size_t at_;
    };

    std::mutex mutex_;
    std::vector<entry> entries_;
    std::deque<failure> refusals_;
};

// Keeps what it gets; may leave after some chunks.
class kept_chunks final : public batch::completion_sink {
  public:
    awaitable<bool> chunk(std::string_view json) override {
        if (chunks.size() >= leaves_after)
            co_return false;
        chunks.emplace_back(json);
        co_return true;
    }

    bool begun() const override { return !chunks.empty(); }

    std::vector<std::string> chunks;
    std::size_t leaves_after = 1000;
};

class dispatch_rig {
  public:
    explicit dispatch_rig(
        std::size_t orchestrators, batch::dispatch_options options = {}, bool tls = false
    ) {
        for (std::size_t i = 0; i < orchestrators; ++i) {
            at_.push_back(std::make_unique<fake_batch_orchestrator>(tls));
            urls_.push_back(at_.back()->url());
        }
        known_.emplace(threads_, urls_);
        http::client_options client;
        client.tls = http::client_tls(http::tls_verify::none).value();
        connections_.emplace(threads_, client);
        dispatcher_.emplace(
            known_->sessions(),
            payments_,
            *connections_,
            known_->metrics(),
            std::move(options),
            logger("batch")
        );
    }

    ~dispatch_rig() {
        connections_->stop();
        known_->stop();
        threads_.stop();
    }

    fake_batch_orchestrator& operator[](std::size_t i) { return *at_[i]; }

    noted_payments& payments() { return payments_; }

    session::manager& sessions() { return known_->sessions(); }

    observe::metrics& metrics() { return known_->metrics(); }

    batch::dispatcher& dispatcher() { return *dispatcher_; }

    asio::any_io_executor executor() { return threads_.at(0).get_executor(); }

    batch::answer<batch::dispatched> run(const batch::request& what) {
        std::optional<batch::answer<batch::dispatched>> out;
        run_on(executor(), keep(what, out));
        return std::move(*out);
    }

    batch::answer<void> run_stream(const batch::request& what, batch::completion_sink& to) {
        std::optional<batch::answer<void>> out;
        run_on(executor(), keep_stream(what, to, out));
        return std::move(*out);
    }

    // Runs it in the background; `leave()` is the client's departure.
    class running {
      public:
        running(dispatch_rig& rig, const batch::request& what) : rig_(rig) {
            auto work = rig.keep(what, answer);
            auto done = [this](std::exception_ptr) {
                const std::scoped_lock lock(mutex_);
                over_ = true;
                changed_.notify_all();
            };
            asio::co_spawn(
                rig.executor(),
                std::move(work),
                asio::bind_cancellation_slot(signal_.slot(), std::move(done))
            );
        }

        void leave() {
            asio::post(rig_.executor(), [this] {
                signal_.emit(asio::cancellation_type::terminal);
            });
        }

        bool wait() {
            std::unique_lock lock(mutex_);
            return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return over_; });
        }

        std::optional<batch::answer<batch::dispatched>> answer;

      private:
        dispatch_rig& rig_;
        asio::cancellation_signal signal_;
        std::mutex mutex_;
        std::condition_variable changed_;
        bool over_ = false;
    };

    bool suspended(std::size_t i) {
        for (const auto& [key, pool] : sessions().pools_info())
            if (pool.at("suspended").at("list").as_object().contains(at_[i]->url()))
                return true;
        return false;
    }

    // What is known of an orchestrator's speed; 0: nothing.
    double latency_score(std::size_t i) { return row(i, "latency_score"); }

    double in_flight(std::size_t i) { return row(i, "in_flight"); }

  private:
    double row(std::size_t i, std::string_view field) {
        for (const auto& [key, pool] : sessions().pools_info())
            for (const auto* heat : {"warm", "cold"}) {
                const auto& rows = pool.at(heat).at("orchestrators");
                if (!rows.is_array())
                    continue;
                for (const auto& each : rows.get_array())
                    if (each.at("url").as_string() == at_[i]->url())
                        return each.at(field).to_number<double>();
            }
        return 0;
    }

    awaitable<void>
    keep(const batch::request& what, std::optional<batch::answer<batch::dispatched>>& out) {
        auto answer = co_await dispatcher_->run(what, id_);
        out.emplace(std::move(answer));
    }

    awaitable<void> keep_stream(
        const batch::request& what,
        batch::completion_sink& to,
        std::optional<batch::answer<void>>& out
    ) {
        auto answer = co_await dispatcher_->run_stream(what, id_, to);
        out.emplace(std::move(answer));
    }

    const std::string id_ = "1a2b3c4d";
    std::vector<std::unique_ptr<fake_batch_orchestrator>> at_;
    std::vector<std::string> urls_;
    noted_payments payments_;
    shards threads_{1};
    std::optional<known_orchestrators> known_;
    std::optional<http::connection_pool> connections_;
    std::optional<batch::dispatcher> dispatcher_;
};

} // namespace rivulet::test
