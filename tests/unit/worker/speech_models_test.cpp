#include "worker/model_functions.hpp"
#include "worker/speech_manner.hpp"
#include "worker/speech_pieces.hpp"
#include "worker/wave_file.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <numbers>
#include <thread>

namespace rivulet::worker {
namespace {

model_call words(std::string_view text, std::string_view description = {}) {
    model_call made;
    made.fields["text"] = text;
    if (!description.empty())
        made.fields["description"] = description;
    return made;
}

std::string recording(const char* name) {
    std::ifstream file(std::string(RIVULET_TEST_DATA) + "/media/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

const std::function<bool()> goes_on = [] { return false; };

TEST(speak_text, makes_sound_of_about_the_right_length) {
    if (!can_speak())
        GTEST_SKIP() << "no data for espeak-ng on this machine";
    const auto made = speak_text(words("The quick brown fox jumps over the lazy dog."));
    ASSERT_TRUE(made) << made.error().detail;
    ASSERT_EQ(made->files.size(), 1u);
    EXPECT_EQ(made->files[0].type, "audio/wav");
    const auto samples = decode_sound(made->files[0].bytes, 16'000, 60, goes_on);
    ASSERT_TRUE(samples) << samples.error().detail;
    EXPECT_GT(samples->size(), 16'000u);
    EXPECT_LT(samples->size(), 16'000u * 8);
    double energy = 0;
    for (const auto each : *samples)
        energy += double(each) * each;
    EXPECT_GT(std::sqrt(energy / double(samples->size())), 500);
}

TEST(speak_text, speaks_as_the_description_says) {
    if (!can_speak())
        GTEST_SKIP() << "no data for espeak-ng on this machine";
    const auto plain = speak_text(words("One two three four five"));
    const auto slow = speak_text(words("One two three four five", "speaks slowly"));
    const auto german = speak_text(words("One two three four five", "a German speaker"));
    const auto again = speak_text(words("One two three four five"));
    ASSERT_TRUE(plain && slow && german && again);
    EXPECT_GT(double(slow->files[0].bytes.size()), double(plain->files[0].bytes.size()) * 1.15);
    EXPECT_NE(german->files[0].bytes, plain->files[0].bytes);
    // Its noise differs from call to call; nothing of another call's manner sticks.
    const auto length = double(plain->files[0].bytes.size());
    EXPECT_NEAR(double(again->files[0].bytes.size()), length, length * 0.05);
}

TEST(speak_text, refuses_nothing_and_too_much) {
    for (const auto& text : {std::string(), std::string(" \n"), std::string(5'001, 'a')}) {
        const auto made = speak_text(words(text));
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code, errc::invalid_argument);
    }
}

TEST(speak_text, stops_when_nobody_waits) {
    auto call = words("One two three");
    call.cancelled = [] { return true; };
    const auto made = speak_text(call);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::cancelled);
}

TEST(speech_manner, is_read_from_ordinary_words) {
    const std::vector<known_voice> voices{
        {"de", "German"},
        {"fr-be", "French (Belgium)"},
        {"fr-fr", "French (France)"},
        {"is", "Icelandic"},
        {"pt-br", "Portuguese (Brazil)"}};
    const auto ordinary = manner_of(
        "A male speaker delivers a slightly expressive and animated speech with a moderate speed "
        "and pitch. It is no more.",
        voices
    );
    EXPECT_EQ(ordinary.language, "en-us");
    EXPECT_FALSE(ordinary.female);
    EXPECT_EQ(ordinary.pitch, 50);
    const auto other = manner_of("A female French speaker, slowly, with a high pitch", voices);
    EXPECT_EQ(other.language, "fr-fr");
    EXPECT_TRUE(other.female);
    EXPECT_GT(other.pitch, 50);
    EXPECT_LT(other.words_a_minute, ordinary.words_a_minute);
    EXPECT_EQ(manner_of("language: is", voices).language, "is");
    EXPECT_EQ(manner_of("fr", voices).language, "fr-fr");
    EXPECT_EQ(manner_of("pt-BR", voices).language, "pt-br");
    EXPECT_EQ(manner_of("", voices).language, "en-us");
}

TEST(decode_sound, resamples_what_it_finds) {
    std::vector<std::int16_t> tone(22'050);
    for (std::size_t i = 0; i < tone.size(); ++i)
        tone[i] = static_cast<std::int16_t>(
            8'000 * std::sin(2 * std::numbers::pi * 440 * double(i) / 22'050)
        );
    const auto made = decode_sound(wave_file(tone, 22'050), 16'000, 10, goes_on);
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_NEAR(double(made->size()), 16'000, 100);
    int crossings = 0;
    for (std::size_t i = 1; i < made->size(); ++i)
        crossings += (*made)[i - 1] < 0 && (*made)[i] >= 0;
    EXPECT_NEAR(crossings, 440, 5);
}

TEST(decode_sound, refuses_what_is_none_and_what_is_too_long) {
    EXPECT_FALSE(decode_sound("", 16'000, 10, goes_on));
    EXPECT_FALSE(decode_sound("not sound at all", 16'000, 10, goes_on));
    const std::vector<std::int16_t> silence(16'000 * 3);
    const auto made = decode_sound(wave_file(silence, 16'000), 16'000, 2, goes_on);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::too_large);
}

TEST(decode_sound, refuses_what_would_grow_without_bounds) {
    for (const int rate : {1, 1'979'719'488})
        EXPECT_FALSE(
            decode_sound(wave_file(std::vector<std::int16_t>(1'000), rate), 16'000, 10, goes_on)
        );
}

TEST(cut_speech, cuts_where_it_is_quiet) {
    std::vector<std::int16_t> samples(1'000 * 45, 1'000);
    std::fill(samples.begin() + 12'000, samples.begin() + 12'300, std::int16_t(0));
    const auto pieces = cut_speech(samples, 1'000);
    ASSERT_EQ(pieces.size(), 3u);
    EXPECT_EQ(pieces[0].begin, 0u);
    EXPECT_GE(pieces[0].end, 12'000u);
    EXPECT_LE(pieces[0].end, 12'300u);
    EXPECT_EQ(pieces[1].begin, pieces[0].end);
    EXPECT_LE(pieces[1].end - pieces[1].begin, 20'000u);
    EXPECT_EQ(pieces[2].end, samples.size());
    EXPECT_TRUE(cut_speech({}, 1'000).empty());
}

TEST(transcript, has_a_chunk_for_each_sentence_word_or_nothing) {
    const std::vector<heard_word> heard{{"go", 0.5, 0.7}, {"on", 0.7, 1.0}, {"stop", 2.0, 2.5}};
    EXPECT_EQ(
        boost::json::serialize(transcript_of(heard, chunk_size::sentence)),
        R"({"text":"go on stop","chunks":[{"text":"go on","timestamp":[5E-1,1E0]},)"
        R"({"text":"stop","timestamp":[2E0,2.5E0]}]})"
    );
    EXPECT_EQ(transcript_of(heard, chunk_size::word).at("chunks").as_array().size(), 3u);
    EXPECT_EQ(
        boost::json::serialize(transcript_of(heard, chunk_size::none)),
        R"({"text":"go on stop","chunks":[]})"
    );
    EXPECT_EQ(
        boost::json::serialize(transcript_of({}, chunk_size::sentence)),
        R"({"text":"","chunks":[]})"
    );
    EXPECT_EQ(parse_chunk_size("0"), chunk_size::none);
    EXPECT_EQ(parse_chunk_size("word"), chunk_size::word);
    EXPECT_EQ(parse_chunk_size("true"), chunk_size::sentence);
}

TEST(transcribe_sound, hears_what_was_said) {
    if (!can_hear())
        GTEST_SKIP() << "no data for pocketsphinx on this machine";
    model_call call;
    call.file = recording("go_forward.flac");
    const auto heard = transcribe_sound(call);
    ASSERT_TRUE(heard) << heard.error().detail;
    EXPECT_EQ(heard->body.at("text").as_string(), "go forward ten meters");
    const auto& chunks = heard->body.at("chunks").as_array();
    ASSERT_FALSE(chunks.empty());
    const auto& times = chunks.back().at("timestamp").as_array();
    EXPECT_GT(times.at(1).to_number<double>(), 1);
    EXPECT_LT(times.at(1).to_number<double>(), 2.8); // its length
}

TEST(batch_models, do_not_disturb_one_another) {
    if (!can_hear() || !can_speak())
        GTEST_SKIP() << "no data for pocketsphinx or espeak-ng on this machine";
    std::string heard;
    std::size_t spoken = 0;
    std::thread listener([&] {
        model_call call;
        call.file = recording("go_forward.flac");
        if (auto made = transcribe_sound(call))
            heard = made->body.at("text").as_string();
    });
    std::thread speaker([&] {
        for (const char* manner : {"slowly", "a French woman", "fast"})
            if (auto made = speak_text(words("One two three", manner)))
                spoken += made->files.size();
    });
    const auto alone = speak_text(words("One two three", "slowly"));
    speaker.join();
    listener.join();
    ASSERT_TRUE(alone);
    EXPECT_GT(alone->files[0].bytes.size(), 40'000u);
    EXPECT_EQ(spoken, 3u);
    EXPECT_EQ(heard, "go forward ten meters");
}

} // namespace
} // namespace rivulet::worker
