// Who may publish, watch and control: the one answer for every door, from the stream keys and the
// auth webhook. With neither, everybody may. A key of the file lets in at once; everybody else is
// up to the webhook, if there is one.
// Thread: construct and destroy from outside the shards; publish() on the home shard of the name,
// the rest from any shard.
// Fails with: unauthorized and a text for the client; timed_out and no_capacity when the webhook
// can't be asked; what registry::admit() fails with.
#pragma once

#include "base/log.hpp"
#include "ingest/access.hpp"
#include "ingest/source.hpp"
#include "live/auth_webhook.hpp"
#include "live/decision_memory.hpp"
#include "live/key_file.hpp"
#include "live/registry.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace rivulet::live {

struct gate_options {
    std::shared_ptr<key_file> keys;        // null: no static keys
    std::shared_ptr<auth_webhook> webhook; // null: nobody is asked
    // The webhook decides over publishers only; watching and control need a static key.
    bool webhook_publish_only = false;
    std::string gateway_host; // in the addresses that the webhook is told; "host" or "http://host"
    std::string playback_prefix; // of WHEP addresses, "https://cdn.example/"; empty: this gateway
    duration remember_yes = std::chrono::seconds(10), remember_no = std::chrono::seconds(2);
};

class gate {
  public:
    gate(registry& streams, gate_options options, logger log);
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;

    // Some request needs a key.
    bool closed() const { return options_.keys || options_.webhook; }

    // "http://host:port" of this gateway, for publishers that named none.
    void set_base(std::string base);

    // Decides, asks the webhook for what the publisher should get, and admits.
    awaitable<outcome<std::shared_ptr<ingest::unit_sink>>>
    publish(ingest::publish_request request, ingest::kick kick);

    // The decision alone, for a door that has to answer a handshake before it can admit; publish()
    // of the same session goes by it and does not ask again.
    awaitable<outcome<void>> check_publish(ingest::publish_request request);
    // How the webhook wants the session encrypted that passed check_publish().
    std::optional<std::string> passphrase(const ingest::publish_request& request) const;

    // `stream` may be what a viewer's path says ("cam-1a2b3c4d-out"), or empty for all streams.
    awaitable<outcome<void>> check(ingest::access_request request);

    // Where the gateway is for others: as configured, as the client addressed it (`base`), or where
    // it listens.
    std::string public_base(std::string base) const;

    // The same as callbacks; the gate outlives them.
    ingest::admit_publisher admission();
    ingest::check_access access();

  private:
    // What the webhook decided in check_publish().
    struct foreseen {
        webhook_answer answer;
        std::string request_id;
        time_point until;
    };

    awaitable<outcome<webhook_answer>> decide(const ingest::publish_request& request);
    std::optional<foreseen> take_foreseen(const ingest::publish_request& request);
    webhook_question question(const std::string& stream, const std::string& base) const;
    void complete(ingest::publish_request& request) const;
    std::string own_base() const;

    registry& streams_;
    const gate_options options_;
    const logger log_;
    mutable std::mutex mutex_; // guards the rest; held for a look only
    std::string base_;
    decision_memory memory_;
    std::unordered_map<std::string, foreseen> foreseen_; // by session and stream
};

// {prefix}{stream}-{request}-out/whep: where one session's processed video is watched.
std::string
playback_url(std::string_view prefix, std::string_view stream, std::string_view request);

} // namespace rivulet::live
