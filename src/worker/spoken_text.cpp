#include "base/utf8.hpp"
#include "worker/model_functions.hpp"
#include "worker/speech_manner.hpp"
#include "worker/wave_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <espeak-ng/speak_lib.h>
#include <mutex>

namespace rivulet::worker {

namespace {

constexpr std::size_t text_limit = 5'000;         // bytes
constexpr std::size_t sample_limit = 22050 * 900; // a quarter of an hour

// The library has one voice at a time, whoever asks.
std::mutex& one_voice() {
    static std::mutex guard;
    return guard;
}

// Its sample rate; below 1 when it or its data are not there. Under the lock.
int start_library() {
    static const int rate =
        espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, nullptr, espeakINITIALIZE_DONT_EXIT);
    return rate;
}

std::vector<known_voice> voices() {
    std::vector<known_voice> made;
    const auto** list = espeak_ListVoices(nullptr);
    for (; list && *list; ++list) {
        const auto& each = **list;
        if (!each.name || !each.languages || !*each.languages)
            continue;
        made.emplace_back(each.languages + 1, each.name); // a byte of priority goes first
    }
    return made;
}

struct hearing {
    std::vector<std::int16_t> samples;
    const std::function<bool()>& cancelled;
    bool stopped = false;

    explicit hearing(const std::function<bool()>& c) : cancelled(c) {}
};

int take_samples(short* wave, int count, espeak_EVENT* events) {
    auto& into = *static_cast<hearing*>(events->user_data);
    if (wave && count > 0)
        into.samples.insert(into.samples.end(), wave, wave + count);
    into.stopped = into.stopped || into.samples.size() > sample_limit || into.cancelled();
    return into.stopped;
}

void set_manner(const speech_manner& manner) {
    espeak_VOICE wanted{};
    wanted.languages = manner.language.c_str();
    wanted.gender = manner.female ? 2 : 1;
    if (espeak_SetVoiceByProperties(&wanted) != EE_OK)
        espeak_SetVoiceByName("en");
    espeak_SetParameter(espeakRATE, manner.words_a_minute, 0);
    espeak_SetParameter(espeakPITCH, manner.pitch, 0);
    espeak_SetParameter(espeakRANGE, 50, 0);
    espeak_SetParameter(espeakVOLUME, 100, 0);
}

} // namespace

bool can_speak() {
    const std::lock_guard lock(one_voice());
    return start_library() > 0;
}

outcome<model_answer> speak_text(const model_call& call) {
    const auto text = call.text("text");
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        return failure(errc::invalid_argument, "Text input must be provided.");
    if (text.size() > text_limit)
        return failure(
            errc::invalid_argument,
            fmt::format("the text has {} bytes; this model takes {}", text.size(), text_limit)
        );
    if (text.find('\0') != std::string::npos || valid_utf8(text) != text)
        return failure(errc::invalid_argument, "the text is not UTF-8");
    hearing heard(call.cancelled);
    int rate = 0;
    {
        const std::lock_guard lock(one_voice());
        if (call.cancelled())
            return failure(errc::cancelled, "nobody waits for it any more");
        rate = start_library();
        if (rate < 1)
            return failure(errc::no_capacity, "espeak-ng's data are not installed");
        set_manner(manner_of(call.text("description"), voices()));
        espeak_SetSynthCallback(take_samples);
        espeak_Synth(
            text.c_str(), text.size() + 1, 0, POS_CHARACTER, 0, espeakCHARS_UTF8, nullptr, &heard
        );
    }
    if (heard.stopped)
        return heard.samples.size() > sample_limit
                   ? failure(errc::invalid_argument, "the text takes too long to say")
                   : failure(errc::cancelled, "nobody waits for it any more");
    if (heard.samples.empty())
        return failure(errc::invalid_argument, "the text has nothing that can be said");
    model_answer made;
    made.files.emplace_back(wave_file(heard.samples, rate), "wav", "audio/wav");
    return made;
}

} // namespace rivulet::worker
