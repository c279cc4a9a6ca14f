// Fetches one result from where an orchestrator says it is: no redirects, bounded bytes and time.
// Thread: any shard.
// Fails with: http_status, timed_out, too_large, unauthorized, what the client fails with; the text
// names the host alone.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "batch/result_source.hpp"
#include "http/client.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace rivulet::batch {

// Bytes that several downloads hold in memory together. Thread: one shard.
class download_budget {
  public:
    explicit download_budget(std::uint64_t most) : left_(most) {}

    bool take(std::uint64_t size) {
        if (size > left_)
            return false;
        left_ -= size;
        return true;
    }

    void give_back(std::uint64_t size) { left_ += size; }

  private:
    std::uint64_t left_;
};

// The bytes are taken from `budget`; what a failed download took is given back.
awaitable<outcome<std::string>> download(
    http::client_options options,
    result_source from,
    std::uint64_t most,
    std::shared_ptr<download_budget> budget,
    duration limit
);
// Whether a second try may help.
bool is_worth_another_try(const failure& why);

} // namespace rivulet::batch
