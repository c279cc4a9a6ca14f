#include "live/hash_key.hpp"

#include "base/ids.hpp"
#include "live/stream_keys.hpp"

#include <istream>
#include <ostream>

namespace rivulet::live {
namespace {

constexpr std::size_t random_bytes = 16;

} // namespace

int hash_key(
    std::span<const std::string> arguments, std::istream* in, std::ostream& out, std::ostream& notes
) {
    if (arguments.size() != 2) {
        notes
            << "rivulet hash-key PATTERN ACTIONS < KEY >> FILE\n"
               "PATTERN is a stream's name, with * and ? for any characters; ACTIONS are publish, "
               "watch and control with commas between, or all. Without a KEY one is made.\n";
        return 2;
    }
    std::string key;
    if (in)
        std::getline(*in, key);
    if (key.ends_with('\r'))
        key.pop_back();
    const bool made = key.empty();
    if (made)
        key = random_hex(random_bytes);
    const auto line = make_key_line(arguments[0], arguments[1], key);
    if (!line) {
        notes << "rivulet: " << line.error().detail << '\n';
        return 2;
    }
    if (made)
        notes << "the key, shown only now: " << key << '\n';
    out << *line << std::endl;
    return out ? 0 : 1;
}

} // namespace rivulet::live
