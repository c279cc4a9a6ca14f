// An SRT server with everything behind it that a stream needs: publishers go into the channel of
// their name, readers get it. Without orchestrators. Thread: the test's.
#pragma once

#include "ingest/srt_server.hpp"
#include "support/rtmp_rig.hpp"

#include <functional>

namespace rivulet::test {

class srt_rig {
  public:
    using change = std::function<void(ingest::srt_options&, ingest::srt_callbacks&)>;

    explicit srt_rig(const change& adjust = {}) {
        ingest::srt_options options;
        options.port = 0;
        ingest::srt_callbacks callbacks;
        callbacks.publish = behind.admission();
        callbacks.find = [this](const std::string& name) { return behind.channels().find(name); };
        if (adjust)
            adjust(options, callbacks);
        server = std::make_unique<ingest::srt_server>(
            behind.all_shards(), std::move(options), std::move(callbacks), logger("srt")
        );
        port = server->listen().value();
    }

    ~srt_rig() { server->stop(duration::zero()); }

    srt_rig(const srt_rig&) = delete;
    srt_rig& operator=(const srt_rig&) = delete;

    rtmp_rig behind;
    std::unique_ptr<ingest::srt_server> server;
    std::uint16_t port = 0;
};

} // namespace rivulet::test
