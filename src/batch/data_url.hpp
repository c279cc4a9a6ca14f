// "data:image/png;base64,…": how orchestrators hand small media over inside an answer. Pure.
// Fails with: protocol_violation, too_large, unsupported; the text never repeats the media.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet::batch {

struct data_url {
    std::string content_type; // as declared, perhaps empty
    std::string bytes;
};

bool is_data_url(std::string_view text);
// `limit`: of the decoded bytes, known before anything is decoded.
outcome<data_url> parse_data_url(std::string_view text, std::uint64_t limit);

} // namespace rivulet::batch
