#include "base/ids.hpp"

#include "base/hex.hpp"

#include <openssl/rand.h>

#include <stdexcept>

namespace rivulet {

std::string random_hex(std::size_t octets) {
    std::string raw(octets, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(raw.size())) != 1)
        throw std::runtime_error("the system's random generator failed");
    return to_hex(raw);
}

} // namespace rivulet
