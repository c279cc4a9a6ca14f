// One POST of a batch request to one orchestrator, from the connection to the last byte of the
// answer, over within a limit. A kept connection that turns out to be closed already is replaced
// once; a file is read from its spool in pieces, and an answer that comes before all of it was sent
// ends the upload.
// Thread: the shard whose coroutine calls it. Leaving (cancellation, destruction) closes the
// connection unless the answer was read to its end.
// Fails with: what client_connection fails with, too_large, protocol_violation.
#pragma once

#include "base/off_shard.hpp"
#include "batch/byte_budget.hpp"
#include "batch/forwarded_body.hpp"
#include "http/connection_pool.hpp"
#include "payment/payments.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace rivulet::batch {

class orchestrator_call {
  public:
    // All of them outlive it.
    orchestrator_call(
        http::connection_pool& connections,
        blocking_threads& disk,
        byte_budget_ptr memory,
        const forwarded_body& body
    );
    ~orchestrator_call();

    // Sends everything and waits for the answer's head.
    awaitable<outcome<void>> send(std::string url, payment::job_headers headers, time_point until);

    unsigned status() const;
    std::string_view content_type() const;
    // The whole body, at most `most` bytes.
    awaitable<outcome<std::string>> text(std::size_t most);

    // There was no room for the body.
    bool memory_full() const { return memory_full_; }

    // What holds the room for the body: whoever has the body should have it, too.
    byte_share take_held() { return std::move(held_); }

    // The next pieces, which come within `silence`; none at the end.
    awaitable<outcome<std::vector<bytes>>> pieces(duration silence);

    // Some of the request may have reached the orchestrator.
    bool sent() const { return sent_; }

    // It was the upload that could not be read here.
    bool own_failure() const { return disk_failed_.failed(); }

  private:
    awaitable<outcome<bool>>
    send_once(const http::http_url& peer, const payment::job_headers& headers, bool fresh);
    awaitable<error_code> send_body();
    awaitable<error_code> upload();
    awaitable<outcome<bytes>> read_file(std::uint64_t offset);
    void limit(duration most);
    failure described(error_code code, std::string_view during) const;

    http::connection_pool& connections_;
    blocking_threads& disk_;
    const forwarded_body& body_;

    http::connection_lease connection_;
    http::http_url peer_;
    time_point until_{};
    byte_share held_;
    bool sent_ = false, memory_full_ = false;
    error_code disk_failed_;
};

} // namespace rivulet::batch
