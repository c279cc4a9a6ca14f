#include "worker/model_functions.hpp"
#include "worker/speech_pieces.hpp"
#include "worker/wave_file.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>
#include <pocketsphinx.h>
#include <sphinxbase/err.h>

namespace rivulet::worker {

namespace {

constexpr int rate = 16'000;
constexpr double seconds_limit = 600;
constexpr std::size_t step = rate / 2; // between two looks at the clock
constexpr double frame_seconds = 0.01;

constexpr const char* data_folder = "/usr/share/pocketsphinx/model/en-us/";

struct free_decoder {
    void operator()(ps_decoder_t* decoder) const noexcept { ps_free(decoder); }
};

struct free_settings {
    void operator()(cmd_ln_t* settings) const noexcept { cmd_ln_free_r(settings); }
};

using decoder_ptr = std::unique_ptr<ps_decoder_t, free_decoder>;

// The library's log and its tables of logarithms are everybody's while a decoder is made.
decoder_ptr make_decoder() {
    static std::mutex guard;
    const std::lock_guard lock(guard);
    err_set_logfp(nullptr);
    const std::string folder = data_folder;
    // Silence stays in: the words' times count it.
    const std::unique_ptr<cmd_ln_t, free_settings> settings(cmd_ln_init(
        nullptr,
        ps_args(),
        1,
        "-hmm",
        (folder + "en-us").c_str(),
        "-lm",
        (folder + "en-us.lm.bin").c_str(),
        "-dict",
        (folder + "cmudict-en-us.dict").c_str(),
        "-remove_silence",
        "no",
        nullptr
    ));
    return decoder_ptr(settings ? ps_init(settings.get()) : nullptr);
}

// "the(2)" is "the" said in another way; "<sil>" and "[NOISE]" are none.
std::string plain_word(std::string_view word) {
    if (word.empty() || word.front() == '<' || word.front() == '[' || word.front() == '+')
        return {};
    return std::string(word.substr(0, word.find('(')));
}

void collect(ps_decoder_t& decoder, double offset, std::vector<heard_word>& into) {
    for (auto* at = ps_seg_iter(&decoder); at; at = ps_seg_next(at)) {
        int from = 0, to = 0;
        ps_seg_frames(at, &from, &to);
        if (auto word = plain_word(ps_seg_word(at)); !word.empty())
            into.emplace_back(
                std::move(word), offset + from * frame_seconds, offset + (to + 1) * frame_seconds
            );
    }
}

} // namespace

bool can_hear() {
    std::error_code ignored;
    return std::filesystem::is_regular_file(std::string(data_folder) + "en-us.lm.bin", ignored);
}

outcome<model_answer> transcribe_sound(const model_call& call) {
    auto samples = decode_sound(call.file, rate, seconds_limit, call.cancelled);
    if (!samples)
        return samples.error();
    const auto decoder = make_decoder();
    if (!decoder)
        return failure(errc::no_capacity, "pocketsphinx's data can't be read");
    std::vector<heard_word> words;
    for (const auto& piece : cut_speech(*samples, rate)) {
        if (ps_start_utt(decoder.get()) < 0)
            return failure(errc::media_error, "the sound can't be understood");
        for (auto at = piece.begin; at < piece.end; at += step) {
            if (call.cancelled())
                return failure(errc::cancelled, "nobody waits for it any more");
            ps_process_raw(
                decoder.get(), samples->data() + at, std::min(step, piece.end - at), 0, 0
            );
        }
        ps_end_utt(decoder.get());
        collect(*decoder, static_cast<double>(piece.begin) / rate, words);
    }
    model_answer made;
    made.body = transcript_of(words, parse_chunk_size(call.text("return_timestamps")));
    return made;
}

} // namespace rivulet::worker
