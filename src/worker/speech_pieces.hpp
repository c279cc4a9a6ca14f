// Cuts a recording where it is quiet, so that each piece can be understood by itself, and puts the
// words of the pieces together again.
// Pure.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::worker {

struct speech_piece {
    std::size_t begin, end; // samples

    speech_piece(std::size_t b, std::size_t e) : begin(b), end(e) {}
};

// Pieces of at most 20 seconds without a gap between them, cut in the quietest tenth of a second
// of the last 12.
std::vector<speech_piece> cut_speech(std::span<const std::int16_t> samples, int rate);

struct heard_word {
    std::string word;
    double from, to; // seconds

    heard_word(std::string w, double f, double t) : word(std::move(w)), from(f), to(t) {}
};

enum class chunk_size { none, sentence, word };

// "true", "1", "sentence"; "word"; "false", "0". Nothing is a sentence each.
chunk_size parse_chunk_size(std::string_view return_timestamps);

// {"text","chunks"}. A sentence ends where nothing is said for half a second, or after 15.
boost::json::object transcript_of(const std::vector<heard_word>& words, chunk_size chunks);

} // namespace rivulet::worker
