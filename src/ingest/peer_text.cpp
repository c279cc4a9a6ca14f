#include "ingest/peer_text.hpp"

#include "base/utf8.hpp"

namespace rivulet::ingest {
namespace {

constexpr std::string_view ellipsis = "…";
constexpr std::size_t shortest_secret = 3;

// Bytes of the printable character at `at`, 0 when there is none: a control character (C0, DEL, C1)
// or no UTF-8.
std::size_t character(std::string_view text, std::size_t at) {
    const auto length = utf8_character(text.substr(at));
    const auto lead = static_cast<unsigned char>(text[at]);
    const bool control =
        lead < 0x20 || lead == 0x7f ||
        (length == 2 && lead == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0);
    return control ? 0 : length;
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
