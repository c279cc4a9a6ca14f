// Sends a checked request to an orchestrator and brings its answer back: choice, payment, the
// headers of the network, one try after another until one succeeds, the time is over or the request
// itself is found bad (spec/batch.md 4). Says to the session manager how each try went.
// Thread: any shard; a call stays on the shard whose coroutine makes it. Cancelling that coroutine
// (the client left) ends the try at once, without a mark against the orchestrator.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "batch/api_error.hpp"
#include "batch/request.hpp"
#include "http/client.hpp"
#include "http/connection_pool.hpp"
#include "observe/metrics.hpp"
#include "payment/payments.hpp"
#include "session/manager.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace rivulet::batch {

struct dispatch_options {
    duration attempt = std::chrono::minutes(15); // one try, from its connect to its last byte
    duration request = std::chrono::minutes(20); // all tries
    std::size_t reply_bytes = 64u << 20;         // of an answer, data URLs included
    // What all requests hold in memory: the answers, and the copies that orchestrators get.
    byte_budget_ptr memory = std::make_shared<byte_budget>(1ull << 30);
    duration stream_silence = std::chrono::minutes(2); // between two pieces of an event stream

    dispatch_options() {}
};

struct dispatched {
    boost::json::object body; // in its documented shape
    std::string orchestrator; // base URL of who answered
    byte_share held;          // the room that the body takes

    dispatched() {}
};

// Who gets the pieces of an event stream.
class completion_sink {
  public:
    virtual ~completion_sink() = default;
    // One event's JSON. False: the client is gone.
    virtual awaitable<bool> chunk(std::string_view json) = 0;
    // Something was delivered, so another orchestrator can't begin anew.
    virtual bool begun() const = 0;
};

class dispatcher {
  public:
    // All of them outlive it.
    dispatcher(
        session::manager& sessions,
        payment::payments& payments,
        http::connection_pool& connections,
        observe::metrics& metrics,
        dispatch_options options,
        logger log
    );
    ~dispatcher();

    // `from` and `request_id` outlive the call.
    awaitable<answer<dispatched>> run(const request& from, const std::string& request_id);
    // Of a conversation with `stream`: the chunks go to `to` as they come. The error is for the
    // client also when the sink has begun.
    awaitable<answer<void>>
    run_stream(const request& from, const std::string& request_id, completion_sink& to);

    struct impl;

  private:
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::batch
