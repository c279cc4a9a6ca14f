// Static stream keys: a text file whose lines say who may do what with which streams.
//   PATTERN  ACTIONS  KEY          # '*' and '?' in PATTERN; ACTIONS: publish,watch,control or all
//   cam-*    publish  sha256$SALT$HASH
//   demo     watch    anyone
// Only hashes are kept. They are quick ones, so keys have to be long (least_key_bytes) or random.
// Pure; a value. Fails with: invalid_argument and a text with the line's number, never its key.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::live {

enum class key_use : std::uint8_t { publish = 1, watch = 2, control = 4 };

inline constexpr std::size_t least_key_bytes = 16;
inline constexpr std::size_t most_key_bytes = 512;

class stream_keys {
  public:
    static outcome<stream_keys> parse(std::string_view text);

    // Whether a line for this stream and use has the key, or lets anyone in. `stream` is empty for
    // what concerns all streams (the list): only the pattern "*" holds for it.
    bool allow(key_use use, std::string_view stream, std::string_view key) const;

    std::size_t size() const { return lines_.size(); }

  private:
    struct line {
        std::string pattern;
        std::uint8_t uses = 0;
        bool anyone = false;
        std::string salt, hash; // bytes
    };

    std::vector<line> lines_;
};

// A line of the file for this key, with a fresh salt; fails when the key is too short or too long.
outcome<std::string>
make_key_line(std::string_view pattern, std::string_view actions, std::string_view key);

// '*' stands for any characters or none, '?' for one.
bool matches(std::string_view pattern, std::string_view text);

} // namespace rivulet::live
