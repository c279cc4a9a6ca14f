// GET /doors: how this gateway is reached, for the console page and for people with curl.
// Thread: add before the server listens; notices may be put up and read by any thread.
#pragma once

#include "http/server.hpp"
#include "webrtc/session_routes.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet {

// Ports that are 0 are closed doors.
struct door_list {
    std::string host; // as configured; empty: the one that the client used
    std::uint16_t http = 0, https = 0, rtmp = 0, rtmps = 0, srt = 0;
    bool webrtc = false;
    bool auth = false; // some request needs a key
    std::vector<webrtc::ice_server> ice_servers;
    std::vector<std::string> pipelines; // of the built-in orchestrator; empty: not known
};

// Where the list is put up: its last ports are known when requests come already.
class door_notice {
  public:
    void put(door_list doors);
    std::shared_ptr<const door_list> get() const; // null before put()

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<const door_list> doors_;
};

// The address without a port that a client wrote in its Host header, empty when it is none.
std::string host_of(std::string_view host_header);

boost::json::object to_json(const door_list& doors, std::string_view host);

// 503 until the list is put up.
void add_doors_route(http::server& server, std::shared_ptr<const door_notice> notice);

} // namespace rivulet
