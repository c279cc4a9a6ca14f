// Random identifiers from the kernel's generator.
#pragma once

#include <cstddef>
#include <string>

namespace rivulet {

// `octets` random bytes as lower-case hex, two characters each.
std::string random_hex(std::size_t octets);

} // namespace rivulet
