// Replies of the trickle endpoints: header names and the plain-text errors that peers expect.
// Private to src/trickle.
#pragma once

#include "http/message.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet::trickle {

inline constexpr std::string_view seq_header = "Lp-Trickle-Seq";
inline constexpr std::string_view latest_header = "Lp-Trickle-Latest";
inline constexpr std::string_view closed_header = "Lp-Trickle-Closed";
inline constexpr std::string_view reset_header = "Lp-Trickle-Reset";
inline constexpr std::string_view size_header = "Lp-Trickle-Size";
// Ours: the body was read and thrown away because the segment was stale or already closed.
inline constexpr std::string_view dropped_header = "Lp-Trickle-Dropped";
inline constexpr std::string_view expect_content_header = "Expect-Content";

// "text\n" as text/plain, the way the network's servers answer errors.
http::response text_error(unsigned status, std::string_view text);
http::response empty_ok();
void add(http::response& to, std::string_view name, std::string_view value);
void add(http::response& to, std::string_view name, std::int64_t value);

} // namespace rivulet::trickle
