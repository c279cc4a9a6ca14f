// The gRPC connections to orchestrators: one per address, kept while it is of use, with the TLS
// check that the options say. Includes gRPC: for .cpp files only.
// Thread: any.
#pragma once

#include "http/client_url.hpp"
#include "session/grpc_info.hpp"

#include <atomic>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <map>
#include <mutex>
#include <string>

namespace rivulet::session {

// What one connection learned about its peer.
struct grpc_peer_state {
    std::string authority; // as pins are named
    std::atomic<bool> answered{false};
    std::atomic<bool> certificate_changed{false};
    std::atomic<bool> change_told{false};
    std::mutex mutex;
    std::string new_fingerprint; // of the changed one
};

struct grpc_line {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<grpc::GenericStub> stub;
    std::shared_ptr<grpc_peer_state> peer;
};

using grpc_line_ptr = std::shared_ptr<grpc_line>;

class grpc_channels {
  public:
    static outcome<std::unique_ptr<grpc_channels>> create(const grpc_info_options& options);

    // The kept one or a new one, which connects with its first call.
    grpc_line_ptr line_to(const http::http_url& peer, time_point now);
    // After a failure: the next call connects anew, instead of after gRPC's own pause.
    void drop(const grpc_line_ptr& line);
    std::size_t size() const;

  private:
    struct row {
        grpc_line_ptr line;
        time_point used;
    };

    explicit grpc_channels(const grpc_info_options& options) : options_(options) {}

    std::shared_ptr<grpc::ChannelCredentials>
    credentials(const http::http_url& peer, const std::shared_ptr<grpc_peer_state>& state) const;
    void make_room(time_point now);

    const grpc_info_options options_;
    std::string roots_; // PEM; full with a CA file
    mutable std::mutex mutex_;
    std::map<std::string, row> rows_; // by scheme and authority
};

} // namespace rivulet::session
