#include "ingest/peer_text.hpp"

namespace rivulet::ingest {
namespace {

constexpr std::string_view ellipsis = "…";
constexpr std::size_t shortest_secret = 3;

// Bytes of the well-formed character at `at`, 0 when there is none.
std::size_t character(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto lead = byte(at);
    if (lead < 0x80)
        return lead < 0x20 || lead == 0x7f ? 0 : 1;
    const std::size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || at + length > text.size())
        return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(at + i) & 0xc0) != 0x80)
            return 0;
    // Overlong forms, surrogates and what lies beyond Unicode; C1 control characters.
    const auto second = byte(at + 1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90) ||
        (lead == 0xc2 && second < 0xa0))
        return 0;
    return length;
}

} // namespace

std::string peer_text(std::string_view text, std::size_t most) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto length = character(text, at);
        if (out.size() + (length > 0 ? length : 1) > most)
            return out.append(ellipsis);
        if (length > 0)
            out += text.substr(at, length);
        else
            out += '?';
        at += length > 0 ? length : 1;
    }
    return out;
}

void hide(std::string& text, std::string_view secret) {
    if (secret.size() < shortest_secret)
        return;
    for (auto at = text.find(secret); at != std::string::npos;
         at = text.find(secret, at + ellipsis.size()))
        text.replace(at, secret.size(), ellipsis);
}

} // namespace rivulet::ingest
