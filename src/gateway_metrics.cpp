#include "gateway_metrics.hpp"

#include "live/on_shard.hpp"
#include "observe/process_metrics.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <unistd.h>
#include <utility>

namespace rivulet {
namespace {

constexpr std::array protocols{"rtmp", "whep", "srt"};
constexpr std::array states{
    live::stream_state::waiting_for_media,
    live::stream_state::starting,
    live::stream_state::connected,
    live::stream_state::live,
    live::stream_state::failed};

// By protocol. What is neither WHEP nor SRT reads the channel's feed: RTMP players.
using viewer_counts = std::map<std::string, std::uint64_t>;

void add_players(viewer_counts& to, const live::viewer_report& special, std::uint64_t players) {
    for (const auto& [protocol, count] : special.by_protocol)
        to[protocol] += count;
    to["rtmp"] += players - std::min(players, special.viewers);
}

} // namespace

observe::labels gateway_labels(const std::string& node_id) {
    auto id = node_id;
    if (id.empty()) {
        std::array<char, 256> host{};
        if (::gethostname(host.data(), host.size() - 1) == 0)
            id = host.data();
    }
    return {{"node_id", id}, {"node_type", "bctr"}};
}

gateway_metrics::gateway_metrics(observe::metrics& metrics, gateway_numbers from)
    : metrics_(metrics), from_(std::move(from)), process_(observe::add_process_metrics(metrics)),
      version_(metrics.make_bare_gauge(
          "livepeer_versions",
          "Always 1; its labels say what runs.",
          {{"livepeerversion", "rivulet " RIVULET_VERSION},
           {"compiler", "g++ " __VERSION__},
           {"goversion", ""},
           {"goos", "linux"}}
      )),
      max_streams_(metrics.make_gauge(
          "livepeer_max_sessions_total", "Streams that may be published at once."
      )),
      streams_(metrics.make_gauge("livepeer_current_sessions_total", "Streams published now.")),
      connections_(
          metrics.make_gauge("rivulet_http_connections", "Connections to the API and its channels.")
      ),
      viewers_(observe::gauge_set(
          metrics, "rivulet_viewers", "Who watches now, by protocol: source or output."
      )),
      states_(observe::gauge_set(metrics, "rivulet_streams", "Streams in each state.")) {
    version_.set(1);
    max_streams_.set(static_cast<double>(from_.max_streams));
}

gateway_metrics::~gateway_metrics() {
    writer_.join();
}

awaitable<void> gateway_metrics::count() {
    const auto all = co_await from_.streams.list();
    std::map<live::stream_state, std::size_t> in_state;
    viewer_counts source, output;
    for (const auto& one : all) {
        ++in_state[one.state];

        struct {
            live::viewer_report source, output;
        } special;

        // A hop to the stream's shard, saved where nobody watches.
        if (from_.viewers && one.source_players + one.output_players > 0) {
            auto ask = [this, name = one.name] {
                return std::pair(
                    from_.viewers(name, false),
                    from_.viewers(name + std::string(live::output_suffix), false)
                );
            };
            auto answer = co_await live::on_shard(from_.threads.of(one.name), std::move(ask));
            special.source = std::move(answer.first);
            special.output = std::move(answer.second);
        }
        add_players(source, special.source, one.source_players);
        add_players(output, special.output, one.output_players);
    }
    for (const auto* protocol : protocols) {
        viewers_.with({{"of", "source"}, {"protocol", protocol}}
        ).set(static_cast<double>(source[protocol]));
        viewers_.with({{"of", "output"}, {"protocol", protocol}}
        ).set(static_cast<double>(output[protocol]));
    }
    for (const auto state : states)
        states_.with({{"state", std::string(live::to_string(state))}}
        ).set(static_cast<double>(in_state[state]));
    streams_.set(static_cast<double>(all.size()));
    if (from_.connections)
        connections_.set(static_cast<double>(from_.connections()));
}

awaitable<std::string> gateway_metrics::text() {
    co_await count();
    auto task = live::call([this] { return metrics_.text(); });
    co_return co_await asio::co_spawn(writer_.get_executor(), std::move(task), asio::use_awaitable);
}

} // namespace rivulet
