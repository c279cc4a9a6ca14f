#include "worker/speech_manner.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace rivulet::worker {

namespace {

std::string lower(std::string_view text) {
    std::string made(text);
    std::transform(made.begin(), made.end(), made.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return made;
}

// Runs of letters, digits, '-' and bytes of UTF-8; in lower case.
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> made;
    std::string word;
    for (const unsigned char c : text) {
        if (std::isalnum(c) || c == '-' || c >= 0x80) {
            word += static_cast<char>(std::tolower(c));
        } else if (!word.empty()) {
            made.push_back(std::move(word));
            word.clear();
        }
    }
    if (!word.empty())
        made.push_back(std::move(word));
    return made;
}

bool among(const std::string& word, std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

const known_voice* by_code(const std::vector<known_voice>& voices, const std::string& word) {
    const auto found = std::find_if(voices.begin(), voices.end(), [&](const auto& each) {
        return lower(each.language) == word;
    });
    if (found != voices.end())
        return &*found;
    // "fr" where there are only "fr-fr" and "fr-be": the one whose parts are alike, else the first.
    const auto part = word + "-";
    const known_voice* first = nullptr;
    for (const auto& each : voices) {
        const auto code = lower(each.language);
        if (code == part + word)
            return &each;
        if (!first && code.starts_with(part) && word.size() >= 2)
            first = &each;
    }
    return first;
}

// "French" of "French (Belgium)". In the list, the plain one goes first where there is one.
const known_voice* by_name(const std::vector<known_voice>& voices, const std::string& word) {
    if (word.size() < 4 || word == "lang")
        return nullptr;
    const known_voice* first = nullptr;
    for (const auto& each : voices) {
        const auto parts = words_of(each.name);
        if (parts.empty() || parts.front() != word)
            continue;
        // Spoken by most in the land of that name: "fr-fr", or a code without a second part.
        const auto code = lower(each.language);
        if (code.find('-') == std::string::npos || code.substr(0, 2) == code.substr(3))
            return &each;
        if (!first)
            first = &each;
    }
    return first;
}

} // namespace

speech_manner manner_of(std::string_view description, const std::vector<known_voice>& voices) {
    speech_manner made;
    const auto words = words_of(description);
    const known_voice* chosen = words.size() == 1 ? by_code(voices, words.front()) : nullptr;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto& word = words[i];
        const auto& before = i ? words[i - 1] : std::string();
        if (!chosen && among(before, {"language", "voice", "lang"}))
            chosen = by_code(voices, word);
        if (!chosen && word != "english")
            chosen = by_name(voices, word);
        if (word == "british")
            made.language = "en-gb";
        if (among(word, {"female", "woman", "girl", "she", "her"}))
            made.female = true;
        if (among(word, {"slow", "slowly", "slower"}))
            made.words_a_minute = 125;
        else if (among(word, {"fast", "quick", "quickly", "rapid", "rapidly", "faster"}))
            made.words_a_minute = 230;
        else if (among(word, {"deep", "deeper", "low-pitched"}) || (among(word, {"pitch", "pitched", "voice"}) && before == "low"))
            made.pitch = 20;
        else if (word == "high-pitched" || (among(word, {"pitch", "pitched", "voice"}) && before == "high"))
            made.pitch = 80;
    }
    if (chosen)
        made.language = chosen->language;
    return made;
}

} // namespace rivulet::worker
