#include "worker/speech_pieces.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace rivulet::worker {

namespace {

constexpr std::size_t longest = 20, shortest = 8; // seconds
constexpr double pause = 0.5, sentence_limit = 15;

std::int64_t loudness(std::span<const std::int16_t> part) {
    std::int64_t sum = 0;
    for (const auto each : part)
        sum += std::abs(static_cast<int>(each));
    return sum;
}

double rounded(double seconds) {
    return std::round(seconds * 100) / 100;
}

boost::json::object chunk(std::string_view text, double from, double to) {
    boost::json::object made;
    made["text"] = text;
    made["timestamp"] = boost::json::array{rounded(from), rounded(to)};
    return made;
}

} // namespace

std::vector<speech_piece> cut_speech(std::span<const std::int16_t> samples, int rate) {
    const auto second = static_cast<std::size_t>(rate);
    const auto window = std::max<std::size_t>(1, second / 10);
    std::vector<speech_piece> made;
    std::size_t begin = 0;
    while (samples.size() - begin > longest * second) {
        std::size_t best = begin + longest * second;
        std::int64_t least = -1;
        for (auto at = begin + shortest * second; at + window <= begin + longest * second;
             at += window) {
            const auto loud = loudness(samples.subspan(at, window));
            // The later of two equally quiet ones: fewer pieces.
            if (least < 0 || loud <= least) {
                least = loud;
                best = at + window / 2;
            }
        }
        made.emplace_back(begin, best);
        begin = best;
    }
    if (begin < samples.size())
        made.emplace_back(begin, samples.size());
    return made;
}

chunk_size parse_chunk_size(std::string_view text) {
    if (text == "word")
        return chunk_size::word;
    if (text == "false" || text == "0")
        return chunk_size::none;
    return chunk_size::sentence;
}

boost::json::object transcript_of(const std::vector<heard_word>& words, chunk_size chunks) {
    std::string text, sentence;
    boost::json::array list;
    double began = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto& each = words[i];
        text += (text.empty() ? "" : " ") + each.word;
        if (chunks == chunk_size::word)
            list.push_back(chunk(each.word, each.from, each.to));
        if (chunks != chunk_size::sentence)
            continue;
        if (sentence.empty())
            began = each.from;
        sentence += (sentence.empty() ? "" : " ") + each.word;
        const bool ends = i + 1 == words.size() || words[i + 1].from - each.to >= pause ||
                          words[i + 1].to - began > sentence_limit;
        if (ends) {
            list.push_back(chunk(sentence, began, each.to));
            sentence.clear();
        }
    }
    boost::json::object made;
    made["text"] = text;
    made["chunks"] = std::move(list);
    return made;
}

} // namespace rivulet::worker
