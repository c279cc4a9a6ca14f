// How a text is to be said, read from a description in words ("a female speaker, slowly, in
// French"). What it does not mention is ordinary.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rivulet::worker {

struct known_voice {
    std::string language; // "fr-be"
    std::string name;     // "French (Belgium)"

    known_voice(std::string l, std::string n) : language(std::move(l)), name(std::move(n)) {}
};

struct speech_manner {
    std::string language = "en-us";
    bool female = false;
    int words_a_minute = 165;
    int pitch = 50; // 0 to 100
};

// A voice's name counts when its language is a word of the description, its language code when it
// is all of the description, or follows "language" or "voice" ("is" and "no" are words, too).
speech_manner manner_of(std::string_view description, const std::vector<known_voice>& voices);

} // namespace rivulet::worker
