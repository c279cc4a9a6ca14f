// An on-chain orchestrator's money side, on loopback: it hands out tokens and ticket parameters as
// discovery would, and takes POST /payment, /live-video-to-video and batch paths only with
// credentials and tickets that are right in every field (spec/payments.md 2, 4, 5, 6.5, 7).
// Thread: the test's; the service has one of its own.
#pragma once

#include "base/shards.hpp"
#include "http/server.hpp"
#include "payment/signature.hpp"
#include "payment/ticket.hpp"
#include "session/orchestrator_info.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace rivulet::test {

struct seen_payment {
    std::string path, manifest, sender, session_id;
    std::vector<std::uint32_t> nonces;
    session::price_info price;
    unsigned status = 0; // what was answered
    std::string text;
    std::map<std::string, std::string> headers; // lower-case names
};

class fake_paid_orchestrator {
  public:
    struct options {
        std::int64_t price_per_unit = 3, pixels_per_unit = 1;
        payment::integer face_value = 1'000'000'000;
        payment::integer win_prob = payment::max_uint256() / 10;
        std::int64_t l1_block = 1000, blocks_valid = 40;
        std::chrono::seconds token_life = std::chrono::minutes(30);
        bool on_chain = true; // off-chain: no price, no tickets, no signatures
        bool debit_batch = true;
        std::int64_t batch_units = 1000;
    };

    explicit fake_paid_orchestrator(options with);

    fake_paid_orchestrator() : fake_paid_orchestrator(options()) {}

    ~fake_paid_orchestrator();

    std::string url() const;

    // What GetOrchestrator would say to `sender` (20 bytes): a new session, new parameters.
    std::string info_message(const std::string& sender);
    session::info_ptr info(const std::string& sender);

    std::string address() const { return key_.address(); }

    void set_price(std::int64_t per_unit);
    void set_l1_block(std::int64_t block);
    // The next requests get this instead of an answer; `after_taking`: the payment counts all the
    // same (its answer gets lost). Status 0 hangs up.
    void answer_next(unsigned status, std::string text, bool after_taking = false);

    payment::amount balance(const std::string& sender, const std::string& id);
    std::vector<seen_payment> seen();

  private:
    struct verdict {
        unsigned status = 200;
        std::string text;
    };

    awaitable<http::response> take(const http::request& request);
    verdict check(const http::request& request, seen_payment& note, const std::string& own_id);
    std::string recipient_rand(
        const std::string& seed,
        const std::string& sender,
        const std::string& expiration_block,
        std::int64_t per_unit,
        std::int64_t pixels
    ) const;
    std::string token_of(const std::string& session_id, std::int64_t expiration) const;

    std::mutex mutex_;
    options with_;
    payment::signing_key key_;
    std::string secret_;
    std::map<std::string, std::set<std::uint32_t>> nonces_; // by recipient rand
    std::map<std::pair<std::string, std::string>, payment::amount> balances_;

    struct scripted {
        unsigned status;
        std::string text;
        bool after_taking;
    };

    std::deque<scripted> scripted_;
    std::vector<seen_payment> seen_;
    shards shards_{1};
    http::server server_;
    std::uint16_t port_ = 0;
};

} // namespace rivulet::test
