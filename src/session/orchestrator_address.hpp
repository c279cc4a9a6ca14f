// Where orchestrators are: addresses as operators write them, and URLs as orchestrators answer
// them. Pure. Fails with invalid_argument and a text that quotes what is wrong.
#pragma once

#include "base/error.hpp"
#include "http/client_url.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace rivulet::session {

// "host", "host:port", ":port", "https://host:port/prefix": a missing host is 127.0.0.1, a missing
// port 8935, a missing scheme https. Returns "scheme://host:port[/prefix]" without a final slash.
outcome<std::string> orchestrator_base(std::string_view address);

// Every element may itself be a comma list; empty elements are skipped, repeated ones kept once.
outcome<std::vector<std::string>> orchestrator_bases(const std::vector<std::string>& addresses);

enum class channel_hosts {
    own, // channels live on the orchestrator's own host, on any port
    any  // an orchestrator may point elsewhere
};

// A URL of an answer: with a host it stays as it is, otherwise it is appended to `base` (with one
// slash between). Fails when it is empty, no http(s) URL, or on another host than allowed.
outcome<std::string>
resolve_channel_url(std::string_view base, std::string_view url, channel_hosts hosts);

} // namespace rivulet::session
