#include "base/ids.hpp"

#include <openssl/rand.h>

#include <stdexcept>
#include <vector>

namespace rivulet {

std::string random_hex(std::size_t octets) {
    std::vector<unsigned char> raw(octets);
    if (RAND_bytes(raw.data(), static_cast<int>(raw.size())) != 1)
        throw std::runtime_error("the system's random generator failed");
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (unsigned char byte : raw) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

} // namespace rivulet
