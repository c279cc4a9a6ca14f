// Text in pixels, without a font file: the same on every machine. Printable ASCII; any other
// character is a question mark.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::worker {

inline constexpr int glyph_width = 8, glyph_height = 16;

// Words onto lines of at most `columns`; longer words are cut. What does not fit `rows` is left
// out, and the last line says so with dots.
std::vector<std::string> wrap_text(std::string_view utf8, int columns, int rows);

// How dark the text is at a point of a glyph, 0 to 1, with smooth edges; `x` and `y` count glyph
// pixels and may lie between them.
double ink_at(char character, double x, double y);

} // namespace rivulet::worker
