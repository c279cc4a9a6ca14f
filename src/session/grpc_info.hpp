// GetOrchestrator over gRPC, the network's own way: HTTP/2 over TLS for https://, without for
// http://. One connection per address is kept and used again. Orchestrators sign their certificates
// themselves and make a new one at every start, so the usual check is a pin: the first certificate
// of a host and port is remembered, shared with the HTTP client, and a change is logged with both
// fingerprints before the new one is taken.
// Thread: any; calls may run on several shards at once, each resumes on the executor it began on.
// Owns: the connections. stop() it while the shards still turn.
// Fails with: as info_source says; every text but cancelled's names the address and the cause.
#pragma once

#include "base/log.hpp"
#include "http/tls.hpp"
#include "session/info_source.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>

namespace rivulet::session {

struct grpc_info_options {
    http::tls_verify verify = http::tls_verify::pin_first;
    std::filesystem::path ca_file;                            // trusted besides the system's; full
    duration connect_limit = std::chrono::milliseconds(3000); // TCP, TLS and HTTP/2 together
    duration idle_limit = std::chrono::minutes(5);            // a connection unused so long goes
    std::size_t max_kept = 512;

    grpc_info_options() {}
};

class grpc_info final : public info_source {
  public:
    // Fails with tls_failed when the CA file can't be read.
    static outcome<std::unique_ptr<grpc_info>> create(grpc_info_options options, logger log);
    ~grpc_info() override;
    grpc_info(const grpc_info&) = delete;
    grpc_info& operator=(const grpc_info&) = delete;

    // Who asks from now on. Any thread.
    void identify(caller_identity caller);

    awaitable<outcome<info_answer>>
    ask(std::string address, info_question question, duration limit) override;

    // Ends the questions under way and refuses new ones: afterwards no thread of gRPC's has
    // anything to tell a shard. Blocks for a moment; not on a shard.
    void stop();

    std::size_t kept() const; // connections

  private:
    struct impl;
    explicit grpc_info(std::shared_ptr<impl> made);

    std::shared_ptr<impl> impl_; // shared with questions that are cancelled late
};

} // namespace rivulet::session
