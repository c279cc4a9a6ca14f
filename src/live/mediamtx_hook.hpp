// The door for publishers of a MediaMTX in front: its hook (POST …/{stream}/start) says that a path
// is there, and the gateway pulls that path over RTMP. A publisher that is refused or ended here is
// kicked there.
// Thread: construct, stop and destroy from outside the shards; a pull lives on the home shard of
// its stream.
// Owns: the pulls.
#pragma once

#include "base/log.hpp"
#include "base/shards.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "ingest/rtmp_pull.hpp"
#include "ingest/source.hpp"
#include "live/mediamtx_start.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace rivulet::live {

struct mediamtx_options {
    // "http://10.0.0.5:9997"; empty: port 9997 of whoever calls the hook.
    std::string api_url;
    // Sent to api_url, or to a caller on this machine or a private network, to nobody else.
    std::string api_password;
    duration api_limit = std::chrono::seconds(5);
    // rtmp_url may name hosts of this machine and of private networks. The caller's own address,
    // where streams are pulled from by default, always may.
    bool private_targets = false;
    duration resolve_limit = std::chrono::seconds(3);
    http::client_options client;
    ingest::rtmp_pull_options pull; // `allowed`, `exists` and `ended` are filled in
};

class mediamtx_hook {
  public:
    mediamtx_hook(
        shards& shards, ingest::admit_publisher admit, mediamtx_options options, logger log
    );
    ~mediamtx_hook();
    mediamtx_hook(const mediamtx_hook&) = delete;
    mediamtx_hook& operator=(const mediamtx_hook&) = delete;

    // Before the server listens. The hook outlives the server's connections.
    void add_routes(http::server& server);

    std::size_t pulls() const { return pulls_.load(std::memory_order_relaxed); }

    // After the registry's stop(): ends what is left. Blocks for about a second at most.
    void stop();

  private:
    struct pulled;
    struct part;

    awaitable<http::response> start(const http::request& request);
    awaitable<http::response> begin(std::shared_ptr<pulled> session, std::string bearer);
    void end(const std::shared_ptr<pulled>& session, bool kick, std::string reason);
    static awaitable<bool> still_there(std::shared_ptr<pulled> session);
    static awaitable<void> kick_source(std::shared_ptr<pulled> session);
    awaitable<void> stop_part(part& on);

    shards& shards_;
    const ingest::admit_publisher admit_;
    const mediamtx_options options_;
    const logger log_;
    std::atomic<std::size_t> pulls_{0};
    std::atomic<bool> stopping_{false};
    bool stopped_ = false;
    std::vector<std::unique_ptr<part>> parts_;
};

} // namespace rivulet::live
