// What the process asks of the system once, before any thread: descriptors for its connections, and
// an allocator that keeps freed memory for the next segment.
#pragma once

#include "base/log.hpp"

namespace rivulet {

// Raises the soft limit of open files to the hard one; a log line says when even that does not
// cover `connections`, with the cure.
void prepare_process(std::size_t connections, const logger& log);

} // namespace rivulet
