// The private API on -cliAddr: what an operator asks and changes while the gateway runs. Paths,
// forms and bodies are those that go-livepeer's tools know; it asks for no password, so it refuses
// what a web page of somewhere else sends.
// Thread: the routes are added before listen(); handlers run on any shard.
#pragma once

#include "base/asio.hpp"
#include "http/server.hpp"
#include "session/price_caps.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <functional>
#include <string>

namespace rivulet {

// Where the answers come from; all of it outlives the server. Functions may be empty.
struct private_sources {
    std::function<boost::json::object()> network_capabilities;
    std::function<boost::json::object()> pools;
    std::function<boost::json::array()> orchestrators; // {"Url", "Score", "Latency"}
    std::function<std::size_t()> streams;
    session::price_caps* caps = nullptr;
    // Prometheus' text; empty: metrics are off (-monitor) and the path is not there.
    std::function<awaitable<std::string>()> metrics;
};

void add_private_routes(http::server& server, private_sources sources);

} // namespace rivulet
