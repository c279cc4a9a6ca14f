// MediaMTX's API, as far as its hook needs it: whether a source is still there, and ending it.
// Thread: any shard; a value.
// Fails with: the client's codes; a text for the log.
#pragma once

#include "http/client.hpp"

#include <string>

namespace rivulet::live {

enum class source_presence { there, gone, unknown };

class mediamtx_api {
  public:
    // `base`: "http://10.0.0.5:9997". An empty password sends none; the user is always "admin".
    mediamtx_api(
        std::string base, std::string password, http::client_options client, duration limit
    );

    // `kind` and `id` as in mediamtx_start.
    awaitable<source_presence> look(std::string kind, std::string id) const;
    // Succeeds too when the source has gone by itself.
    awaitable<outcome<void>> kick(std::string kind, std::string id) const;

    const std::string& base() const { return base_; }

  private:
    awaitable<outcome<unsigned>> ask(http::verb method, std::string path) const;

    std::string base_;
    http::header_list headers_; // holds the password: never logged
    http::client_options client_;
    duration limit_;
};

} // namespace rivulet::live
