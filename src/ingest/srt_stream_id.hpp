// What an SRT caller wants, from its stream id. Three ways to write it:
//   #!::r=NAME,m=publish,u=USER,s=PASS,pipeline=noop       (the standard's; m=request to read)
//   publish:NAME:USER:PASS:pipeline=noop&params=…          (MediaMTX's; read:NAME to read)
//   NAME?key=PASS&pipeline=noop                            (bare: publishes)
// Each may be percent-encoded as a whole, since not every client decodes its address.
// Pure. Fails with: invalid_argument, unsupported (a mode that can't be served).
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::ingest {

enum class srt_mode { publish, read };

struct srt_target {
    srt_mode mode = srt_mode::publish;
    std::string stream; // valid by is_stream_name(); the last part of a path
    std::string user;
    std::string key; // password, else what key_of() finds in the query. Never logged
    std::vector<std::pair<std::string, std::string>> query; // percent-decoded, in order
};

inline constexpr std::size_t longest_srt_stream_id = 512; // the protocol's limit

// The failure's text is for the log: SRT carries only a number to the caller.
outcome<srt_target> parse_srt_stream_id(std::string_view text);

} // namespace rivulet::ingest
