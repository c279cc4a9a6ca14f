#include "session/contract_abi.hpp"

namespace rivulet::session {
namespace {

constexpr std::size_t word_bytes = 32;

bool is_zero(std::string_view bytes) {
    return bytes.find_first_not_of('\0') == std::string_view::npos;
}

} // namespace

std::string abi_address(std::string_view address) {
    std::string out(word_bytes - std::min(address.size(), word_bytes), '\0');
    return out.append(address.substr(0, word_bytes));
}

std::string abi_uint(std::uint64_t value) {
    std::string out(word_bytes, '\0');
    for (std::size_t i = 0; i < sizeof value; ++i)
        out[word_bytes - 1 - i] = static_cast<char>(value >> (8 * i) & 0xff);
    return out;
}

std::optional<std::string> abi_read_word(std::string_view result, std::size_t word) {
    if (word >= result.size() / word_bytes)
        return std::nullopt;
    return std::string(result.substr(word * word_bytes, word_bytes));
}

std::optional<std::string> abi_read_address(std::string_view result, std::size_t word) {
    const auto bytes = abi_read_word(result, word);
    if (!bytes || !is_zero(std::string_view(*bytes).substr(0, 12)))
        return std::nullopt;
    return bytes->substr(12);
}

std::optional<std::uint64_t> abi_read_uint(std::string_view result, std::size_t word) {
    const auto bytes = abi_read_word(result, word);
    if (!bytes || !is_zero(std::string_view(*bytes).substr(0, 24)))
        return std::nullopt;
    std::uint64_t out = 0;
    for (const unsigned char c : bytes->substr(24))
        out = out << 8 | c;
    return out;
}

std::optional<bool> abi_read_bool(std::string_view result, std::size_t word) {
    const auto value = abi_read_uint(result, word);
    if (!value || *value > 1)
        return std::nullopt;
    return *value == 1;
}

std::optional<std::string>
abi_read_string(std::string_view result, std::size_t word, std::size_t most) {
    const auto offset = abi_read_uint(result, word);
    if (!offset || *offset > result.size() || result.size() - *offset < word_bytes)
        return std::nullopt;
    const auto tail = result.substr(*offset);
    const auto length = abi_read_uint(tail);
    if (!length || *length > most || *length > tail.size() - word_bytes)
        return std::nullopt;
    return std::string(tail.substr(word_bytes, *length));
}

} // namespace rivulet::session
