#include "live/stream_keys.hpp"

#include "base/hex.hpp"
#include "base/ids.hpp"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>

namespace rivulet::live {
namespace {

constexpr std::size_t most_lines = 10'000;
constexpr std::size_t salt_bytes = 16, hash_bytes = 32;
constexpr std::size_t pattern_bytes = 128;
constexpr std::string_view scheme = "sha256$";

failure bad(std::string text) {
    return {errc::invalid_argument, std::move(text)};
}

std::string hash_of(std::string_view salt, std::string_view key) {
    std::string out(hash_bytes, '\0');
    unsigned size = 0;
    ::HMAC(
        EVP_sha256(),
        salt.data(),
        static_cast<int>(salt.size()),
        reinterpret_cast<const unsigned char*>(key.data()),
        key.size(),
        reinterpret_cast<unsigned char*>(out.data()),
        &size
    );
    return out;
}

// Exactly `size` bytes.
std::optional<std::string> from_hex(std::string_view text, std::size_t size) {
    if (text.size() != 2 * size)
        return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
    }
    return out;
}

std::string to_hex(std::string_view octets) {
    std::string out;
    for (unsigned char c : octets)
        out += fmt::format("{:02x}", c);
    return out;
}

outcome<std::uint8_t> parse_uses(std::string_view text) {
    std::uint8_t uses = 0;
    for (;;) {
        const auto word = text.substr(0, text.find(','));
        if (word == "publish")
            uses |= static_cast<std::uint8_t>(key_use::publish);
        else if (word == "watch")
            uses |= static_cast<std::uint8_t>(key_use::watch);
        else if (word == "control")
            uses |= static_cast<std::uint8_t>(key_use::control);
        else if (word == "all")
            uses = 7;
        else
            return bad("the actions are publish, watch and control with commas between, or all");
        if (word.size() == text.size())
            return uses;
        text.remove_prefix(word.size() + 1);
    }
}

bool good_pattern(std::string_view text) {
    if (text.empty() || text.size() > pattern_bytes)
        return false;
    for (char c : text)
        if (c <= 0x20 || c >= 0x7f || c == '/' || c == '#')
            return false;
    return true;
}

// The next word of the line, cut off its front.
std::string_view take_word(std::string_view& line) {
    static constexpr std::string_view blank = " \t\r";
    line.remove_prefix(std::min(line.find_first_not_of(blank), line.size()));
    const auto word = line.substr(0, line.find_first_of(blank));
    line.remove_prefix(word.size());
    return word;
}

} // namespace

bool matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0;
    std::size_t star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*')
        ++p;
    return p == pattern.size();
}

outcome<stream_keys> stream_keys::parse(std::string_view text) {
    stream_keys made;
    for (std::size_t number = 1; !text.empty(); ++number) {
        auto rest = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(rest.size() + 1, text.size()));
        const auto at = [number](std::string_view why) {
            return bad(fmt::format("line {}: {}", number, why));
        };
        const auto pattern = take_word(rest);
        if (pattern.empty() || pattern.front() == '#')
            continue;
        const auto actions = take_word(rest);
        auto key = take_word(rest);
        const auto more = take_word(rest);
        if (key.empty() || (!more.empty() && more.front() != '#'))
            return at("PATTERN ACTIONS KEY are wanted");
        if (!good_pattern(pattern))
            return at("the pattern is longer than 128 characters, or has one that no name has");
        const auto uses = parse_uses(actions);
        if (!uses)
            return at(uses.error().detail);
        line one;
        one.pattern = pattern;
        one.uses = *uses;
        one.anyone = key == "anyone";
        if (!one.anyone) {
            if (!key.starts_with(scheme))
                return at("the key is not hashed; `rivulet hash-key` makes the line");
            key.remove_prefix(scheme.size());
            const auto cut = key.find('$');
            auto salt = from_hex(key.substr(0, cut), salt_bytes);
            auto hash = cut == std::string_view::npos ? std::nullopt
                                                      : from_hex(key.substr(cut + 1), hash_bytes);
            if (!salt || !hash)
                return at("the hash is damaged; `rivulet hash-key` makes the line");
            one.salt = std::move(*salt);
            one.hash = std::move(*hash);
        }
        made.lines_.push_back(std::move(one));
        if (made.lines_.size() > most_lines)
            return at(fmt::format("more than {} keys", most_lines));
    }
    return made;
}

bool stream_keys::allow(key_use use, std::string_view stream, std::string_view key) const {
    const bool usable = !key.empty() && key.size() <= most_key_bytes;
    bool found = false;
    for (const auto& one : lines_) {
        if ((one.uses & static_cast<std::uint8_t>(use)) == 0 || !matches(one.pattern, stream))
            continue;
        if (one.anyone)
            found = true;
        else if (usable) {
            const auto hash = hash_of(one.salt, key);
            if (::CRYPTO_memcmp(hash.data(), one.hash.data(), hash_bytes) == 0)
                found = true;
        }
    }
    return found;
}

outcome<std::string>
make_key_line(std::string_view pattern, std::string_view actions, std::string_view key) {
    if (!good_pattern(pattern) || pattern.front() == '#')
        return bad("the pattern has to be a stream's name, with * and ? for any characters");
    if (auto uses = parse_uses(actions); !uses)
        return uses.error();
    if (key.size() < least_key_bytes)
        return bad(fmt::format(
            "a key needs at least {} characters: it is kept as a quick hash, which hides no short "
            "one",
            least_key_bytes
        ));
    if (key.size() > most_key_bytes)
        return bad(fmt::format("a key has at most {} characters", most_key_bytes));
    const auto salt = random_hex(salt_bytes);
    const auto hash = hash_of(*from_hex(salt, salt_bytes), key);
    return fmt::format("{} {} {}{}${}", pattern, actions, scheme, salt, to_hex(hash));
}

} // namespace rivulet::live
