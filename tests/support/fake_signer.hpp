// A remote signer as the network's (spec/payments.md 10), on loopback: it checks every field, signs
// its own state, keeps nothing between calls, and signs tickets that orchestrators accept.
// Thread: the test's; the service has one of its own. The rules themselves (answer()) are pure.
#pragma once

#include "base/shards.hpp"
#include "http/server.hpp"
#include "payment/signature.hpp"
#include "payment/ticket.hpp"

#include <boost/json/object.hpp>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet::test {

struct asked_of_signer {
    std::string path;
    boost::json::object body;
    std::map<std::string, std::string> headers; // lower-case names
    unsigned status = 0;
    std::string text; // of a refusal
};

class fake_signer {
  public:
    fake_signer();
    ~fake_signer();

    std::string url() const;

    std::string address() const { return key_.address(); }

    struct answer {
        unsigned status = 200;
        std::string text;            // of an error
        boost::json::object body;    // of a success
        payment::amount balance = 0; // afterwards
        std::uint64_t tickets = 0;
    };

    // One /generate-live-payment at `now` (unix seconds with a fraction of milliseconds).
    answer generate(const boost::json::object& question, std::int64_t now_ms);

    void set_l1_block(std::int64_t block);
    // Ceiling in wei per pixel; 0: none.
    void set_price_ceiling(payment::amount ceiling);
    // The next calls of generate-live-payment get these.
    void answer_next(unsigned status, std::string message);
    // Moves its clock.
    void pass(std::chrono::milliseconds time);

    std::vector<asked_of_signer> asked();

  private:
    awaitable<http::response> reply(const http::request& request);

    std::mutex mutex_;
    payment::signing_key key_;
    std::int64_t l1_block_ = 1000;
    payment::amount ceiling_ = 0;
    std::int64_t shift_ms_ = 0;
    std::deque<std::pair<unsigned, std::string>> scripted_;
    std::vector<asked_of_signer> asked_;
    shards shards_{1};
    http::server server_;
    std::uint16_t port_ = 0;
};

} // namespace rivulet::test
