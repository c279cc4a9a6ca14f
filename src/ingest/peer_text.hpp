// Text that a peer chose, made fit for logs, status and JSON. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rivulet::ingest {

// At most `most` bytes of valid UTF-8 on one line: everything else becomes '?', a cut one ends in
// "…".
std::string peer_text(std::string_view text, std::size_t most = 200);

// Every occurrence of `secret` becomes "…". Secrets of less than three bytes are left: they would
// tear any text apart and hide nothing.
void hide(std::string& text, std::string_view secret);

} // namespace rivulet::ingest
