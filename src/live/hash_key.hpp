// `rivulet hash-key PATTERN ACTIONS`: makes a line for the file of -streamKeys. The key is the
// first line of the input; without one a random key is made and shown. Thread: main's.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace rivulet::live {

// `arguments` behind the command's word. `in` may be null: nothing is read. The line goes to `out`
// alone, so that it can be appended to the file; what a person reads goes to `notes`. An exit code.
int hash_key(
    std::span<const std::string> arguments, std::istream* in, std::ostream& out, std::ostream& notes
);

} // namespace rivulet::live
